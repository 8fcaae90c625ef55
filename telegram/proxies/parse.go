package proxies

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/telefleet/orchestrator/fleet"
)

// Reason is the reason of every error of this package.
const Reason = "PROXY_INVALID"

// maxLink is the longest link that is looked at, in bytes; the longest real ones hold a domain and have a few hundred.
const maxLink = 4096

// maxCredential is the longest user or password: SOCKS5 has one byte for the length.
const maxCredential = 255

func invalid(remedy, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, Reason, format, args...).WithRemedy(remedy)
}

// Parse reads a proxy link: tg://proxy, tg://socks, t.me/proxy and t.me/socks (also under telegram.me and telegram.dog,
// with or without https://), and the URLs socks5://, socks5h:// and http:// with user:password@host:port. Parameters of
// a link that are not known are ignored, as Telegram's clients do.
func Parse(link string) (Proxy, error) {
	const forms = "use a link such as tg://proxy?server=…&port=…&secret=…, tg://socks?server=…&port=…, or http://user:password@host:port"
	link = strings.TrimSpace(link)
	if link == "" || len(link) > maxLink {
		return Proxy{}, invalid(forms, "link: must have 1 to %d characters (got %d)", maxLink, len(link))
	}
	if !strings.Contains(link, "://") && !strings.HasPrefix(strings.ToLower(link), "tg:") {
		link = "https://" + link
	}
	u, err := url.Parse(link)
	if err != nil { // what it says repeats the link
		return Proxy{}, invalid(forms, "link: is no URL (got %d characters)", len(link))
	}
	switch u.Scheme {
	case "tg":
		return parseTG(u, forms)
	case "socks5", "socks5h", "http", "https":
		if isTelegram(u.Hostname()) {
			return parseAction(strings.Trim(u.Path, "/"), u.RawQuery, forms)
		}
		return parseURL(u, forms)
	}
	return Proxy{}, invalid(forms, "link: scheme must be tg, https, http or socks5 (got %s)", shown(u.Scheme, letters))
}

// isTelegram knows the hosts of Telegram's links.
func isTelegram(host string) bool {
	switch strings.TrimPrefix(strings.ToLower(host), "www.") {
	case "t.me", "telegram.me", "telegram.dog":
		return true
	}
	return false
}

// parseTG reads tg://proxy?… and tg:proxy?….
func parseTG(u *url.URL, forms string) (Proxy, error) {
	action := u.Host
	if u.Opaque != "" {
		action = u.Opaque
	}
	return parseAction(strings.Trim(action, "/"), u.RawQuery, forms)
}

func parseAction(action, query, forms string) (Proxy, error) {
	values, err := url.ParseQuery(query)
	if err != nil { // what it says repeats a part of the link
		return Proxy{}, invalid("copy the whole link again", "link: its parameters are not well formed (got %d characters)", len(query))
	}
	f := Fields{Host: values.Get("server"), Port: values.Get("port")}
	switch strings.ToLower(action) {
	case "proxy":
		f.Kind = string(MTProxy)
		f.Secret = strings.ReplaceAll(values.Get("secret"), " ", "+") // a + of base64 that was not escaped
	case "socks":
		f.Kind, f.User, f.Password = string(SOCKS5), values.Get("user"), values.Get("pass")
	default:
		return Proxy{}, invalid(forms, "link: must be a proxy or socks link of Telegram (got %s)", shown(action, letters))
	}
	return FromFields(f)
}

func parseURL(u *url.URL, forms string) (Proxy, error) {
	if u.Scheme == "https" {
		return Proxy{}, invalid(forms, "link: is neither a link of Telegram nor the URL of a proxy without TLS (got host %s)", shown(u.Hostname(), domains))
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return Proxy{}, invalid(forms, "link: nothing may follow host and port (got host %s)", shown(u.Hostname(), domains))
	}
	f := Fields{Kind: strings.TrimSuffix(u.Scheme, "h"), Host: u.Hostname(), Port: u.Port()}
	if u.User != nil {
		f.User = u.User.Username()
		f.Password, _ = u.User.Password()
	}
	return FromFields(f)
}

// Fields are a proxy as text, as forms and configuration files hold it.
type Fields struct {
	// Kind is mtproxy, socks5 or http.
	Kind string
	Host string
	Port string
	// User and Password are for socks5 and http.
	User, Password string
	// Secret is for mtproxy, hexadecimal or base64.
	Secret string
}

// FromFields checks the fields and returns all problems in one error.
func FromFields(f Fields) (Proxy, error) {
	p := Proxy{Kind: Kind(f.Kind), Host: strings.TrimSuffix(strings.TrimPrefix(f.Host, "["), "]"), User: f.User, Password: f.Password}
	problems := problems{}
	if n, err := strconv.ParseUint(f.Port, 10, 16); err == nil && n > 0 {
		p.Port = uint16(n)
	} else {
		problems.add(invalid(portRemedy, "port: must be 1 to 65535 (got %s)", shown(f.Port, letters)))
	}
	if f.Secret != "" || p.Kind == MTProxy {
		var err error
		p.Secret, err = ParseSecret(f.Secret)
		problems.add(err)
	}
	problems.add(p.validate(true))
	if err := problems.join(); err != nil {
		return Proxy{}, err
	}
	return p, nil
}

// Validate checks a proxy that was put together by hand and returns all problems in one error.
func (p Proxy) Validate() error { return p.validate(false) }

const portRemedy = "give the port of the proxy as a number, such as 443"

