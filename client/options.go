package client

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Option changes how a client works.
type Option func(*options)

type options struct {
	token     string
	tls       *tls.Config
	retry     time.Duration
	transport http.RoundTripper
}

// DefaultRetry is how long calls are tried again, see WithRetry. It outlasts the takeover of the
// accounts of a node that stopped cleanly.
const DefaultRetry = 30 * time.Second

// WithToken authorizes every call with a bearer token. A token is never sent in clear text other
// than to a loopback address.
func WithToken(token string) Option { return func(o *options) { o.token = token } }

// WithTLS sets the authorities to trust, a client certificate and the like for https addresses.
// TLS 1.2 is the least that is spoken.
func WithTLS(cfg *tls.Config) Option { return func(o *options) { o.tls = cfg } }

// WithRetry sets how long after its beginning a call may still be tried again, DefaultRetry
// unless set. With 0 each node is tried at most once. An iterator of events that has begun is
// resumed without this limit.
func WithRetry(limit time.Duration) Option { return func(o *options) { o.retry = limit } }

// WithTransport replaces the HTTP transport; it must speak HTTP/2 for streams. WithTLS has no
// effect then.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// parse checks the addresses and gives them in a form to which paths can be appended.
func (o *options) parse(addresses []string) ([]string, error) {
	const remedy = "give http://host:port or https://host:port as the node prints it when it starts"
	var out []string
	seen := map[string]bool{}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, invalid(remedy, "address: must be a URL (got %q)", redact(address))
		}
		if o.token != "" && u.Scheme == "http" && !loopback(u.Hostname()) {
			return nil, invalid("use https", "address: a token would be sent in clear text (got %q)", address)
		}
		base := u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/")
		if !seen[base] {
			seen[base] = true
			out = append(out, base)
		}
	}
	if len(out) == 0 {
		return nil, invalid(remedy, "address: at least one is needed")
	}
	return out, nil
}

// redact hides what may be a password in an address.
func redact(address string) string {
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		return "…" + address[i:]
	}
	return address
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
