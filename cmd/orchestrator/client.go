package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

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
	sessions orchestratorv1connect.SessionServiceClient
}

// dial makes a client of a node's API; nothing is sent yet.
func dial(g *globals) (*api, error) {
	server := g.server
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usageError{fmt.Errorf("--server: must be http://host:port or https://host:port (got %q)", server),
			"the node prints its address when it starts"}
	}
	c, err := httpClient(u.Scheme == "http", g)
	if err != nil {
		return nil, err
	}
	base := u.Scheme + "://" + u.Host
	return &api{
		fleet:    orchestratorv1connect.NewFleetServiceClient(c, base),
		auth:     orchestratorv1connect.NewAuthServiceClient(c, base),
		users:    orchestratorv1connect.NewUserServiceClient(c, base),
		messages: orchestratorv1connect.NewMessageServiceClient(c, base),
		events:   orchestratorv1connect.NewEventServiceClient(c, base),
		raw:      orchestratorv1connect.NewRawServiceClient(c, base),
		sessions: orchestratorv1connect.NewSessionServiceClient(c, base),
	}, nil
}

// httpClient speaks HTTP/2, in clear text where the server is on loopback, so that many calls
// and streams share one connection.
func httpClient(clear bool, g *globals) (*http.Client, error) {
	var protocols http.Protocols
	protocols.SetHTTP2(!clear)
	protocols.SetUnencryptedHTTP2(clear)
	t := &http.Transport{
		Protocols: &protocols, HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if g.caFile != "" {
		pem, err := os.ReadFile(g.caFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, usageError{fmt.Errorf("--ca-file: holds no certificate (got %q)", g.caFile), "give the certificate of the node's authority in PEM form"}
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: bearer{t, os.Getenv(envToken)}}, nil
}

// bearer adds the API token to every request.
type bearer struct {
	next  http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}
