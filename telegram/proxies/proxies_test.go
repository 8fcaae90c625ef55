package proxies

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/telefleet/orchestrator/fleet"
)

const (
	key      = "00112233445566778899aabbccddeeff"
	user     = "user-7f3a"
	password = "pa:ss w0rd%41&=+/é"
)

func unhex(s string) Secret {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

var tlsSecret = append(unhex("ee"+key), "www.example.com"...)

func TestLinks(t *testing.T) {
	mt := func(secret Secret) Proxy {
		return Proxy{Kind: MTProxy, Host: "proxy.example", Port: 443, Secret: secret}
	}
	socks := Proxy{Kind: SOCKS5, Host: "proxy.example", Port: 1080}
	socksLogin := Proxy{Kind: SOCKS5, Host: "proxy.example", Port: 1080, User: "u", Password: "p w"}
	ee64 := base64.RawURLEncoding.EncodeToString(tlsSecret)
	for link, want := range map[string]Proxy{
		"tg://proxy?server=proxy.example&port=443&secret=" + key:                                   mt(unhex(key)),
		"tg:proxy?server=proxy.example&port=443&secret=" + key:                                     mt(unhex(key)),
		"TG://Proxy/?secret=" + strings.ToUpper(key) + "&port=443&server=proxy.example":            mt(unhex(key)),
		"https://t.me/proxy?server=proxy.example&port=443&secret=dd" + key:                         mt(unhex("dd" + key)),
		"http://t.me/proxy/?server=proxy.example&port=443&secret=dd" + key + "&comment=x#fragment": mt(unhex("dd" + key)),
		"t.me/proxy?server=proxy.example&port=443&secret=" + hex.EncodeToString(tlsSecret):         mt(tlsSecret),
		"https://telegram.me/proxy?server=proxy.example&port=443&secret=" + ee64:                   mt(tlsSecret),
		"https://www.telegram.dog/proxy?server=proxy.example&port=443&secret=" + ee64 + "%3D%3D":   mt(tlsSecret),
		"  tg://proxy?server=proxy.example&port=443&secret=" + ee64 + "==\n":                       mt(tlsSecret),
		"tg://proxy?server=2001:db8::1&port=443&secret=" + key:                                     {Kind: MTProxy, Host: "2001:db8::1", Port: 443, Secret: unhex(key)},
		"tg://proxy?server=%5B2001%3Adb8%3A%3A1%5D&port=443&secret=" + key:                         {Kind: MTProxy, Host: "2001:db8::1", Port: 443, Secret: unhex(key)},
		"tg://socks?server=proxy.example&port=1080":                                                socks,
		"https://t.me/socks?server=proxy.example&port=1080&user=&pass=":                            socks,
		"tg://socks?server=proxy.example&port=1080&user=u&pass=p+w":                                socksLogin,
		"https://t.me/socks?server=proxy.example&port=1080&user=u&pass=p%20w":                      socksLogin,
		"socks5://proxy.example:1080":                                                              socks,
		"socks5h://u:p%20w@proxy.example:1080/":                                                    socksLogin,
		"http://u:p%20w@[2001:db8::1]:3128":                                                        {Kind: HTTP, Host: "2001:db8::1", Port: 3128, User: "u", Password: "p w"},
		"http://192.0.2.7:8080":                                                                    {Kind: HTTP, Host: "192.0.2.7", Port: 8080},
	} {
		got, err := Parse(link)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", link, got.Link(), err)
			continue
		}
		again, err := Parse(got.Link())
		if err != nil || !again.Equal(want) {
			t.Errorf("%s: round trip by %s: %v, %v", link, got.Link(), again.Link(), err)
		}
	}
}

