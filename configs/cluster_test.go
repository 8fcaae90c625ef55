package configs

import (
	"strings"
	"testing"
)

const head = "telegram: {api_id: 7, api_hash: x}\n"

// clustered is a good configuration of a cluster.
const clustered = head + `
etcd: {endpoints: ["http://10.0.0.1:2379", "http://10.0.0.2:2379"]}
events: {nats_url: "nats://10.0.0.1:4222", sync_interval: 1s}
cluster:
  listen: 10.0.0.5:8421
  tls: {ca_file: ca, cert_file: c, key_file: k}
security: {master_key_file: m}
`

func TestShippedClusterFileNeedsOnlyIDAndHash(t *testing.T) {
	t.Setenv(EnvAPIID, "12345")
	t.Setenv(EnvAPIHash, "0123456789abcdef")
	cfg, err := Load("cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.External() || cfg.Ownership != "default" || cfg.Cluster.TLS.CAFile == "" {
		t.Errorf("got %+v", cfg)
	}
}

func TestOwnershipFollowsTheMode(t *testing.T) {
	for text, want := range map[string]string{
		head: "gentle", clustered: "default", clustered + "ownership: fast\n": "fast", clustered + "ownership: gentle\n": "gentle",
	} {
		cfg, err := Parse([]byte(text))
		if err != nil || cfg.Ownership != want {
			t.Errorf("got %q, %v, want %q for:\n%s", cfg.Ownership, err, want, text)
		}
	}
}

func TestClusterProblemsAreReportedAtOnce(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"etcd: {endpoints: ['http://h:1']}", []string{
			`etcd.endpoints, events.nats_url: must be given together for a cluster, or neither for one node with everything embedded (got "http://h:1; ")`,
			`events.sync_interval: must be the sync_interval of the NATS servers`,
			`cluster.listen: must be host:port`, `cluster.tls.ca_file: must be given; `, `cluster.tls.cert_file: must be given`, `cluster.tls.key_file: must be given`,
			`security.master_key_file: must name a file with the same 32 random bytes`,
		}},
		{"events: {nats_url: 'nats://h:1', sync_interval: 3h, replicas: 6}", []string{
			`etcd.endpoints, events.nats_url: must be given together`, `events.sync_interval: must be`, `(got "3h0m0s")`, `events.replicas: must be from 1 to 5 (got "6")`,
		}},
		{"etcd: {endpoints: ['h:1', 'http://h', 'ftp://h:1'], username: u, tls: {cert_file: c}}", []string{
			`etcd.endpoints: must be http://host:port or https://host:port (got "h:1")`, `(got "http://h")`, `(got "ftp://h:1")`,
			`etcd.tls.cert_file, etcd.tls.key_file: must be given together (got "c, ")`, `etcd.username, etcd.password_file: must be given together`,
		}},
		{"etcd: {endpoints: ['http://h:1'], tls: {ca_file: c}}", []string{`etcd.endpoints: must begin with https, because etcd.tls is given`}},
		{"etcd: {endpoints: ['http://h:1']}\nevents: {nats_url: 'nats://me:hunter2@h:1'}", []string{`events.nats_url: must be`, `without a password: use events.credentials_file (got "xxxxx@h:1")`}},
		{"events: {nats_url: 'nats://me:hunter2@h:1'}", []string{`must be given together`}},
		{"etcd: {endpoints: ['http://h:1']}\ncluster: {listen: '0.0.0.0:1'}", []string{`cluster.advertise: must be host:port by which other nodes reach this one, because`}},
		{"etcd: {endpoints: ['http://h:1']}\ncluster: {listen: ':1', advertise: '[::]:1'}", []string{`cluster.advertise: must name an address that other nodes can reach (got "[::]:1")`}},
		{"etcd: {endpoints: ['http://h:1']}\ncluster: {listen: 'h:99999', advertise: 'h'}", []string{`cluster.listen: must be`, `cluster.advertise: must be`}},
		{"cluster: {listen: 'h:1', tls: {ca_file: c}}\netcd: {tls: {ca_file: c}}\nevents: {credentials_file: f, replicas: 3}", []string{
			`cluster.listen: needs etcd.endpoints and events.nats_url: it has no meaning for one node (got "h:1")`, `cluster.tls: needs`, `etcd.tls: needs`,
			`events.credentials_file: needs`, `events.replicas: needs`,
		}},
	} {
		_, err := Parse([]byte(head + c.text))
		if err == nil {
			t.Errorf("accepted:\n%s", c.text)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("missing %q in:\n%v", want, err)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Error("a password was shown")
		}
	}
}
