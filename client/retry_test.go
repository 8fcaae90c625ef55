package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/client/internal/conns"
	"github.com/telefleet/orchestrator/client/internal/nodes"
)

// answers is a transport without a network.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
	}
	return a(r)
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

func status(code int, kind, body string) *http.Response {
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: http.Header{"Content-Type": {kind}, "Location": {"http://elsewhere.example/"}}, Body: io.NopCloser(bytes.NewBufferString(body)),
	}
}

// count makes calls of one kind and gives how many requests each node got, and the last error.
func count(t *testing.T, addresses []string, answer answers, opts ...Option) (map[string]int, error) {
	t.Helper()
	got := map[string]int{}
	c, err := New(addresses, append(opts, WithTransport(answers(func(r *http.Request) (*http.Response, error) {
		got[r.URL.Host]++
		return answer(r)
	})))...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Account("a").Me(t.Context())
	return got, err
}

func TestRetryEndsAtItsLimit(t *testing.T) {
	refused := func(*http.Request) (*http.Response, error) { return nil, errRefused }
	for limit, most := range map[time.Duration]int{0: 1, time.Second: 20, DefaultRetry: 60} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			got, err := count(t, []string{"http://a", "http://b"}, refused, WithRetry(limit))
			if !errors.Is(err, ReasonUnreachable) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > limit || limit > 0 && took < limit-2*time.Second {
				t.Errorf("limit %s: took %s", limit, took)
			}
			if got["a"] != got["b"] || got["a"] < 1 || got["a"] > most {
				t.Errorf("limit %s: %v requests", limit, got)
			}
		})
	}
}

func TestDeadlineTellsWhatWasWrong(t *testing.T) {
	refused := func(*http.Request) (*http.Response, error) { return nil, errRefused }
	hanging := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for name, second := range map[string]answers{"refused": refused, "hanging": hanging} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			calls := 0
			c, err := New([]string{"http://a"}, WithRetry(time.Hour), WithTransport(answers(func(r *http.Request) (*http.Response, error) {
				if calls++; calls == 1 {
					return refused(r)
				}
				return second(r)
			})))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Account("a").Me(ctx)
			for _, target := range []error{ReasonDeadline, context.DeadlineExceeded, ReasonUnreachable} {
				if !errors.Is(err, target) {
					t.Errorf("%s: %v is not %v", name, err, target)
				}
			}
			if !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
}

func TestNodeThatFailedRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick := map[string]bool{"a": true}
		got := map[string]int{}
		c, err := New([]string{"http://a", "http://b"}, WithTransport(answers(func(r *http.Request) (*http.Response, error) {
			got[r.URL.Host]++
			if sick[r.URL.Host] {
				return nil, errRefused
			}
			return status(http.StatusOK, "application/proto", ""), nil
		})))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		me := func(a, b int) {
			t.Helper()
			if _, err := c.Account("a").Me(t.Context()); err != nil {
				t.Error(err)
			}
			if got["a"] != a || got["b"] != b {
				t.Errorf("requests %v, want a %d, b %d", got, a, b)
			}
		}
		c.Prefer("http://a")
		me(1, 1)
		me(1, 2) // the client stays with b
		c.Prefer("http://a")
		me(1, 3) // a rests
		time.Sleep(nodes.RestMax)
		c.Prefer("http://a")
		me(2, 4)
		delete(sick, "a")
		sick["b"] = true
		me(3, 5) // b fails, and a is asked though it rests
	})
}

func TestCertificateThatIsNotTrustedIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got, err := count(t, []string{"https://a", "https://b"}, func(*http.Request) (*http.Response, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
		})
		if !errors.Is(err, ReasonUntrusted) || got["a"] != 1 || got["b"] != 1 || time.Since(start) != 0 {
			t.Errorf("got %v after %s and %v requests", err, time.Since(start), got)
		}
	})
}

func TestWhatIsNoNodeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for code, reason := range map[int]Reason{
			http.StatusNotFound: ReasonReply, http.StatusForbidden: ReasonReply, http.StatusUnauthorized: ReasonReply,
			http.StatusBadGateway: ReasonUnreachable, http.StatusFound: ReasonUnreachable,
		} {
			got, err := count(t, []string{"http://a"}, func(*http.Request) (*http.Response, error) {
				return status(code, "text/html", "<html>"), nil
			}, WithRetry(0), WithToken(""))
			if !errors.Is(err, reason) || got["a"] != 1 || len(got) != 1 {
				t.Errorf("%d: got %v after %v requests", code, err, got)
			}
		}
	})
}

func TestTokenGoesToTheNodeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := ""
		got, err := count(t, []string{"https://a"}, func(r *http.Request) (*http.Response, error) {
			seen = r.Header.Get("Authorization")
			return status(http.StatusTemporaryRedirect, "text/html", ""), nil
		}, WithRetry(0), WithToken("secret"))
		if err == nil || len(got) != 1 || seen != "Bearer secret" || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, %v, %q", err, got, seen)
		}
	})
}

func TestFrozenNodeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frozen := conns.NewTransport(nil, &conns.Sockets{})
		ended := make(chan error, 1)
		frozen.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { // takes all and says nothing
				_, err := io.Copy(io.Discard, theirs)
				ended <- err
			}()
			return ours, nil
		}
		c, err := New([]string{"http://a"}, WithRetry(0), WithTransport(frozen))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		start := time.Now()
		_, err = c.Account("a").Me(t.Context())
		if !errors.Is(err, ReasonUnreachable) || time.Since(start) != conns.Silence+conns.PingTimeout {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		<-ended
	})
}