// TestSecretsInAllSpellings: + and / of base64 are read in a link even if nobody escaped them.
func TestSecretsInAllSpellings(t *testing.T) {
	odd := append(unhex("ee"+strings.Repeat("fb", 16)), "a.b?"...) // has + and / in base64
	std := base64.StdEncoding.EncodeToString(odd)
	if !strings.Contains(std, "+") || !strings.Contains(std, "/") {
		t.Fatal(std)
	}
	for _, text := range []string{hex.EncodeToString(odd), std, strings.TrimRight(std, "="), base64.URLEncoding.EncodeToString(odd), base64.RawURLEncoding.EncodeToString(odd)} {
		if got, err := ParseSecret(text); err != nil || !bytes.Equal(got, odd) {
			t.Errorf("%s: %v", text, err)
		}
		if p, err := Parse("tg://proxy?server=h&port=1&secret=" + text); err != nil || !bytes.Equal(p.Secret, odd) {
			t.Errorf("link with %s: %v", text, err)
		}
	}
	// 22 characters of base64 that are hexadecimal digits too, but of 11 bytes
	both := "0123456789abcdef012345"[:21] + "4"
	if got, err := ParseSecret(both); err != nil || len(got) != 16 {
		t.Errorf("base64 of hexadecimal digits: %d bytes, %v", len(got), err)
	}
	for secret, mode := range map[string]string{key: "plain", "dd" + key: "padded", "ee" + key + "61": "FakeTLS"} {
		if s, err := ParseSecret(secret); err != nil || s.Mode() != mode {
			t.Errorf("%v, %v", s.Mode(), err)
		}
	}
}

func TestAllFieldsRoundTrip(t *testing.T) {
	for _, p := range []Proxy{
		{Kind: SOCKS5, Host: "proxy.example", Port: 65535, User: user, Password: password},
		{Kind: HTTP, Host: "2001:db8::1", Port: 1, User: "a b@/?#", Password: password + "[]@"},
		{Kind: HTTP, Host: "h", Port: 1, User: "token"},
		{Kind: MTProxy, Host: "2001:db8::1", Port: 443, Secret: tlsSecret},
	} {
		got, err := Parse(p.Link())
		if err != nil || !got.Equal(p) {
			t.Errorf("%s: %s, %v", p.Link(), got.Link(), err)
		}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
	if got := (Proxy{Host: "2001:db8::1", Port: 443}).Addr(); got != "[2001:db8::1]:443" {
		t.Errorf("got %s", got)
	}
}

func TestProxiesPrintWithoutSecrets(t *testing.T) {
	want := map[string]Proxy{
		"tg://proxy?server=proxy.example&port=443&secret=[redacted]":                {Kind: MTProxy, Host: "proxy.example", Port: 443, Secret: tlsSecret},
		"tg://socks?server=proxy.example&port=1080&user=[redacted]&pass=[redacted]": {Kind: SOCKS5, Host: "proxy.example", Port: 1080, User: user, Password: password},
		"http://[redacted]@proxy.example:3128":                                      {Kind: HTTP, Host: "proxy.example", Port: 3128, User: user, Password: password},
		"tg://socks?server=2001%3Adb8%3A%3A1&port=1080":                             {Kind: SOCKS5, Host: "2001:db8::1", Port: 1080},
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for text, p := range want {
		if p.String() != text {
			t.Errorf("got %s", p.String())
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%b"} {
			checkSecrets(t, fmt.Sprintf(verb, p)+fmt.Sprintf(verb, &p)+fmt.Sprintf(verb, []Proxy{p})+fmt.Sprintf(verb, p.Secret)+fmt.Sprintf(verb, map[string]Secret{"s": p.Secret}))
		}
		b, err := json.Marshal([]any{p, p.Secret, &p, struct{ P Proxy }{p}})
		if err != nil {
			t.Fatal(err)
		}
		checkSecrets(t, string(b))
		logger.Info("m", "proxy", p, "secret", p.Secret)
		if p.User == "" && p.Secret == nil {
			continue
		}
		if _, err := Parse(text); err == nil {
			t.Errorf("%s was taken for a link", text)
		}
	}
	checkSecrets(t, log.String())
}

// checkSecrets looks for everything that must not be shown.
func checkSecrets(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{user, password, password[:5], key, strings.ToUpper(key), "ABEiM0", "ESIzRF", "www.example.com", fmt.Sprint([]byte(tlsSecret))[:20], hex.EncodeToString([]byte(password))[:10]} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown: %s", secret, text)
		}
	}
}

