package configs

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/telefleet/orchestrator/internal/loopback"
)

// Problems is every fault found in one configuration.
type Problems struct {
	File string
	List []string

	unread map[string]bool // fields whose value could not be read
}

// Error joins all problems, one a line.
func (p *Problems) Error() string {
	head := fmt.Sprintf("configuration %s has %d problem(s):", p.File, len(p.List))
	return head + "\n  " + strings.Join(p.List, "\n  ")
}

// add notes a problem. A value that could not be read is not judged again by the default that
// stands in for it.
func (p *Problems) add(field, problem string, got any) {
	if p.unread[field] {
		return
	}
	p.List = append(p.List, fmt.Sprintf("%s: %s (got %q)", field, problem, fmt.Sprint(got)))
}

var (
	unknownKey = regexp.MustCompile(`^line (\d+): field (\S+) not found in type (\S+)$`)
	wrongType  = regexp.MustCompile("^line (\\d+): cannot unmarshal (\\S+)(?: `(.*)`)? into (\\S+)$")
	wrongText  = regexp.MustCompile(`^line (\d+): (.*)$`)
)

// addYAML says the decoder's complaints in the words of the file.
func (p *Problems) addYAML(text []byte, err error) {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		p.List = append(p.List, strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	fields := fieldsByLine(text)
	p.unread = map[string]bool{}
	for _, e := range te.Errors {
		if m := unknownKey.FindStringSubmatch(e); m != nil {
			p.List = append(p.List, fmt.Sprintf("%s: unknown key on line %s; compare with configs/single.yaml and configs/cluster.yaml (got %q)", m[2], m[1], m[2]))
			continue
		}
		if m := wrongType.FindStringSubmatch(e); m != nil {
			got := m[3]
			if got == "" {
				got = map[string]string{"!!seq": "a list", "!!map": "a mapping"}[m[2]]
			}
			p.unread[fields[m[1]]] = true
			p.List = append(p.List, fmt.Sprintf("%s: must be %s, on line %s (got %q)", fields[m[1]], kindName(m[4]), m[1], got))
			continue
		}
		if m := wrongText.FindStringSubmatch(e); m != nil && fields[m[1]] != "" {
			p.unread[fields[m[1]]] = true
			problem, got, _ := strings.Cut(m[2], " (got ")
			p.List = append(p.List, fmt.Sprintf("%s: %s, on line %s (got %s", fields[m[1]], problem, m[1], got))
			continue
		}
		p.List = append(p.List, e)
	}
}

// fieldsByLine names the last field that begins on each line, as a path such as api.listen.
func fieldsByLine(text []byte) map[string]string {
	fields := map[string]string{}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil {
		return fields
	}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		switch n.Kind {
		case yaml.DocumentNode, yaml.SequenceNode:
			for _, c := range n.Content {
				walk(c, path)
			}
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				field := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
				fields[strconv.Itoa(n.Content[i].Line)] = field
				fields[strconv.Itoa(n.Content[i+1].Line)] = field
				walk(n.Content[i+1], field)
			}
		}
	}
	walk(&doc, "")
	return fields
}

func kindName(goType string) string {
	switch strings.TrimLeft(goType, "[]") {
	case "int", "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "string":
		if strings.HasPrefix(goType, "[]") {
			return "a list of texts"
		}
		return "a text"
	}
	return "a mapping of keys"
}

func (c *Config) validate(p *Problems) {
	if c.ClusterID == "" || len(c.ClusterID) > 64 {
		p.add("cluster_id", "must have 1 to 64 characters", c.ClusterID)
	}
	if c.DataDir == "" {
		p.add("data_dir", "must name a folder", c.DataDir)
	}
	c.Telegram.validate(p)
	c.validateApps(p)
	c.API.validate(p)
	c.Metrics.validate(p)
	oneOf(p, "ownership", c.Ownership, "gentle", "default", "fast")
	oneOf(p, "log.level", c.Log.Level, "trace", "debug", "info", "warn", "error")
	if c.DrainTimeout <= 0 {
		p.add("drain_timeout", "must be longer than 0s", c.DrainTimeout)
	}
	if c.Pace.DialsPerSecond <= 0 {
		p.add("pace.dials_per_second", "must be greater than 0", c.Pace.DialsPerSecond)
	}
	if c.Pace.DialsPerDCSecond <= 0 {
		p.add("pace.dials_per_dc_second", "must be greater than 0", c.Pace.DialsPerDCSecond)
	}
	if c.Pace.DialsPerProxySecond <= 0 {
		p.add("pace.dials_per_proxy_second", "must be greater than 0", c.Pace.DialsPerProxySecond)
	}
	if c.Events.MaxBytes < 0 {
		p.add("events.max_bytes", "must not be negative", c.Events.MaxBytes)
	}
	if c.Events.MaxAge < Duration(minRetention) {
		p.add("events.max_age", "must be at least "+minRetention.String()+", or a restart could miss its own records", c.Events.MaxAge)
	}
	if n := c.Events.MaxPerAccount; n != 0 && n < minPerAccount {
		p.add("events.max_per_account", "must be 0 for no bound, or at least "+strconv.Itoa(minPerAccount), n)
	}
	for _, text := range c.Webhooks.AllowNetworks {
		if _, err := netip.ParsePrefix(text); err != nil {
			p.add("webhooks.allow_networks", "must hold networks such as 10.1.0.0/16 or 127.0.0.1/32", text)
		}
	}
	if c.Security.MasterKeyFile != "" && c.Security.PassphraseFile != "" {
		p.add("security.master_key_file, security.passphrase_file", "must not both be given: the master key comes from one of them",
			c.Security.MasterKeyFile+", "+c.Security.PassphraseFile)
	}
	c.validateCluster(p)
}

