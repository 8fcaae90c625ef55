// Package configs is the configuration of a node: its shape, its defaults, its checks, and
// the annotated files single.yaml and cluster.yaml beside it.
//
// # Usage
//
//	cfg, err := configs.Load("configs/single.yaml")
//
// # Errors
//
// Load reports every problem at once as *Problems, one line each: "field: what is wrong
// (got value)". Unknown keys are errors. Secrets come by file or environment only.
package configs

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Environment variables that fill what a file leaves empty.
const (
	EnvAPIID   = "ORCHESTRATOR_API_ID"
	EnvAPIHash = "ORCHESTRATOR_API_HASH"
	// EnvPassphrase is that of the master key, read when neither its file nor a key file is named.
	EnvPassphrase = "ORCHESTRATOR_MASTER_PASSPHRASE" //nolint:gosec // the name of a variable
)

// The profiles of ownership that are chosen when none is.
const (
	ownershipSingle  = "gentle"
	ownershipCluster = "default"
)

// minRetention is how long event records are kept at the least: a new owner reads back from
// a checkpoint that may be this old.
const minRetention = 10 * time.Minute

// minPerAccount is the same for the records of one account.
const minPerAccount = 1000

// Config is one node's configuration.
type Config struct {
	// ClusterID names the cluster; it is bound into every sealed record.
	ClusterID string `yaml:"cluster_id"`
	// DataDir holds everything this node keeps on disk; exactly one process may use it.
	DataDir  string   `yaml:"data_dir"`
	Telegram Telegram `yaml:"telegram"`
	// Apps are further application profiles, which accounts name in spec.app.
	Apps map[string]AppProfile `yaml:"apps"`

	API      API      `yaml:"api"`
	Metrics  Metrics  `yaml:"metrics"`
	Etcd     Etcd     `yaml:"etcd"`
	Events   Events   `yaml:"events"`
	Webhooks Webhooks `yaml:"webhooks"`
	Cluster  Cluster  `yaml:"cluster"`
	Security Security `yaml:"security"`
	Pace     Pace     `yaml:"pace"`
	Log      Log      `yaml:"log"`
	// Ownership is the profile of lease and ping times: gentle, default or fast. Empty means
	// gentle for one node and default for a cluster.
	Ownership string `yaml:"ownership"`
	// DrainTimeout bounds how long a graceful shutdown waits for running calls.
	DrainTimeout Duration `yaml:"drain_timeout"`
}

// Telegram says which servers to talk to and as which application.
type Telegram struct {
	// APIID and the hash identify the application (my.telegram.org).
	APIID int `yaml:"api_id"`
	// APIHash may be given by environment; APIHashFile by file.
	APIHash     string `yaml:"api_hash"`
	APIHashFile string `yaml:"api_hash_file"`
	// Network is production, test, or file (DCFile then names a list written by `simulate`).
	Network   string    `yaml:"network"`
	DCFile    string    `yaml:"dc_file"`
	DefaultDC int       `yaml:"default_dc"`
	Transport Transport `yaml:"transport"`
	// IPv6 is never, fallback (after IPv4), prefer or only.
	IPv6 string `yaml:"ipv6"`
	App  App    `yaml:"app"`
}

// Transport is how bytes travel to a DC.
type Transport struct {
	// Framing is abridged, intermediate, padded or full; full cannot be obfuscated.
	Framing    string `yaml:"framing"`
	Obfuscated bool   `yaml:"obfuscated"`
}

// App is the application profile announced by initConnection.
type App struct {
	// Layer is the TL layer announced; 0 means that of the built-in schema.
	Layer          int    `yaml:"layer"`
	DeviceModel    string `yaml:"device_model"`
	SystemVersion  string `yaml:"system_version"`
	AppVersion     string `yaml:"app_version"`
	SystemLangCode string `yaml:"system_lang_code"`
	LangPack       string `yaml:"lang_pack"`
	LangCode       string `yaml:"lang_code"`
}

// AppProfile is an application of its own: api_id and hash, and what it announces. Fields of App that
// are empty are those of telegram.app.
type AppProfile struct {
	APIID       int    `yaml:"api_id"`
	APIHash     string `yaml:"api_hash"`
	APIHashFile string `yaml:"api_hash_file"`
	App         `yaml:",inline"`
}

