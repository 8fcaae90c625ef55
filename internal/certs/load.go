package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// Files are an authority and a pair. Field is the name of the setting that holds them, which
// errors blame: cluster.tls.
type Files struct {
	Field         string
	CA, Cert, Key string
}

// Identity is a node's certificate and the authority that it trusts. It prints nothing of the
// key.
type Identity struct {
	files Files
	pair  tls.Certificate
	leaf  *x509.Certificate
	roots *x509.CertPool
}

// Load reads the files and checks that they belong together and are valid now.
func Load(files Files, now time.Time) (*Identity, error) {
	issue := "make it with `orchestrator cert issue NAME --host ADDRESS`"
	caField := files.Field + ".ca_file"
	cas, err := readCerts(caField, files.CA, "copy "+CAFile+" of the authority there; `orchestrator cert init` makes one")
	if err != nil {
		return nil, err
	}
	id := &Identity{files: files, roots: x509.NewCertPool()}
	for _, ca := range cas {
		id.roots.AddCert(ca)
	}
	certField, keyField := files.Field+".cert_file", files.Field+".key_file"
	chain, err := readCerts(certField, files.Cert, issue)
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyField, files.Key, issue)
	if err != nil {
		return nil, err
	}
	id.leaf = chain[0]
	id.pair = tls.Certificate{PrivateKey: key, Leaf: id.leaf}
	for _, c := range chain {
		id.pair.Certificate = append(id.pair.Certificate, c.Raw)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(id.leaf.PublicKey) {
		return nil, problem("CERT_INVALID", "use the pair that was issued together", "%s: %s does not belong to %s", keyField, files.Key, files.Cert)
	}
	return id, id.check(certField, now)
}

// check verifies the node's own certificate as other nodes will.
func (id *Identity) check(field string, now time.Time) error {
	again := "issue a new one with `orchestrator cert issue`, and restart the node"
	switch {
	case now.After(id.leaf.NotAfter):
		return problem("CERT_EXPIRED", again, "%s: %s ended on %s", field, id.files.Cert, id.leaf.NotAfter.Format(time.DateOnly))
	case now.Before(id.leaf.NotBefore):
		return problem("CERT_NOT_YET_VALID", "set this machine's clock", "%s: %s begins at %s", field, id.files.Cert, id.leaf.NotBefore.Format(time.RFC3339))
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := id.leaf.Verify(x509.VerifyOptions{Roots: id.roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			return problem("CERT_FOREIGN", "issue it with the authority of this cluster", "%s: %s is not good under the authority %s: %w", field, id.files.Cert, id.files.CA, err)
		}
	}
	return nil
}

// CheckHost reports whether other nodes can reach this one by host: its certificate names it.
// field is the setting that holds the host.
func (id *Identity) CheckHost(field, host string) error {
	if err := id.leaf.VerifyHostname(host); err != nil {
		return problem("CERT_HOST", "issue one with `orchestrator cert issue NAME --host "+host+"`",
			"%s: the certificate %s is not for this host (got %q)", field, id.files.Cert, host)
	}
	return nil
}

// Name is the name that the certificate was issued for.
func (id *Identity) Name() string { return id.leaf.Subject.CommonName }

// NotAfter is when the node's certificate ends.
func (id *Identity) NotAfter() time.Time { return id.leaf.NotAfter }

// Server is for a listener that takes only clients with a certificate of the authority.
func (id *Identity) Server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{id.pair}, MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: id.roots,
	}
}

// Client is for connections to a server with a certificate of the authority.
func (id *Identity) Client() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{id.pair}, MinVersion: tls.VersionTLS13, RootCAs: id.roots}
}

// ClientOf is for connections to another server, such as etcd, whose certificates come from
// elsewhere. Without CA the system's authorities are trusted; without Cert and Key the client
// shows no certificate.
func ClientOf(files Files) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		cas, err := readCerts(files.Field+".ca_file", files.CA, "name the certificate of the authority that signed the server's")
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		for _, ca := range cas {
			c.RootCAs.AddCert(ca)
		}
	}
	if files.Cert != "" || files.Key != "" {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return nil, problem("CERT_INVALID", "name a certificate and its key, both in PEM", "%s.cert_file, %s.key_file: %w", files.Field, files.Field, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func readFile(field, path, next string) ([]byte, error) {
	if path == "" {
		return nil, problem("CERT_MISSING", next, "%s: must name a file", field)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, problem("CERT_MISSING", next, "%s: there is no file %s", field, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return data, nil
}

// readCerts reads a file of one certificate or more.
func readCerts(field, path, next string) ([]*x509.Certificate, error) {
	data, err := readFile(field, path, next)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != blockCert {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, problem("CERT_INVALID", next, "%s: %s holds a damaged certificate: %w", field, path, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, problem("CERT_INVALID", next, "%s: %s holds no certificate in PEM", field, path)
	}
	return out, nil
}

// readKey reads a private key, which nobody else may be able to read.
func readKey(field, path, next string) (crypto.Signer, error) {
	data, err := readFile(field, path, next)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return nil, problem("KEY_EXPOSED", "chmod 600 "+path, "%s: everybody may read %s (mode %o)", field, path, mode)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, problem("CERT_INVALID", next, "%s: %s holds no key in PEM", field, path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if ec, ecErr := x509.ParseECPrivateKey(block.Bytes); ecErr == nil {
			return ec, nil
		}
		return nil, problem("CERT_INVALID", next, "%s: %s holds no private key that can be read", field, path)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, problem("CERT_INVALID", next, "%s: %s holds a key that cannot sign", field, path)
	}
	return key, nil
}
