package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/client"
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
	bases, err := g.addresses()
	if err != nil {
		return nil, err
	}
	base := answering(bases)
	c, err := httpClient(strings.HasPrefix(base, "http://"), g)
	if err != nil {
		return nil, err
	}
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

// sdk makes a client that goes on to the next server when one fails; nothing is sent yet.
func sdk(g *globals) (*client.Client, error) {
	bases, err := g.addresses()
	if err != nil {
		return nil, err
	}
	cfg, err := g.tlsConfig()
	if err != nil {
		return nil, err
	}
	return client.New(bases, client.WithToken(g.token), client.WithTLS(cfg), client.WithRetry(0))
}

// addresses are the servers as base URLs, those of the chosen context where it decides.
func (g *globals) addresses() ([]string, error) {
	if err := g.useContext(); err != nil {
		return nil, err
	}
	var bases []string
	for server := range strings.SplitSeq(g.server, ",") {
		server = strings.TrimSpace(server)
		if !strings.Contains(server, "://") {
			server = "http://" + server
		}
		u, err := url.Parse(server)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, usageError{fmt.Errorf("--server: must be http://host:port or https://host:port (got %q)", server),
				"the node prints its address when it starts"}
		}
		bases = append(bases, u.Scheme+"://"+u.Host)
	}
	return bases, nil
}

// probeTime is how long a server may take to accept a connection before the next one is tried.
const probeTime = 2 * time.Second

// answering is the first of several servers that accepts connections, or the last of all.
func answering(bases []string) string {
	for _, base := range bases[:len(bases)-1] {
		u, err := url.Parse(base)
		if err != nil {
			continue
		}
		address := u.Host
		if u.Port() == "" {
			address = net.JoinHostPort(u.Hostname(), u.Scheme)
		}
		if c, err := net.DialTimeout("tcp", address, probeTime); err == nil {
			_ = c.Close()
			return base
		}
	}
	return bases[len(bases)-1]
}

// httpClient speaks HTTP/2, in clear text where the server is on loopback, so that many calls
// and streams share one connection.
func httpClient(clear bool, g *globals) (*http.Client, error) {
	var protocols http.Protocols
	protocols.SetHTTP2(!clear)
	protocols.SetUnencryptedHTTP2(clear)
	cfg, err := g.tlsConfig()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Protocols: &protocols, HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second}, TLSClientConfig: cfg,
	}
	return &http.Client{Transport: bearer{t, g.token}}, nil
}

// tlsConfig trusts the authority of --ca-file, or the system's.
func (g *globals) tlsConfig() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if g.caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(g.caFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usageError{fmt.Errorf("--ca-file: holds no certificate (got %q)", g.caFile), "give the certificate of the node's authority in PEM form"}
	}
	return cfg, nil
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