// validate leaves out port and secret if their text was judged already.
func (p Proxy) validate(parsed bool) error {
	found := problems{}
	found.add(checkHost(p.Host))
	if p.Port == 0 && !parsed {
		found.add(invalid(portRemedy, `port: must be 1 to 65535 (got "0")`))
	}
	switch p.Kind {
	case MTProxy:
		if !parsed {
			found.add(p.Secret.check())
		}
		if p.User != "" || p.Password != "" {
			found.add(invalid("leave user and password out: an MTProxy has only a secret", "user: must be empty for an mtproxy (got %d characters)", len(p.User)+len(p.Password)))
		}
	case SOCKS5, HTTP:
		if len(p.Secret) > 0 {
			found.add(invalid("leave the secret out, or set kind to mtproxy", "secret: must be empty for kind %s (got %d bytes)", p.Kind, len(p.Secret)))
		}
		found.add(p.checkCredentials())
	default:
		found.add(invalid("set kind to mtproxy, socks5 or http", "kind: must be mtproxy, socks5 or http (got %s)", shown(string(p.Kind), letters)))
	}
	return found.join()
}

func (p Proxy) checkCredentials() error {
	found := problems{}
	for i, value := range []string{p.User, p.Password} {
		name := []string{"user", "password"}[i]
		if value == hidden {
			found.add(invalid("use the original link, not one that was shown", "%s: is the mark of a value that was left out (got %q)", name, hidden))
		}
		if len(value) > maxCredential {
			found.add(invalid("ask the provider for a shorter one", "%s: must have at most %d bytes (got %d)", name, maxCredential, len(value)))
		}
	}
	switch {
	case p.User == "" && p.Password != "":
		found.add(invalid("set both or none", "user: must be set when a password is (got none)"))
	case p.User != "" && p.Password == "" && p.Kind == SOCKS5:
		found.add(invalid("set both or none", "password: must be set when a user is (got none)"))
	case p.Kind == HTTP && strings.Contains(p.User, ":"):
		found.add(invalid("use a user name without colon", "user: must not hold a colon for kind http (got %d characters)", len(p.User)))
	}
	return found.join()
}

func checkHost(host string) error {
	const remedy = "give a name such as proxy.example, or an IPv4 or IPv6 address"
	if strings.Contains(host, ":") {
		if ip, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return invalid(remedy, "host: must be a name or an IP address without zone (got %s)", shown(host, domains))
		}
		return nil
	}
	good := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_'
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return !good(r) }) {
		return invalid(remedy, "host: must be a name of 1 to 253 letters, digits, - . and _, or an IP address (got %s)", shown(host, domains))
	}
	return nil
}

// ParseSecret reads an MTProxy secret: hexadecimal, or base64 of either alphabet with or without padding. What can be
// read both ways is hexadecimal.
func ParseSecret(text string) (Secret, error) {
	if text == hidden {
		return nil, invalid("use the original link, not one that was shown", "secret: is the mark of a value that was left out (got %q)", hidden)
	}
	digits, err := hex.DecodeString(text)
	asDigits := Secret(digits).check()
	if err == nil && asDigits == nil {
		return digits, nil
	}
	decoded, notBase64 := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "=")))
	asBase64 := Secret(decoded).check()
	switch {
	case notBase64 == nil && asBase64 == nil:
		return decoded, nil
	case err == nil:
		return nil, asDigits
	case notBase64 == nil:
		return nil, asBase64
	}
	return nil, invalid("copy the whole secret again", "secret: must be hexadecimal or base64 (got %d characters that are neither)", len(text))
}

func (s Secret) check() error {
	const remedy = "copy the whole secret again: 32 hexadecimal digits, dd and 32, or ee, 32 and a domain"
	switch n := len(s); {
	case n == secretKey, n == 1+secretKey && s[0] == secretPadded:
		return nil
	case n > 1+secretKey && s[0] == secretTLS:
		domain := string(s[1+secretKey:])
		if len(domain) > maxDomain || strings.ContainsFunc(domain, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return invalid(remedy, "secret: its domain must be 1 to %d printable ASCII characters (got %d bytes)", maxDomain, len(domain))
		}
		return nil
	case n <= secretKey:
		return invalid(remedy, "secret: must have at least %d bytes (got %d)", secretKey, n)
	default:
		return invalid(remedy, "secret: its form is not known: %d bytes must begin with dd (17 bytes) or ee (18 and more)", n)
	}
}

// What errors repeat of a value that was put into the wrong place, which may well be a secret, is limited to what looks
// like a value of that place: a short word, or a name with a dot in it.
const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-"
	domains = letters + ".:%_"
)

func shown(s, alphabet string) string {
	longest := 12
	if alphabet == domains && strings.ContainsAny(s, ".:") {
		longest = 64
	}
	if len(s) > longest || strings.Trim(s, alphabet) != "" {
		return strconv.Itoa(len(s)) + " characters"
	}
	return strconv.Quote(s)
}

// problems are the errors found so far.
type problems []*fleet.Error

func (p *problems) add(err error) {
	if e := (*fleet.Error)(nil); errors.As(err, &e) {
		*p = append(*p, e)
	}
}

// join makes one error of all: their messages one after another, their remedies without repetition.
func (p problems) join() error {
	if len(p) == 0 {
		return nil
	}
	messages, remedies := []string{}, []string{}
	for _, e := range p {
		messages = append(messages, e.Message)
		if !strings.Contains(strings.Join(remedies, "; "), e.Remedy) {
			remedies = append(remedies, e.Remedy)
		}
	}
	return invalid(strings.Join(remedies, "; "), "%s", strings.Join(messages, "; "))
}