func (t *Telegram) validate(p *Problems) {
	if t.APIID <= 0 {
		p.add("telegram.api_id", "must be the number from my.telegram.org, here or in "+EnvAPIID, t.APIID)
	}
	if t.APIHash == "" {
		p.List = append(p.List, "telegram.api_hash: must be given by telegram.api_hash_file or "+EnvAPIHash+" (got none)")
	}
	oneOf(p, "telegram.network", t.Network, "production", "test", "file")
	oneOf(p, "telegram.transport.framing", t.Transport.Framing, "abridged", "intermediate", "padded", "full")
	if t.Transport.Framing == "full" && t.Transport.Obfuscated {
		p.add("telegram.transport.obfuscated", "must be false, because the framing full cannot be obfuscated", t.Transport.Obfuscated)
	}
	oneOf(p, "telegram.ipv6", t.IPv6, "never", "fallback", "prefer", "only")
	if t.Network == "file" {
		if t.DCFile == "" {
			p.add("telegram.dc_file", "must name the file that `orchestrator simulate` wrote, because telegram.network is file", t.DCFile)
		} else if _, err := os.Stat(t.DCFile); err != nil {
			p.add("telegram.dc_file", "cannot be read; run `orchestrator simulate --dc-file "+t.DCFile+"` first", t.DCFile)
		}
	}
	if t.DefaultDC < 1 || t.DefaultDC > 1000 {
		p.add("telegram.default_dc", "must be from 1 to 1000", t.DefaultDC)
	}
	if t.App.Layer < 0 {
		p.add("telegram.app.layer", "must be 0 (the built-in schema's) or a layer number", t.App.Layer)
	}
	for _, f := range []struct{ name, value string }{
		{"device_model", t.App.DeviceModel}, {"system_version", t.App.SystemVersion}, {"app_version", t.App.AppVersion},
		{"system_lang_code", t.App.SystemLangCode}, {"lang_code", t.App.LangCode},
	} {
		if f.value == "" {
			p.add("telegram.app."+f.name, "must not be empty: Telegram refuses initConnection without it", f.value)
		}
	}
}

// appName is the alphabet of spec.app.
var appName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

func (c *Config) validateApps(p *Problems) {
	for _, name := range slices.Sorted(maps.Keys(c.Apps)) {
		app, field := c.Apps[name], "apps."+name
		if !appName.MatchString(name) {
			p.add(field, "must be named by 1 to 64 characters of a-z, 0-9 and -", name)
		}
		if app.APIID <= 0 {
			p.add(field+".api_id", "must be the number from my.telegram.org", app.APIID)
		}
		if app.APIHash == "" {
			p.List = append(p.List, field+".api_hash: must be given by "+field+".api_hash_file (got none)")
		}
		if app.Layer < 0 {
			p.add(field+".layer", "must be 0 (the built-in schema's) or a layer number", app.Layer)
		}
	}
}

func (a *API) validate(p *Problems) {
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil {
		p.add("api.listen", "must be host:port", a.Listen)
		return
	}
	if (a.TLSCert == "") != (a.TLSKey == "") {
		p.add("api.tls_cert_file, api.tls_key_file", "must be given together", a.TLSCert+", "+a.TLSKey)
	}
	if !loopback.Host(host) && (a.TLSCert == "" || a.TokensFile == "") {
		p.add("api.listen", "a public address needs api.tls_cert_file, api.tls_key_file and api.tokens_file; or bind to 127.0.0.1", a.Listen)
	}
}

func (m *Metrics) validate(p *Problems) {
	if m.Listen == "" {
		return
	}
	host, _, err := net.SplitHostPort(m.Listen)
	switch {
	case err != nil:
		p.add("metrics.listen", "must be host:port", m.Listen)
	case !loopback.Host(host) && !m.AllowRemote:
		p.add("metrics.listen", "a public address needs metrics.allow_remote, because metrics ask for no token; or bind to 127.0.0.1", m.Listen)
	}
}

func oneOf(p *Problems, field, got string, allowed ...string) {
	for _, a := range allowed {
		if got == a {
			return
		}
	}
	p.add(field, "must be one of "+strings.Join(allowed, ", "), got)
}
