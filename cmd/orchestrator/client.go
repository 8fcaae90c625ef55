package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
)

// api is the control API's client.
type api struct {
	fleet    orchestratorv1connect.FleetServiceClient
	auth     orchestratorv1connect.AuthServiceClient
	users    orchestratorv1connect.UserServiceClient
	messages orchestratorv1connect.MessageServiceClient
	events   orchestratorv1connect.EventServiceClient
	raw      orchestratorv1connect.RawServiceClient
}

// dial makes a client of a node's API; nothing is sent yet.
func dial(server string) (*api, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usageError{fmt.Errorf("--server: must be http://host:port or https://host:port (got %q)", server),
			"the node prints its address when it starts"}
	}
	c := httpClient(u.Scheme == "http")
	base := u.Scheme + "://" + u.Host
	return &api{
		fleet:    orchestratorv1connect.NewFleetServiceClient(c, base),
		auth:     orchestratorv1connect.NewAuthServiceClient(c, base),
		users:    orchestratorv1connect.NewUserServiceClient(c, base),
		messages: orchestratorv1connect.NewMessageServiceClient(c, base),
		events:   orchestratorv1connect.NewEventServiceClient(c, base),
		raw:      orchestratorv1connect.NewRawServiceClient(c, base),
	}, nil
}

// httpClient speaks HTTP/2, in clear text where the server is on loopback, so that many calls
// and streams share one connection.
func httpClient(clear bool) *http.Client {
	t := &http2.Transport{AllowHTTP: clear, ReadIdleTimeout: 30 * time.Second}
	if clear {
		t.DialTLSContext = func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
	}
	return &http.Client{Transport: t}
}
