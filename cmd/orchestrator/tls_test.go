package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokensGuardTheAPI: where tokens are configured, nothing is answered without one, over a
// certificate of the operator's own authority.
func TestTokensGuardTheAPI(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	certs := filepath.Join(t.TempDir(), "certs")
	runCLI(t, nil, "cert", "init", "--dir", certs).ok()
	runCLI(t, nil, "cert", "issue", "node-1", "--dir", certs, "--host", "127.0.0.1").ok()
	sum := sha256.Sum256([]byte("open sesame"))
	tokens := secretFile(t, "# who may call\nci "+hex.EncodeToString(sum[:])+"\n")

	files := newNode(t, dcFile)
	text, err := os.ReadFile(files.config)
	if err != nil {
		t.Fatal(err)
	}
	secured := strings.Replace(string(text), `api: {listen: "127.0.0.1:0"}`, `api:
  listen: 127.0.0.1:0
  tls_cert_file: `+filepath.Join(certs, "node-1.crt")+`
  tls_key_file: `+filepath.Join(certs, "node-1.key")+`
  tokens_file: `+tokens, 1)
	if err := os.WriteFile(files.config, []byte(secured), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "serve", "--config", files.config)
	url := p.line(`API on (https://127\.0\.0\.1:\d+)\n`)[1]
	list := func(token string, args ...string) result {
		t.Helper()
		return runCLI(t, []string{envServer + "=" + url, envToken + "=" + token}, append([]string{"account", "list"}, args...)...)
	}
	ca := "--ca-file=" + filepath.Join(certs, "ca.crt")
	match(t, list("open sesame", ca).ok(), `^ACCOUNT`)
	list("", ca).fails(exitAuth, "token")
	r := list("open barley", ca)
	r.fails(exitAuth, "token")
	if strings.Contains(r.stderr, "barley") {
		t.Error("the token is shown")
	}
	list("open sesame").fails(exitNoServer, "certificate")
	list("open sesame", "--ca-file=no/such/file").fails(exitUsage, "no/such/file")
	list("open sesame", "--ca-file="+tokens).fails(exitUsage, "--ca-file: holds no certificate")
	p.signal(os.Interrupt)
	if code := p.exit(); code != exitOK {
		t.Errorf("serve: exit %d", code)
	}
	if strings.Contains(p.stderr.String(), "sesame") {
		t.Error("the log has a token")
	}
}
