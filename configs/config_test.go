package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestShippedFileNeedsOnlyIDAndHash(t *testing.T) {
	t.Setenv(EnvAPIID, "12345")
	t.Setenv(EnvAPIHash, "0123456789abcdef")
	got, err := Load("single.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Telegram.APIID, want.Telegram.APIHash = 12345, "0123456789abcdef"
	if got.API != want.API || got.Telegram != want.Telegram || got.Events != want.Events || got.Pace != want.Pace {
		t.Errorf("the shipped file is not the default:\n got %+v\nwant %+v", got, want)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	t.Setenv(EnvAPIID, "")
	t.Setenv(EnvAPIHash, "")
	_, err := Parse([]byte(`
cluster_id: ""
data_dirr: x
telegram:
  api_id: twelve
  network: mars
api:
  listen: 0.0.0.0:8420
metrics: {listen: "0.0.0.0:9420"}
drain_timeout: soon
`))
	var p *Problems
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want *Problems", err)
	}
	for _, want := range []string{
		`data_dirr: unknown key on line 3`, `telegram.api_id: must be a whole number, on line 5 (got "twelve")`,
		`drain_timeout: not a duration such as 30s, on line 10 (got "soon")`,
		`cluster_id: must have 1 to 64 characters (got "")`, `telegram.network: must be one of production, test, file (got "mars")`,
		`telegram.api_hash: must be given by`,
		`api.listen: a public address needs api.tls_cert_file`, `metrics.listen: a public address needs metrics.allow_remote`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

func TestAppsHaveTheirOwnHashAndBorrowTheRest(t *testing.T) {
	t.Setenv(EnvAPIHash, "x")
	f := filepath.Join(t.TempDir(), "hash")
	if err := os.WriteFile(f, []byte("cafe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Parse([]byte("telegram: {api_id: 7}\napps:\n  android: {api_id: 8, api_hash_file: " + f + ", device_model: Pixel}\n"))
	if err != nil {
		t.Fatal(err)
	}
	app := cfg.Apps["android"]
	if full := app.Over(cfg.Telegram.App); app.APIHash != "cafe" || app.APIID != 8 || full.DeviceModel != "Pixel" || full.SystemVersion != "Linux" {
		t.Errorf("app %+v, with the node's %+v", app, full)
	}
	_, err = Parse([]byte("telegram: {api_id: 7}\napps:\n  An droid: {layer: -1}\n"))
	for _, want := range []string{"apps.An droid: must be named by", "apps.An droid.api_id: must be the number", "apps.An droid.api_hash: must be given by", "apps.An droid.layer:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
}

func TestTransportsAreChecked(t *testing.T) {
	t.Setenv(EnvAPIHash, "x")
	for text, want := range map[string]string{
		"{framing: padded}":                    "",
		"{framing: abridged}":                  "",
		"{framing: full, obfuscated: false}":   "",
		"{framing: full}":                      "telegram.transport.obfuscated: must be false",
		"{framing: udp}":                       "telegram.transport.framing: must be one of abridged, intermediate, padded, full",
		"{framing: padded}\n  ipv6: sometimes": "telegram.ipv6: must be one of never, fallback, prefer, only",
	} {
		_, err := Parse([]byte("telegram:\n  api_id: 7\n  transport: " + text + "\n"))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestHashComesFromAFile(t *testing.T) {
	t.Setenv(EnvAPIHash, "")
	f := filepath.Join(t.TempDir(), "hash")
	if err := os.WriteFile(f, []byte("cafe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Parse([]byte("telegram:\n  api_id: 7\n  api_hash_file: " + f + "\n"))
	if err != nil || cfg.Telegram.APIHash != "cafe" {
		t.Fatalf("got hash %q, %v", cfg.Telegram.APIHash, err)
	}
	if _, err := Parse([]byte("telegram:\n  api_id: 7\n  api_hash_file: " + f + ".missing\n")); err == nil ||
		!strings.Contains(err.Error(), "telegram.api_hash_file: cannot be read") {
		t.Errorf("missing hash file: %v", err)
	}
}

func TestPublicBindWithTLSAndTokensIsAccepted(t *testing.T) {
	t.Setenv(EnvAPIHash, "x")
	_, err := Parse([]byte("telegram: {api_id: 7}\napi: {listen: '0.0.0.0:1', tls_cert_file: c, tls_key_file: k, tokens_file: t}\n"))
	if err != nil {
		t.Fatal(err)
	}
}

func TestBoundsOfEventsAndWebhooksAreChecked(t *testing.T) {
	cfg, err := Parse([]byte(head + "events: {max_per_account: 1000}\nwebhooks: {allow_http: true, allow_networks: [10.1.2.3/16, 'fd00::/8']}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(cfg.Webhooks.Networks()); got != "[10.1.0.0/16 fd00::/8]" || cfg.Events.MaxPerAccount != 1000 {
		t.Errorf("got %s, %+v", got, cfg.Events)
	}
	_, err = Parse([]byte(head + "events: {max_per_account: 5}\nwebhooks: {allow_networks: [10.1.2.3, localhost]}\n"))
	for _, want := range []string{
		`events.max_per_account: must be 0 for no bound, or at least 1000 (got "5")`,
		`webhooks.allow_networks: must hold networks such as 10.1.0.0/16 or 127.0.0.1/32 (got "10.1.2.3")`, `(got "localhost")`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

// TestMasterKeyComesFromOnePlace: a key file, or a passphrase.
func TestMasterKeyComesFromOnePlace(t *testing.T) {
	_, err := Parse([]byte(head + "security: {master_key_file: m, passphrase_file: p}"))
	if err == nil || !strings.Contains(err.Error(), "security.master_key_file, security.passphrase_file: must not both be given") {
		t.Errorf("got %v", err)
	}
	cfg, err := Parse([]byte(strings.Replace(clustered, "master_key_file: m", "passphrase_file: p", 1)))
	if err != nil || !cfg.Security.ByPassphrase() {
		t.Errorf("a cluster with a passphrase: %v", err)
	}
	t.Setenv(EnvPassphrase, "correct horse battery")
	if cfg, err = Parse([]byte(strings.Replace(clustered, "security: {master_key_file: m}", "", 1))); err != nil || !cfg.Security.ByPassphrase() {
		t.Errorf("by the environment: %v", err)
	}
	if cfg, err = Parse([]byte(clustered)); err != nil || cfg.Security.ByPassphrase() {
		t.Errorf("a named key file decides: %v", err)
	}
}
