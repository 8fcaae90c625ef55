package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/telefleet/orchestrator/client"
)

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