// TestErrorsHelp: they name the field and the value, say what to do, and repeat nothing that is secret.
func TestErrorsHelp(t *testing.T) {
	ee64 := base64.RawURLEncoding.EncodeToString(tlsSecret)
	for name, tc := range map[string]struct{ link, text string }{
		"nothing":                  {" ", "link: must have 1 to 4096 characters (got 0)"},
		"too long":                 {"tg://proxy?secret=" + strings.Repeat("a", maxLink), "link: must have 1 to 4096 characters (got 4114)"},
		"another site":             {"https://example.com/proxy?server=h&port=1&secret=" + key, `(got host "example.com")`},
		"another scheme":           {"ftp://" + user + ":" + key + "@h:1", `scheme must be tg, https, http or socks5 (got "ftp")`},
		"another action":           {"tg://resolve?domain=" + user, `must be a proxy or socks link of Telegram (got "resolve")`},
		"no question mark":         {"tg://proxy&server=h&port=1&secret=" + key, "(got "},
		"another page":             {"https://t.me/durov", `(got "durov")`},
		"a bare secret":            {key, "link: "},
		"a bare base64 secret":     {ee64, "link: "},
		"control characters":       {"tg://proxy?secret=" + key + "\x7f", "link: is no URL"},
		"bad escapes":              {"tg://proxy?server=h&port=1&secret=" + key + "%zz", "link: its parameters are not well formed"},
		"semicolons":               {"tg://proxy?server=h;port=1;secret=" + key, "link: its parameters are not well formed"},
		"no server":                {"tg://proxy?port=443&secret=" + key, `host: must be a name of 1 to 253`},
		"a server with user":       {"tg://proxy?server=" + user + ":" + key + "@h&port=443&secret=" + key, "host: must be a name or an IP address"},
		"a link as server":         {"tg://socks?port=1&server=tg%3A%2F%2Fproxy%3Fsecret%3D" + key, "host: must be a name or an IP address"},
		"a zone":                   {"tg://proxy?server=fe80::1%25eth0&port=443&secret=" + key, `(got "fe80::1%eth0")`},
		"no port":                  {"tg://proxy?server=h&secret=" + key, `port: must be 1 to 65535 (got "")`},
		"port 0":                   {"tg://proxy?server=h&port=0&secret=" + key, `port: must be 1 to 65535 (got "0")`},
		"a large port":             {"tg://proxy?server=h&port=65536&secret=" + key, `port: must be 1 to 65535 (got "65536")`},
		"a secret as port":         {"tg://proxy?server=h&port=" + key + "&secret=" + key, "port: must be 1 to 65535 (got 32 characters)"},
		"no secret":                {"tg://proxy?server=h&port=1", "secret: must have at least 16 bytes (got 0)"},
		"a short secret":           {"tg://proxy?server=h&port=1&secret=" + key[2:], "secret: "},
		"a foreign secret":         {"tg://proxy?server=h&port=1&secret=cc" + key, "secret: "},
		"ee without domain":        {"tg://proxy?server=h&port=1&secret=7gARIjNEVWZ3iJmqu8zd7v8", "17 bytes"},
		"ee with a space":          {"tg://proxy?server=h&port=1&secret=ee" + key + "6120", "its domain must be"},
		"a secret that is no text": {"tg://proxy?server=h&port=1&secret=" + key + "!", "secret: must be hexadecimal or base64 (got 33 characters"},
		"a secret that was hidden": {"tg://proxy?server=h&port=1&secret=[redacted]", "left out"},
		"a password without user":  {"tg://socks?server=h&port=1&pass=" + key, "user: must be set when a password is"},
		"a user without password":  {"tg://socks?server=h&port=1&user=" + user, "password: must be set when a user is"},
		"a long password":          {"tg://socks?server=h&port=1&user=u&pass=" + strings.Repeat(key, 8), "password: must have at most 255 bytes (got 256)"},
		"a colon":                  {"http://" + "a%3Ab:" + key + "@h:1", "user: must not hold a colon"},
		"a path":                   {"http://" + user + ":" + key + "@h.example:1/" + key, `nothing may follow host and port (got host "h.example")`},
		"TLS":                      {"https://" + user + ":" + key + "@h.example:1", `(got host "h.example")`},
		"no port in the URL":       {"socks5://" + user + ":" + key + "@h", `port: must be 1 to 65535 (got "")`},
		"several":                  {"tg://proxy?server=&port=x&secret=", `port: must be 1 to 65535 (got "x"); secret: must have at least 16 bytes (got 0); host: must be a name`},
	} {
		_, err := Parse(tc.link)
		e := (*fleet.Error)(nil)
		if !errors.As(err, &e) || e.Code != fleet.CodeInvalidArgument || e.Reason != Reason || e.Remedy == "" || !strings.Contains(e.Message, tc.text) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkSecrets(t, e.Error()+e.Remedy)
	}
}

