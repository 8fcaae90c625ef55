package eventlog

import (
	"context"
	"crypto/cipher"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/diskspace"
)

// Defaults of Config, and the shortest retention: a Writer whose subject expired falls back to
// expecting an empty subject, which is only safe when a former owner's append cannot be that old.
const (
	DefaultMaxAge   = 72 * time.Hour
	MinMaxAge       = 10 * time.Minute
	DefaultMaxBytes = 8 << 30
	// MinMaxPerAccount keeps what a new owner reads back in the log, however busy the account is.
	MinMaxPerAccount    = 1000
	DefaultSyncInterval = time.Second
	DefaultMinFree      = 512 << 20
	DefaultAckTimeout   = 5 * time.Second
)

// Config says where the log lives. Exactly one of an embedded server (URL empty) and an
// external one (URL set) is used.
type Config struct {
	// Dir holds the embedded store, the epoch table and the witness of the last known
	// sequence. Required when URL is empty; with URL it holds the witness only, and may be empty.
	Dir string
	// URL is that of an external NATS (>= 2.12) with JetStream.
	URL string
	// CredentialsFile and TLS are for URL.
	CredentialsFile string
	TLS             *tls.Config
	// Replicas of the stream with URL; default 1.
	Replicas int
	// Name sets apart several logs on one NATS; default "EVENTS". [A-Z0-9_]{1,32}.
	Name string

	// Keys gives the data key of an account; required. It returns an error wrapping ErrNoKey
	// for an account that was deleted.
	Keys func(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error)
	// Find gives it for reading, nil where there is none; default: Keys. With fresh it must not answer
	// from memory: a payload does not open under the key that is known, so the account may have
	// another one since (see Writer.Erase).
	Find func(ctx context.Context, account fleet.AccountID, fresh bool) (cipher.AEAD, error)

	// TokenValid, if set, is asked directly before each append is sent; its error counts as
	// ErrFenced. It must not block.
	TokenValid func(account fleet.AccountID, token fleet.FencingToken) error

	// MaxAge and MaxBytes bound what is kept; the oldest records are dropped.
	// Defaults 72 h and 8 GiB; MaxAge is at least 10 minutes.
	MaxAge   time.Duration
	MaxBytes int64
	// MaxPerAccount bounds the records kept of one account, so that a busy one does not displace
	// the others'; 0: no bound, else at least 1000.
	MaxPerAccount int64
	// SyncInterval is how often the store syncs to disk; default 1 s. Required with URL, where
	// it must be what the servers use.
	SyncInterval time.Duration
	// SyncAlways syncs each append (slow: one fsync a record). With URL it states that the
	// servers do so.
	SyncAlways bool
	// MinFree is the free space, in bytes, below which appends stop; default 512 MiB,
	// negative: no check. With URL the store's own limits hold instead; see Log.Free.
	MinFree int64
	// FreeSpace gives the bytes free for Dir; default statfs.
	FreeSpace func(dir string) (uint64, error)
	// AckTimeout is how long an append waits for its acknowledgement before the subject is
	// read instead; default 5 s.
	AckTimeout time.Duration
	// Now is the clock for stamps and sync ages; default time.Now.
	Now func() time.Time
	// Logger gets the store's warnings; default none.
	Logger hclog.Logger
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.MaxAge, DefaultMaxAge)
	def(&c.AckTimeout, DefaultAckTimeout)
	if c.URL == "" {
		def(&c.SyncInterval, DefaultSyncInterval)
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.MinFree == 0 {
		c.MinFree = DefaultMinFree
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Name == "" {
		c.Name = "EVENTS"
	}
	if c.Find == nil && c.Keys != nil {
		keys := c.Keys
		c.Find = func(ctx context.Context, account fleet.AccountID, _ bool) (cipher.AEAD, error) {
			return keys(ctx, account)
		}
	}
	if c.FreeSpace == nil {
		c.FreeSpace = diskspace.Free
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return c
}

// Validate returns all problems as "field: problem (got value)".
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if c.Dir == "" && c.URL == "" {
		bad("dir: required without url")
	}
	if c.Keys == nil {
		bad("keys: required")
	}
	if c.MaxAge < MinMaxAge {
		bad("max_age: must be at least %s (got %s)", MinMaxAge, c.MaxAge)
	}
	if c.MaxBytes < 0 {
		bad("max_bytes: must be positive (got %d)", c.MaxBytes)
	}
	if c.MaxPerAccount != 0 && c.MaxPerAccount < MinMaxPerAccount {
		bad("max_per_account: must be 0 for no bound, or at least %d (got %d)", MinMaxPerAccount, c.MaxPerAccount)
	}
	if c.URL != "" && c.SyncInterval <= 0 && !c.SyncAlways {
		bad("sync_interval: required with url, as set on the servers (got %s)", c.SyncInterval)
	}
	if c.SyncInterval < 0 || c.AckTimeout < 0 {
		bad("sync_interval, ack_timeout: must not be negative (got %s, %s)", c.SyncInterval, c.AckTimeout)
	}
	if c.Replicas < 1 || c.Replicas > 5 || (c.URL == "" && c.Replicas != 1) {
		bad("replicas: must be 1 to 5, and 1 without url (got %d)", c.Replicas)
	}
	if !validName(c.Name) {
		bad("name: must match [A-Z0-9_]{1,32} (got %.64q)", c.Name)
	}
	return errors.Join(errs...)
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > 32 {
		return false
	}
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return true
}
