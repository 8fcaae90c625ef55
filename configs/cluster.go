package configs

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxSyncInterval keeps checkpoints, which trail the log by two intervals, well within its
// retention.
const maxSyncInterval = 2 * time.Minute

// maxReplicas is JetStream's own limit.
const maxReplicas = 5

// validateCluster checks what only a cluster has, or that nothing of it is set.
func (c *Config) validateCluster(p *Problems) {
	if c.External() != (c.Events.NATSURL != "") {
		p.add("etcd.endpoints, events.nats_url", "must be given together for a cluster, or neither for one node with everything embedded",
			strings.Join(c.Etcd.Endpoints, ",")+"; "+redacted(c.Events.NATSURL))
	}
	if !c.External() && c.Events.NATSURL == "" {
		c.validateSingle(p)
		return
	}
	c.Etcd.validate(p)
	c.Events.validateExternal(p)
	c.Cluster.validate(p)
	if c.Security.MasterKeyFile == "" && !c.Security.ByPassphrase() {
		p.add("security.master_key_file", "must name a file with the same 32 random bytes on every node of a cluster; `head -c 32 /dev/urandom` writes them. Or give security.passphrase_file", "")
	}
}

// validateSingle refuses settings that would have no effect: someone believes in them.
func (c *Config) validateSingle(p *Problems) {
	for _, f := range []struct{ name, value string }{
		{"cluster.listen", c.Cluster.Listen}, {"cluster.advertise", c.Cluster.Advertise},
		{"cluster.tls", c.Cluster.TLS.any()}, {"etcd.tls", c.Etcd.TLS.any()}, {"etcd.username", c.Etcd.Username},
		{"etcd.password_file", c.Etcd.PasswordFile}, {"events.tls", c.Events.TLS.any()},
		{"events.credentials_file", c.Events.CredentialsFile},
	} {
		if f.value != "" {
			p.add(f.name, "needs etcd.endpoints and events.nats_url: it has no meaning for one node", f.value)
		}
	}
	if c.Events.SyncInterval < 0 {
		p.add("events.sync_interval", "must not be negative", c.Events.SyncInterval)
	}
	if c.Events.Replicas > 1 || c.Events.Replicas < 0 {
		p.add("events.replicas", "needs events.nats_url: one node keeps one copy", c.Events.Replicas)
	}
}

func (t TLSFiles) any() string {
	for _, f := range []string{t.CAFile, t.CertFile, t.KeyFile} {
		if f != "" {
			return f
		}
	}
	return ""
}

// pair refuses a certificate without its key.
func (t TLSFiles) pair(p *Problems, field string) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		p.add(field+".cert_file, "+field+".key_file", "must be given together", t.CertFile+", "+t.KeyFile)
	}
}

func (e *Etcd) validate(p *Problems) {
	for _, endpoint := range e.Endpoints {
		u, err := url.Parse(endpoint)
		ok := err == nil && u.Host != "" && u.Port() != "" && u.Path == "" && (u.Scheme == "http" || u.Scheme == "https")
		if !ok {
			p.add("etcd.endpoints", "must be http://host:port or https://host:port", endpoint)
			continue
		}
		if u.Scheme == "http" && e.TLS.any() != "" {
			p.add("etcd.endpoints", "must begin with https, because etcd.tls is given", endpoint)
		}
	}
	e.TLS.pair(p, "etcd.tls")
	if (e.Username == "") != (e.PasswordFile == "") {
		p.add("etcd.username, etcd.password_file", "must be given together", e.Username+", "+e.PasswordFile)
	}
}

// redacted hides what may be a password in URLs.
func redacted(urls string) string {
	var out []string
	for text := range strings.SplitSeq(urls, ",") {
		if _, host, ok := strings.Cut(text, "@"); ok {
			text = "xxxxx@" + host
		}
		out = append(out, text)
	}
	return strings.Join(out, ",")
}

func (e *Events) validateExternal(p *Problems) {
	if e.NATSURL != "" {
		for server := range strings.SplitSeq(e.NATSURL, ",") {
			u, err := url.Parse(strings.TrimSpace(server))
			if err != nil || u.Host == "" || (u.Scheme != "nats" && u.Scheme != "tls") || u.User != nil {
				p.add("events.nats_url", "must be nats://host:port or tls://host:port, several separated by commas, without a password: use events.credentials_file", redacted(server))
			}
		}
	}
	if e.SyncInterval <= 0 || e.SyncInterval > Duration(maxSyncInterval) {
		p.add("events.sync_interval", "must be the sync_interval of the NATS servers, up to "+maxSyncInterval.String()+"; NATS' own default is 2m, `orchestrator infra` uses 1s", e.SyncInterval)
	}
	if e.Replicas < 0 || e.Replicas > maxReplicas {
		p.add("events.replicas", "must be from 1 to "+strconv.Itoa(maxReplicas), e.Replicas)
	}
	e.TLS.pair(p, "events.tls")
}

func (c *Cluster) validate(p *Problems) {
	const listen, advertise = "cluster.listen", "cluster.advertise"
	host, _, ok := hostPort(p, listen, c.Listen, "must be host:port of the listener for other nodes, such as 10.0.0.5:8421")
	if c.Advertise == "" {
		if ip := net.ParseIP(host); ok && (host == "" || ip != nil && ip.IsUnspecified()) {
			p.add(advertise, "must be host:port by which other nodes reach this one, because cluster.listen names no single address", c.Advertise)
		}
	} else if host, _, ok := hostPort(p, advertise, c.Advertise, "must be host:port by which other nodes reach this one"); ok {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			p.add(advertise, "must name an address that other nodes can reach", c.Advertise)
		}
	}
	for _, f := range []struct{ name, value string }{
		{"ca_file", c.TLS.CAFile}, {"cert_file", c.TLS.CertFile}, {"key_file", c.TLS.KeyFile},
	} {
		if f.value == "" {
			p.add("cluster.tls."+f.name, "must be given; `orchestrator cert init` and `orchestrator cert issue` make the files", f.value)
		}
	}
}

func hostPort(p *Problems, field, value, problem string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(value)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		p.add(field, problem, value)
		return "", "", false
	}
	return host, port, true
}
