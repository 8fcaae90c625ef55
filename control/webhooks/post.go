package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// Limits of one post.
const (
	// DefaultTimeout is how long an answer may take.
	DefaultTimeout = 15 * time.Second
	maxAnswer      = 4 << 10 // read of the body, so that the connection can be used again
	maxHeader      = 16 << 10
	idleTimeout    = 30 * time.Second
	maxIdle        = 256
	// maxRetryAfter bounds what a receiver can ask for.
	maxRetryAfter = 24 * time.Hour
)

// Post is one request to make.
type Post struct {
	URL  string
	ID   string
	Body []byte
	Keys []Key
	// Timeout is for all of it; 0 = DefaultTimeout.
	Timeout time.Duration
}

// Answer is what became of a post.
type Answer struct {
	// Status is the HTTP status, 0 when no answer came.
	Status int
	// Err is nil for a delivery.
	Err error
	// RetryAfter is what the receiver asked for, 0 for nothing.
	RetryAfter time.Duration
	Took       time.Duration
}

// Poster makes posts.
type Poster struct {
	policy Policy
	client *http.Client
}

// NewPoster makes a Poster. config may name authorities to trust besides the system's; nil for
// none. Proxies of the environment are not used: the address that is checked is the receiver's.
func NewPoster(policy Policy, config *tls.Config) *Poster {
	t := &http.Transport{
		DialContext: policy.dial, TLSClientConfig: config, ForceAttemptHTTP2: true, DisableCompression: true,
		MaxResponseHeaderBytes: maxHeader, IdleConnTimeout: idleTimeout, MaxIdleConns: maxIdle,
	}
	return &Poster{policy: policy, client: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends idle connections.
func (p *Poster) Close() { p.client.CloseIdleConnections() }

// Do makes one post.
func (p *Poster) Do(ctx context.Context, post Post) (a Answer) {
	if post.Timeout <= 0 {
		post.Timeout = DefaultTimeout
	}
	if err := p.policy.CheckURL(post.URL); err != nil { // the configuration may have changed
		var refused *fleet.Error
		if errors.As(err, &refused) {
			err = errors.New(refused.Message)
		}
		return Answer{Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, post.Timeout)
	defer cancel()
	now := time.Now()
	defer func() { a.Took = time.Since(now) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, post.URL, bytes.NewReader(post.Body))
	if err != nil {
		return Answer{Err: errors.New("the URL cannot be used")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "orchestrator-webhooks/1")
	req.Header.Set("webhook-id", post.ID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", Sign(Live(post.Keys, now), post.ID, now, post.Body))
	res, err := p.client.Do(req)
	if err != nil {
		return Answer{Err: reasonOf(ctx, post.Timeout, err)}
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // only to use the connection again
	_ = res.Body.Close()
	a.Status = res.StatusCode
	a.RetryAfter = retryAfter(res.Header.Get("Retry-After"), now)
	switch {
	case a.Status >= 200 && a.Status < 300:
	case a.Status >= 300 && a.Status < 400:
		a.Err = fmt.Errorf("answered %d: redirects are not followed", a.Status)
	default:
		a.Err = fmt.Errorf("answered %d", a.Status)
	}
	return a
}

// reasonOf is why no answer came, without the URL.
func reasonOf(ctx context.Context, timeout time.Duration, err error) error {
	var private *addressError
	var wrapped *url.Error
	switch {
	case errors.As(err, &private):
		return private
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", timeout)
	case errors.As(err, &wrapped):
		return wrapped.Err
	}
	return err
}

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