// API is the control API's listener.
type API struct {
	// Listen is host:port; anything but loopback needs TLS and tokens.
	Listen     string `yaml:"listen"`
	TLSCert    string `yaml:"tls_cert_file"`
	TLSKey     string `yaml:"tls_key_file"`
	TokensFile string `yaml:"tokens_file"`
}

// Metrics is the listener for Prometheus and for checks of health. It asks nobody who connects.
type Metrics struct {
	// Listen is host:port; empty, the default, for none.
	Listen string `yaml:"listen"`
	// AllowRemote says that other addresses than loopback may be listened on.
	AllowRemote bool `yaml:"allow_remote"`
}

// Etcd says where sessions and ownership live.
type Etcd struct {
	// Endpoints of an external etcd; empty means embedded under DataDir.
	Endpoints []string `yaml:"endpoints"`
	// TLS is for endpoints with https; a client certificate only where etcd asks for one.
	TLS TLSFiles `yaml:"tls"`
	// Username and PasswordFile are for an etcd with authentication.
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
}

// TLSFiles names an authority's certificate, and a certificate with its key, all in PEM.
type TLSFiles struct {
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Cluster is how the nodes of a cluster reach each other.
type Cluster struct {
	// Listen is host:port of the listener for other nodes; port 0 takes a free one.
	Listen string `yaml:"listen"`
	// Advertise is host:port by which others reach it, published in etcd; empty means Listen,
	// port 0 the one that was taken.
	Advertise string `yaml:"advertise"`
	// TLS is this node's certificate and the cluster's authority; see `orchestrator cert`.
	TLS TLSFiles `yaml:"tls"`
}

// External reports whether etcd and NATS run outside this process: a cluster.
func (c *Config) External() bool { return len(c.Etcd.Endpoints) > 0 }

// Events is the event log.
type Events struct {
	// NATSURL of an external NATS; empty means embedded under DataDir.
	NATSURL string `yaml:"nats_url"`
	// CredentialsFile and TLS are for NATSURL.
	CredentialsFile string   `yaml:"credentials_file"`
	TLS             TLSFiles `yaml:"tls"`
	// SyncInterval is how often the NATS servers sync to disk (their sync_interval): what is
	// younger may be lost with a machine. Required with NATSURL.
	SyncInterval Duration `yaml:"sync_interval"`
	// Replicas of each record in a NATS cluster; 0 means 1.
	Replicas int      `yaml:"replicas"`
	MaxAge   Duration `yaml:"max_age"`
	MaxBytes int64    `yaml:"max_bytes"`
	// MaxPerAccount bounds the records kept of one account; 0 means no bound.
	MaxPerAccount int64 `yaml:"max_per_account"`
	MinFree       int64 `yaml:"min_free_bytes"`
}

// Webhooks says where webhooks may lead. Without it they need https and a public address.
type Webhooks struct {
	// AllowHTTP also takes URLs that begin with http.
	AllowHTTP bool `yaml:"allow_http"`
	// AllowNetworks are networks, such as 10.1.0.0/16, that are no public ones and may be called.
	AllowNetworks []string `yaml:"allow_networks"`
}

// Networks are AllowNetworks; Validate has checked them.
func (w Webhooks) Networks() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range w.AllowNetworks {
		if n, err := netip.ParsePrefix(text); err == nil {
			out = append(out, n.Masked())
		}
	}
	return out
}

// Security says how records are sealed: by a master key from a file, or from a passphrase.
type Security struct {
	// MasterKeyFile holds 32 random bytes; made with mode 0600 at the first start. Empty means
	// DataDir/master.key. In a cluster it must be given, and hold the same bytes on every node.
	MasterKeyFile string `yaml:"master_key_file"`
	// PreviousMasterKeyFile is the former key while a new one is rotated in. Empty means
	// MasterKeyFile with .previous behind it, where there is such a file.
	PreviousMasterKeyFile string `yaml:"previous_master_key_file"`
	// PassphraseFile holds a passphrase instead, the same on every node; or EnvPassphrase does.
	PassphraseFile string `yaml:"passphrase_file"`
	// PreviousPassphraseFile is to PassphraseFile what PreviousMasterKeyFile is to MasterKeyFile.
	PreviousPassphraseFile string `yaml:"previous_passphrase_file"`
}

// ByPassphrase reports whether the master key comes from a passphrase.
func (s Security) ByPassphrase() bool {
	return s.PassphraseFile != "" || s.MasterKeyFile == "" && os.Getenv(EnvPassphrase) != ""
}