func TestFields(t *testing.T) {
	p, err := FromFields(Fields{Kind: "mtproxy", Host: "[2001:db8::1]", Port: "443", Secret: key})
	if err != nil || !p.Equal(Proxy{Kind: MTProxy, Host: "2001:db8::1", Port: 443, Secret: unhex(key)}) {
		t.Errorf("%v, %v", p, err)
	}
	for text, f := range map[string]Fields{
		`kind: must be mtproxy, socks5 or http (got "")`:       {Host: "h", Port: "1"},
		`kind: must be mtproxy, socks5 or http (got "socks4")`: {Kind: "socks4", Host: "h", Port: "1"},
		"user: must be empty for an mtproxy":                   {Kind: "mtproxy", Host: "h", Port: "1", Secret: key, User: user},
		"secret: must be empty for kind http (got 16 bytes)":   {Kind: "http", Host: "h", Port: "1", Secret: key},
	} {
		if _, err := FromFields(f); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want %s, got %v", text, err)
		}
	}
	for text, p := range map[string]Proxy{
		"port: must be":                                {Kind: SOCKS5, Host: "h"},
		"secret: must have at least":                   {Kind: MTProxy, Host: "h", Port: 1},
		"secret: its form is not known: 18 bytes":      {Kind: MTProxy, Host: "h", Port: 1, Secret: make(Secret, 18)},
		"1 to 182 printable ASCII characters (got 183": {Kind: MTProxy, Host: "h", Port: 1, Secret: slices.Concat(tlsSecret[:17], bytes.Repeat([]byte("a"), 183))},
	} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want %s, got %v", text, err)
		}
	}
}

// FuzzParse: no panic; what is read can be written and read again; errors repeat no long part of a link.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"tg://proxy?server=proxy.example&port=443&secret=dd" + key, "https://t.me/socks?server=h&port=1080&user=u&pass=p",
		"http://u:p@[::1]:3128", "socks5://h:1", "tg:proxy?server=::1&port=1&secret=7gARIjNEVWZ3iJmqu8zd7v9hLmI", "t.me/proxy?server=%zz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, link string) {
		p, err := Parse(link)
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("%q: %v", link, err)
		}
		q, err := Parse(p.Link())
		if err != nil || !p.Equal(q) {
			t.Fatalf("%q: %q, %v", link, p.Link(), err)
		}
		if s := p.String(); len(p.Password) > 8 && strings.Contains(s, p.Password) && !strings.Contains("server=&port=[redacted]"+p.Host, p.Password) {
			t.Fatalf("%q: %q", link, s)
		}
	})
}

// FuzzParseSecret: what is read is well formed and survives its spelling.
func FuzzParseSecret(f *testing.F) {
	for _, s := range []string{key, "dd" + key, "ee" + key + "612e62", "7gARIjNEVWZ3iJmqu8zd7v9hLmI=", "+/+/+/+/+/+/+/+/+/+/+w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		if err != nil {
			if len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Fatalf("%q is repeated: %v", text, err)
			}
			return
		}
		again, err := ParseSecret(s.encode())
		if err != nil || !bytes.Equal(s, again) {
			t.Fatalf("%q: %x, %x, %v", text, []byte(s), []byte(again), err)
		}
	})
}
