package requests

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

// TTL is how long a command is remembered after its last attempt.
const TTL = 24 * time.Hour

// Limits of the bucket. Where it is full, Create fails: commands with a request_id are refused,
// none is forgotten early.
const (
	// MaxValue bounds a sealed value, below NATS' own limit of 1 MiB a message.
	MaxValue = 512 << 10
	// DefaultMaxBytes bounds the bucket.
	DefaultMaxBytes = 1 << 30
)

// callTimeout bounds a call whose ctx has no deadline.
const callTimeout = 10 * time.Second

// KVConfig of the JetStream store.
type KVConfig struct {
	// Bucket is the key-value bucket; default "REQUESTS".
	Bucket string
	// Replicas of the bucket; default 1.
	Replicas int
	// TTL after the last write; default TTL.
	TTL time.Duration
	// MaxBytes of the bucket; default DefaultMaxBytes.
	MaxBytes int64
}

// kv keeps values in a JetStream key-value bucket, as "<account>.<request id>".
type kv struct {
	bucket jetstream.KeyValue
	stream jetstream.Stream
	name   string
}

// NewKV opens or creates the bucket.
func NewKV(ctx context.Context, js jetstream.JetStream, cfg KVConfig) (Store, error) {
	if cfg.Bucket == "" {
		cfg.Bucket = "REQUESTS"
	}
	if cfg.TTL <= 0 {
		cfg.TTL = TTL
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	bucket, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: cfg.Bucket, Description: "commands by request_id: intents and outcomes", History: 1, TTL: cfg.TTL,
		MaxValueSize: MaxValue, MaxBytes: cfg.MaxBytes, Replicas: max(cfg.Replicas, 1), Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, fmt.Errorf("open requests: bucket %s: %w", cfg.Bucket, err)
	}
	stream, err := js.Stream(ctx, "KV_"+cfg.Bucket)
	if err != nil {
		return nil, fmt.Errorf("open requests: bucket %s: %w", cfg.Bucket, err)
	}
	return &kv{bucket: bucket, stream: stream, name: cfg.Bucket}, nil
}

// name in the bucket. Neither part can hold a dot.
func (k Key) name() string { return string(k.Account) + "." + k.ID }

func (s *kv) Get(ctx context.Context, key Key) ([]byte, uint64, error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	e, err := s.bucket.Get(ctx, key.name())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", key.name(), err)
	}
	return e.Value(), e.Revision(), nil
}

func (s *kv) Create(ctx context.Context, key Key, value []byte) (uint64, error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	revision, err := s.bucket.Create(ctx, key.name(), value)
	return revision, outcomeOf("create", key, err)
}

func (s *kv) Update(ctx context.Context, key Key, value []byte, revision uint64) (uint64, error) {
	if revision == 0 { // would create
		return 0, ErrConflict
	}
	ctx, cancel := limit(ctx)
	defer cancel()
	revision, err := s.bucket.Update(ctx, key.name(), value, revision)
	return revision, outcomeOf("update", key, err)
}

func (s *kv) Delete(ctx context.Context, key Key, revision uint64) error {
	if revision == 0 {
		return ErrConflict
	}
	ctx, cancel := limit(ctx)
	defer cancel()
	return outcomeOf("delete", key, s.bucket.Delete(ctx, key.name(), jetstream.LastRevision(revision)))
}

func (s *kv) Purge(ctx context.Context, account fleet.AccountID) error {
	if err := account.Validate(); err != nil {
		return fmt.Errorf("purge requests: %w", err)
	}
	ctx, cancel := limit(ctx)
	defer cancel()
	subject := "$KV." + s.name + "." + string(account) + ".>"
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
		return fmt.Errorf("purge requests of %s: %w", account, err)
	}
	return nil
}

func outcomeOf(operation string, key Key, err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyExists), errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
			api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return ErrConflict
	}
	return fmt.Errorf("%s %s: %w", operation, key.name(), err)
}

func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}
