package certs

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

func makeNode(t *testing.T, dir, name string, hosts ...string) Files {
	t.Helper()
	issued, err := Issue(dir, name, hosts, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return Files{Field: "cluster.tls", CA: filepath.Join(dir, CAFile), Cert: issued.Cert, Key: issued.Key}
}

func makeAuthority(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	if err := Init(dir, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T, files Files) *Identity {
	t.Helper()
	id, err := Load(files, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// meet lets a client and a server shake hands and gives both errors.
func meet(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		err := tls.Server(a, server).HandshakeContext(t.Context())
		if err != nil {
			a.Close()
		}
		done <- err
	}()
	conn := tls.Client(b, client)
	clientErr = conn.HandshakeContext(t.Context())
	if clientErr == nil { // in TLS 1.3 the client learns of a refusal by reading
		go func() { _, _ = conn.Read(make([]byte, 1)) }()
	} else {
		b.Close()
	}
	return <-done, clientErr
}

func TestNodesOfOneAuthorityKnowEachOther(t *testing.T) {
	dir := makeAuthority(t)
	one, two := load(t, makeNode(t, dir, "node-1", "127.0.0.1", "one.example")), load(t, makeNode(t, dir, "node-2", "127.0.0.1"))
	client := two.Client()
	client.ServerName = "127.0.0.1"
	if s, c := meet(t, one.Server(), client); s != nil || c != nil {
		t.Fatalf("server: %v, client: %v", s, c)
	}
	if err := one.CheckHost("cluster.advertise", "one.example"); err != nil {
		t.Error(err)
	}
	wantError(t, one.CheckHost("cluster.advertise", "two.example"), "CERT_HOST", "cluster.advertise", "--host two.example")
	if d := time.Until(one.NotAfter()); d < NodeLife-time.Hour || d > NodeLife {
		t.Errorf("valid for %v", d)
	}
}

func TestForeignClientsAndServersAreRefused(t *testing.T) {
	ours, theirs := makeAuthority(t), makeAuthority(t)
	node, foreign := load(t, makeNode(t, ours, "node-1", "127.0.0.1")), load(t, makeNode(t, theirs, "node-1", "127.0.0.1"))
	at := func(c *tls.Config) *tls.Config { c.ServerName = "127.0.0.1"; return c }
	own := at(node.Client())

	without := own.Clone()
	without.Certificates = nil
	old := own.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	impostor := own.Clone() // trusts us, shows a foreign certificate
	impostor.Certificates = foreign.Client().Certificates
	for name, client := range map[string]*tls.Config{"no certificate": without, "TLS 1.2": old, "foreign certificate": impostor} {
		if s, _ := meet(t, node.Server(), client); s == nil {
			t.Errorf("%s: the server took it", name)
		}
	}
	if _, c := meet(t, foreign.Server(), own); c == nil {
		t.Error("the client took a foreign server")
	}
	elsewhere := own.Clone()
	elsewhere.ServerName = "10.0.0.1"
	if _, c := meet(t, node.Server(), elsewhere); c == nil {
		t.Error("the client took a server for another one")
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := makeAuthority(t)
	files := makeNode(t, dir, "node-1", "::1")
	before := map[string]string{}
	for _, path := range []string{files.CA, filepath.Join(dir, CAKeyFile), files.Cert, files.Key} {
		before[path] = read(t, path)
	}
	wantError(t, Init(dir, "test", time.Now()), "CERT_EXISTS", CAKeyFile, "move the file away")
	_, err := Issue(dir, "node-1", []string{"::1"}, time.Now())
	wantError(t, err, "CERT_EXISTS", "node-1.key", "nothing was changed")
	if err := os.Remove(files.Key); err != nil {
		t.Fatal(err)
	}
	_, err = Issue(dir, "node-1", []string{"::1"}, time.Now())
	wantError(t, err, "CERT_EXISTS", "node-1.crt", "nothing was changed")
	if _, err := os.Stat(files.Key); !errors.Is(err, os.ErrNotExist) {
		t.Error("a key without its certificate was left")
	}
	delete(before, files.Key)
	for path, was := range before {
		if read(t, path) != was {
			t.Errorf("%s has changed", path)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKeysAreForTheirOwnerAlone(t *testing.T) {
	dir := makeAuthority(t)
	files := makeNode(t, dir, "node-1", "::1")
	for _, path := range []string{files.Key, filepath.Join(dir, CAKeyFile)} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := os.Chmod(files.Key, 0o604); err != nil {
		t.Fatal(err)
	}
	_, err := Load(files, time.Now())
	wantError(t, err, "KEY_EXPOSED", "cluster.tls.key_file", "chmod 600")
}

func TestErrorsNameTheFileAndTheNextStep(t *testing.T) {
	dir, other := makeAuthority(t), makeAuthority(t)
	good := makeNode(t, dir, "node-1", "::1")
	second := makeNode(t, dir, "node-2", "::1")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		files            Files
		at               time.Time
		reason, in, next string
	}{
		{Files{Field: "cluster.tls"}, time.Now(), "CERT_MISSING", "cluster.tls.ca_file", "cert init"},
		{Files{Field: "cluster.tls", CA: good.CA, Cert: dir + "/no.crt", Key: good.Key}, time.Now(), "CERT_MISSING", "no.crt", "cert issue"},
		{Files{Field: "cluster.tls", CA: good.CA, Cert: good.Cert, Key: empty}, time.Now(), "CERT_INVALID", empty, "cert issue"},
		{Files{Field: "cluster.tls", CA: good.CA, Cert: empty, Key: good.Key}, time.Now(), "CERT_INVALID", "no certificate", "cert issue"},
		{Files{Field: "cluster.tls", CA: good.CA, Cert: good.Cert, Key: second.Key}, time.Now(), "CERT_INVALID", "does not belong", "together"},
		{Files{Field: "cluster.tls", CA: filepath.Join(other, CAFile), Cert: good.Cert, Key: good.Key}, time.Now(), "CERT_FOREIGN", good.Cert, "authority of this cluster"},
		{good, time.Now().Add(2 * NodeLife), "CERT_EXPIRED", good.Cert, "cert issue"},
		{good, time.Now().Add(-24 * time.Hour), "CERT_NOT_YET_VALID", good.Cert, "clock"},
	} {
		_, err := Load(c.files, c.at)
		wantError(t, err, c.reason, c.in, c.next)
	}
	_, err := Issue(t.TempDir(), "node-1", []string{"::1"}, time.Now())
	wantError(t, err, "CERT_MISSING", CAFile, "cert init")
	_, err = Issue(dir, "node-3", []string{"::1"}, time.Now().Add(2*AuthorityLife))
	wantError(t, err, "CERT_EXPIRED", CAFile, "new authority")
	_, err = Issue(dir, "node-3", nil, time.Now())
	wantError(t, err, "FIELD_INVALID", "--host: is missing", "--host 10.0.0.5")
	for _, host := range []string{"a:1", "", "0.0.0.0", "::", "ex ample"} {
		_, err = Issue(dir, "node-3", []string{host}, time.Now())
		wantError(t, err, "FIELD_INVALID", "--host", "--host")
	}
	for _, name := range []string{"ca", "", "../x", "A", strings.Repeat("a", 64)} {
		_, err = Issue(dir, name, []string{"::1"}, time.Now())
		wantError(t, err, "FIELD_INVALID", "NAME", "node-1")
	}
}

func TestNodesCertificateEndsWithItsAuthority(t *testing.T) {
	dir := makeAuthority(t)
	issued, err := Issue(dir, "late", []string{"::1"}, time.Now().Add(AuthorityLife-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if time.Until(issued.NotAfter) > AuthorityLife {
		t.Errorf("ends %v", issued.NotAfter)
	}
}

func TestClientOfForeignServers(t *testing.T) {
	dir := makeAuthority(t)
	files := makeNode(t, dir, "etcd", "127.0.0.1")
	server := load(t, files).Server()
	files.Field = "etcd.tls"
	client, err := ClientOf(files)
	if err != nil {
		t.Fatal(err)
	}
	client.ServerName = "127.0.0.1"
	if s, c := meet(t, server, client); s != nil || c != nil {
		t.Fatalf("server: %v, client: %v", s, c)
	}
	_, err = ClientOf(Files{Field: "etcd.tls", CA: files.CA, Cert: files.Cert})
	wantError(t, err, "CERT_INVALID", "etcd.tls.cert_file", "both in PEM")
	_, err = ClientOf(Files{Field: "etcd.tls", CA: "/none"})
	wantError(t, err, "CERT_MISSING", "etcd.tls.ca_file", "authority")
}

func wantError(t *testing.T, err error, reason, in, next string) {
	t.Helper()
	var own *fleet.Error
	if !errors.As(err, &own) || own.Reason != reason || !strings.Contains(own.Message, in) || !strings.Contains(own.Remedy, next) {
		remedy := ""
		if own != nil {
			remedy = own.Remedy
		}
		t.Errorf("got %v (%s), want %s with %q and %q", err, remedy, reason, in, next)
	}
}
