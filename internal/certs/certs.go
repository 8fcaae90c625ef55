// Package certs makes and loads the certificates by which the nodes of a cluster know each
// other: an authority of the cluster's own, and one certificate for each node.
//
// # Usage
//
//	err := certs.Init(dir, "cluster name", time.Now())             // once: ca.crt, ca.key
//	issued, err := certs.Issue(dir, "node-1", hosts, time.Now())   // once a node: node-1.crt, node-1.key
//	id, err := certs.Load(certs.Files{Field: "cluster.tls", CA: ..., Cert: ..., Key: ...}, time.Now())
//	listener, dialer := id.Server(), id.Client()
//
// ca.key stays where it was made; nodes get ca.crt and their own pair.
//
// # Errors
//
// Errors are *fleet.Error; they name the file and the next step. Files are never overwritten.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// The authority's files in its directory.
const (
	CAFile    = "ca.crt"
	CAKeyFile = "ca.key"
)

// How long certificates are valid.
const (
	// AuthorityLife is long: replacing the authority means restarting every node.
	AuthorityLife = 10 * 365 * 24 * time.Hour
	// NodeLife leaves a year to issue the next one.
	NodeLife = 365 * 24 * time.Hour
	// skew is how far the clocks of two machines may differ.
	skew = time.Hour
)

const (
	blockCert = "CERTIFICATE"
	blockKey  = "PRIVATE KEY"
)

// Issued says what Issue has made.
type Issued struct {
	Cert, Key string // paths
	NotAfter  time.Time
}

var (
	validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
	validHost = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
)

// Init makes the authority of a cluster in dir, which is created if it is missing.
func Init(dir, name string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the authority: %w", err)
	}
	template, err := newTemplate(name+" cluster authority", now, AuthorityLife)
	if err != nil {
		return err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make the authority: %w", err)
	}
	return writePair(filepath.Join(dir, CAFile), der, filepath.Join(dir, CAKeyFile), key)
}

// Issue makes the certificate of a node, signed by the authority in dir, into the same
// directory. The hosts are the names and addresses by which other nodes reach it.
func Issue(dir, name string, hosts []string, now time.Time) (Issued, error) {
	if !validName.MatchString(name) || name == "ca" {
		return Issued{}, invalid("choose a short name such as node-1", "NAME: must be 1 to 63 of a-z, 0-9, - and ., and not ca (got %q)", name)
	}
	ca, caKey, err := loadAuthority(dir, now)
	if err != nil {
		return Issued{}, err
	}
	template, err := newTemplate(name, now, NodeLife)
	if err != nil {
		return Issued{}, err
	}
	if template.NotAfter.After(ca.NotAfter) {
		template.NotAfter = ca.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if err := addHosts(template, hosts); err != nil {
		return Issued{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Issued{}, fmt.Errorf("issue %s: %w", name, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return Issued{}, fmt.Errorf("issue %s: %w", name, err)
	}
	out := Issued{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), NotAfter: template.NotAfter}
	return out, writePair(out.Cert, der, out.Key, key)
}

func addHosts(template *x509.Certificate, hosts []string) error {
	if len(hosts) == 0 {
		return invalid("name every host name and address by which other nodes reach this one, for example --host 10.0.0.5", "--host: is missing")
	}
	for _, host := range hosts {
		ip := net.ParseIP(host)
		switch {
		case ip != nil && !ip.IsUnspecified():
			template.IPAddresses = append(template.IPAddresses, ip)
		case ip == nil && validHost.MatchString(host):
			template.DNSNames = append(template.DNSNames, host)
		default:
			return invalid("for example --host node-1.example.net --host 10.0.0.5", "--host: must be a host name or an address, without port (got %q)", host)
		}
	}
	return nil
}

func newTemplate(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: name, Organization: []string{"orchestrator"}},
		NotBefore: now.Add(-skew).UTC(), NotAfter: now.Add(life).UTC(),
	}, nil
}

// loadAuthority reads the authority and checks that it can still sign.
func loadAuthority(dir string, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	certPath, keyPath := filepath.Join(dir, CAFile), filepath.Join(dir, CAKeyFile)
	first := "make the authority with `orchestrator cert init --dir " + dir + "`, or name its directory by --dir"
	certs, err := readCerts("--dir", certPath, first)
	if err != nil {
		return nil, nil, err
	}
	key, err := readKey("--dir", keyPath, first)
	if err != nil {
		return nil, nil, err
	}
	ca := certs[0]
	public, ok := ca.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ca.IsCA:
		return nil, nil, problem("CERT_INVALID", first, "--dir: %s is no authority's certificate", certPath)
	case !ok || !public.Equal(key.Public()):
		return nil, nil, problem("CERT_INVALID", "put the pair that was made together into the directory", "--dir: %s does not belong to %s", keyPath, certPath)
	case now.After(ca.NotAfter):
		return nil, nil, problem("CERT_EXPIRED", "make a new authority in another directory, and new certificates for all nodes",
			"--dir: %s ended on %s", certPath, ca.NotAfter.Format(time.DateOnly))
	}
	return ca, key, nil
}

// writePair writes a certificate and its key, both or none, and replaces nothing.
func writePair(certPath string, der []byte, keyPath string, key *ecdsa.PrivateKey) error {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	if err := create(keyPath, blockKey, pkcs8, 0o600); err != nil {
		return err
	}
	if err := create(certPath, blockCert, der, 0o644); err != nil {
		return errors.Join(err, os.Remove(keyPath)) // without its certificate the key is of no use
	}
	return nil
}

func create(path, kind string, data []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fleet.Errorf(fleet.CodeAlreadyExists, "CERT_EXISTS", "%s exists already", path).
			WithRemedy("nothing was changed; move the file away if it is to be replaced, or choose another name or --dir")
	}
	if err != nil {
		return fmt.Errorf("write the certificate: %w", err)
	}
	if err = pem.Encode(f, &pem.Block{Type: kind, Bytes: data}); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
	}
	return nil
}

func invalid(remedy, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", format, args...).WithRemedy(remedy)
}

func problem(reason, remedy, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeFailedPrecondition, reason, format, args...).WithRemedy(remedy)
}
