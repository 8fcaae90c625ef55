package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/fleet"
)

// certificate makes one for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	w := newWorld()
	me(w)
	w.append("c1", "e1")
	n := w.node(t, withTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}),
		func(c *control.Config) { c.Tokens = tokens("right") })
	_, err := client.Dial(t.Context(), []string{n.url}, client.WithToken("right"))
	want(t, err, client.ReasonUntrusted, fleet.CodeUnavailable)
	c, err := client.Dial(t.Context(), []string{n.url}, client.WithToken("right"), client.WithTLS(&tls.Config{RootCAs: pool}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Account("a").Me(t.Context()); err != nil {
		t.Error(err)
	}
	for event, err := range c.Events(t.Context(), client.EventOptions{From: client.Begin, UntilNow: true}) {
		if err != nil || event.GetId() != "e1" {
			t.Errorf("got %v, %v", event, err)
		}
	}
	clear := w.node(t)
	_, err = client.Dial(t.Context(), []string{"https" + clear.url[len("http"):]}, client.WithRetry(0))
	want(t, err, client.ReasonUntrusted, fleet.CodeUnavailable)
}
