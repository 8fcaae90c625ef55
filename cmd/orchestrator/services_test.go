package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// services are what the nodes of a cluster share: etcd and NATS, an authority, the master key.
type services struct {
	t             *testing.T
	root          string
	etcd, nats    string // URLs
	certs, master string // files
	dcFile        string
	infra         backends
}

func startServices(t *testing.T, dcFile string) services {
	t.Helper()
	root := t.TempDir()
	shared := startInfra(t, filepath.Join(root, "infra"))
	s := services{t, root, shared.etcd, shared.nats, filepath.Join(root, "certs"), filepath.Join(root, "master.key"), dcFile, shared}
	runCLI(t, nil, "cert", "init", "--dir", s.certs).ok()
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.master, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// nodeConfig is a cluster.yaml: shared services, this node's own certificate, free ports.
const nodeConfig = `cluster_id: test
data_dir: %q
etcd: {endpoints: [%q]}
events: {nats_url: %q, sync_interval: 1s, min_free_bytes: 1}
cluster:
  listen: 127.0.0.1:0
  tls: {ca_file: %q, cert_file: %q, key_file: %q}
ownership: fast
security: {master_key_file: %q}
telegram: {api_id: 7, api_hash: cafe, network: file, dc_file: %q}
api: {listen: "127.0.0.1:0"}
pace: {dials_per_second: 1000, dials_per_dc_second: 1000}
`

// node writes the configuration of a node that reaches etcd and NATS at these URLs.
func (s services) node(name, etcd, nats string) nodeFiles {
	s.t.Helper()
	runCLI(s.t, nil, "cert", "issue", name, "--dir", s.certs, "--host", "127.0.0.1").ok()
	n := nodeFiles{s.t, filepath.Join(s.root, name), filepath.Join(s.root, name+".yaml")}
	text := fmt.Sprintf(nodeConfig, n.dir, etcd, nats,
		filepath.Join(s.certs, "ca.crt"), filepath.Join(s.certs, name+".crt"), filepath.Join(s.certs, name+".key"), s.master, s.dcFile)
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return n
}