// Pace bounds how fast a node opens connections.
type Pace struct {
	DialsPerSecond   float64 `yaml:"dials_per_second"`
	DialsPerDCSecond float64 `yaml:"dials_per_dc_second"`
	// DialsPerProxySecond is for each proxy.
	DialsPerProxySecond float64 `yaml:"dials_per_proxy_second"`
}

// Log is what the process says about itself.
type Log struct {
	Level string `yaml:"level"`
	JSON  bool   `yaml:"json"`
}

// Duration is a time.Duration written as "30s".
type Duration time.Duration

// String writes it as it is read.
func (d Duration) String() string { return time.Duration(d).String() }

// UnmarshalYAML reads "30s"-like text.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: not a duration such as 30s (got %q)", n.Line, n.Value)}}
	}
	*d = Duration(v)
	return nil
}

// Default is the configuration of one node against Telegram's production servers.
func Default() Config {
	return Config{
		ClusterID: "local",
		DataDir:   "data",
		Telegram: Telegram{
			Network: "production", DefaultDC: 2,
			Transport: Transport{Framing: "intermediate", Obfuscated: true}, IPv6: "fallback",
			App: App{
				DeviceModel: "Server", SystemVersion: "Linux", AppVersion: "1.0",
				SystemLangCode: "en", LangCode: "en",
			},
		},
		API:          API{Listen: "127.0.0.1:8420"},
		Events:       Events{MaxAge: Duration(7 * 24 * time.Hour), MaxBytes: 8 << 30, MinFree: 512 << 20},
		Pace:         Pace{DialsPerSecond: 50, DialsPerDCSecond: 25, DialsPerProxySecond: 10},
		Log:          Log{Level: "info"},
		Ownership:    ownershipSingle,
		DrainTimeout: Duration(4 * time.Second),
	}
}

// Load reads a file over the defaults, fills secrets from files and environment, and
// reports all problems at once.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	cfg, err := Parse(text)
	var p *Problems
	if errors.As(err, &p) {
		p.File = path
	}
	return cfg, err
}

// Parse is Load on the file's text.
func Parse(text []byte) (Config, error) {
	cfg := Default()
	cfg.Ownership = ""
	p := &Problems{}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&cfg); err != nil && err.Error() != "EOF" {
		p.addYAML(text, err)
	}
	if cfg.Ownership == "" {
		cfg.Ownership = ownershipSingle
		if cfg.External() {
			cfg.Ownership = ownershipCluster
		}
	}
	cfg.fillSecrets(p)
	cfg.validate(p)
	if len(p.List) > 0 {
		return cfg, p
	}
	return cfg, nil
}

func (c *Config) fillSecrets(p *Problems) {
	if v := os.Getenv(EnvAPIID); c.Telegram.APIID == 0 && v != "" {
		id, err := strconv.Atoi(v)
		if err != nil {
			p.add(EnvAPIID, "must be a number", v)
		}
		c.Telegram.APIID = id
	}
	c.Telegram.APIHash = hashOf(p, "telegram", c.Telegram.APIHash, c.Telegram.APIHashFile)
	if c.Telegram.APIHash == "" {
		c.Telegram.APIHash = os.Getenv(EnvAPIHash)
	}
	for name, app := range c.Apps {
		app.APIHash = hashOf(p, "apps."+name, app.APIHash, app.APIHashFile)
		c.Apps[name] = app
	}
}

// hashOf is an api_hash, read from its file where one is named.
func hashOf(p *Problems, field, hash, file string) string {
	if hash != "" || file == "" {
		return hash
	}
	b, err := os.ReadFile(file)
	if err != nil {
		p.add(field+".api_hash_file", "cannot be read: "+errors.Unwrap(err).Error(), file)
	}
	return strings.TrimSpace(string(b))
}

// Over fills what is empty in a profile with another one's.
func (a App) Over(base App) App {
	a.Layer = cmp.Or(a.Layer, base.Layer)
	a.DeviceModel, a.SystemVersion = cmp.Or(a.DeviceModel, base.DeviceModel), cmp.Or(a.SystemVersion, base.SystemVersion)
	a.AppVersion, a.SystemLangCode = cmp.Or(a.AppVersion, base.AppVersion), cmp.Or(a.SystemLangCode, base.SystemLangCode)
	a.LangPack, a.LangCode = cmp.Or(a.LangPack, base.LangPack), cmp.Or(a.LangCode, base.LangCode)
	return a
}
