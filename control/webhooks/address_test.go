package webhooks

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/telefleet/orchestrator/fleet"
)

func TestOnlyPublicAddressesAreTaken(t *testing.T) {
	for _, text := range []string{
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "169.254.0.1", "100.64.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1",
		"203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1",
		"fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
	} {
		if err := (Policy{}).CheckAddr(netip.MustParseAddr(text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.255.255", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450::1"} {
		if err := (Policy{}).CheckAddr(netip.MustParseAddr(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	allow := Policy{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}}
	for text, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00::1": true, "10.2.0.1": false, "127.0.0.1": false, "fc00::1": false} {
		if err := allow.CheckAddr(netip.MustParseAddr(text)); (err == nil) != want {
			t.Errorf("%s: %v, want taken: %v", text, err, want)
		}
	}
}

func TestURLsThatCannotBeAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "example.com/hook", "//example.com", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https://", "https:///x",
		"https:example.com", "https://user:pw@example.com/", "https://user@example.com/", "https://example.com/#x", "https://exa mple.com/",
		"https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]:8443/", "https://[fe80::1%25lo]/", "https://169.254.169.254/latest/",
		"https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://0/", "https://127.0.0.1./",
		"https://192.168.0.1:443/", "https://10.0.0.1", "gopher://x",
	} {
		err := (Policy{}).CheckURL(text)
		var own *fleet.Error
		if !errors.As(err, &own) || own.Reason != "URL_REFUSED" || own.Remedy == "" {
			t.Errorf("%q: got %v", text, err)
		}
	}
	for _, text := range []string{"https://example.com", "https://example.com:8443/a/b?token=x", "https://1.1.1.1/", "https://[2606:4700::1]/", "https://xn--bcher-kva.example/", "https://1and1.com/"} {
		if err := (Policy{}).CheckURL(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	lax := Policy{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for text, want := range map[string]bool{"http://127.0.0.1:80/": true, "http://example.com/": true, "http://10.0.0.1/": false, "http://2130706433/": false} {
		if err := lax.CheckURL(text); (err == nil) != want {
			t.Errorf("%q: %v, want taken: %v", text, err, want)
		}
	}
}
