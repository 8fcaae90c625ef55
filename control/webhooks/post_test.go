package webhooks

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// receiver is an https server on loopback, and what its clients trust.
func receiver(t *testing.T, serve http.HandlerFunc) (string, *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(serve)
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}
}

func newPoster(t *testing.T, p Policy, config *tls.Config) *Poster {
	t.Helper()
	poster := NewPoster(p, config)
	t.Cleanup(poster.Close)
	return poster
}

func TestPostIsWhatStandardWebhooksSays(t *testing.T) {
	key := NewKey(time.Now())
	body := []byte(`{"type":"test"}`)
	var problem string
	address, config := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		seconds, err2 := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		at := time.Unix(seconds, 0)
		switch {
		case err != nil || err2 != nil || string(got) != string(body) || r.Method != http.MethodPost:
			problem = "body or method"
		case time.Since(at).Abs() > time.Minute:
			problem = "timestamp"
		case r.Header.Get("webhook-id") != "evt_1" || r.Header.Get("Content-Type") != "application/json":
			problem = "id or type"
		case r.Header.Get("webhook-signature") != Sign([]Key{key}, "evt_1", at, body):
			problem = "signature"
		}
		w.WriteHeader(http.StatusNoContent)
	})
	a := newPoster(t, Policy{Allow: loopback}, config).Do(t.Context(), Post{URL: address + "/hook?token=s3cret", ID: "evt_1", Body: body, Keys: []Key{key}})
	if a.Err != nil || a.Status != http.StatusNoContent || problem != "" {
		t.Errorf("got %+v, problem: %s", a, problem)
	}
}

func TestAnswersThatAreNoDelivery(t *testing.T) {
	var status int
	var header string
	address, config := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.WriteHeader(status)
	})
	poster := newPoster(t, Policy{Allow: loopback}, config)
	for _, c := range []struct {
		status int
		header string
		wait   time.Duration
	}{
		{400, "", 0}, {410, "", 0}, {500, "x", 0}, {503, "7", 7 * time.Second}, {429, "-3", 0}, {429, "99999999", maxRetryAfter},
		{503, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 0},
	} {
		status, header = c.status, c.header
		a := poster.Do(t.Context(), Post{URL: address, ID: "x", Keys: []Key{NewKey(time.Now())}})
		if a.Err == nil || a.Status != c.status || a.RetryAfter != c.wait {
			t.Errorf("%d %q: got %+v", c.status, c.header, a)
		}
	}
	status, header = 503, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	if a := poster.Do(t.Context(), Post{URL: address}); a.RetryAfter < 59*time.Minute || a.RetryAfter > time.Hour {
		t.Errorf("got %+v", a)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	hits := 0
	var target string
	address, config := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		hits++
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
	})
	target = address + "/elsewhere"
	a := newPoster(t, Policy{Allow: loopback}, config).Do(t.Context(), Post{URL: address})
	if a.Err == nil || a.Status != http.StatusTemporaryRedirect || hits != 1 || !strings.Contains(a.Err.Error(), "redirects are not followed") {
		t.Errorf("got %+v after %d requests", a, hits)
	}
}

// Whatever the URL looks like, and whatever its host leads to: what is connected to decides. Each
// of these would reach the receiver on loopback.
func TestConnectionsToPrivateAddressesAreRefused(t *testing.T) {
	hits := 0
	address, config := receiver(t, func(http.ResponseWriter, *http.Request) { hits++ })
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	poster := newPoster(t, Policy{}, config)
	for _, host := range []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0.0.0.0", "[::]", "0"} {
		a := poster.Do(t.Context(), Post{URL: "https://" + host + ":" + u.Port() + "/?token=s3cret", Timeout: 5 * time.Second})
		if a.Err == nil || a.Status != 0 || strings.Contains(a.Err.Error(), "s3cret") {
			t.Errorf("%s: got %+v", host, a)
		}
		// Past the check of the text, as a name that leads there does.
		conn, err := poster.policy.dial(t.Context(), "tcp", strings.Trim(host, "[]")+":"+u.Port())
		if strings.Contains(host, ":") {
			conn, err = poster.policy.dial(t.Context(), "tcp", host+":"+u.Port())
		}
		if err == nil {
			t.Errorf("%s: connected to %s", host, conn.RemoteAddr())
			conn.Close()
		}
	}
	if hits != 0 {
		t.Errorf("%d requests arrived", hits)
	}
	// "localhost" is a name, so only the connection shows where it leads.
	a := newPoster(t, Policy{Allow: loopback}, config).Do(t.Context(), Post{URL: "https://localhost:" + u.Port()})
	if a.Err != nil || hits != 1 {
		t.Errorf("allowed, but got %+v", a)
	}
}

func TestSlowReceiverIsNotWaitedFor(t *testing.T) {
	release := make(chan struct{})
	address, config := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	a := newPoster(t, Policy{Allow: loopback}, config).Do(t.Context(), Post{URL: address, Timeout: 50 * time.Millisecond})
	if a.Err == nil || a.Err.Error() != "no answer within 50ms" {
		t.Errorf("got %+v", a)
	}
}

// The certificate is checked.
func TestUntrustedReceiverGetsNothing(t *testing.T) {
	hits := 0
	address, _ := receiver(t, func(http.ResponseWriter, *http.Request) { hits++ })
	a := newPoster(t, Policy{Allow: loopback}, nil).Do(t.Context(), Post{URL: address})
	if a.Err == nil || a.Status != 0 || hits != 0 {
		t.Errorf("got %+v after %d requests", a, hits)
	}
}
