package eventlog

import (
	"context"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

func freeSpace(dir string) (uint64, error) { return 1 << 40, nil }

// Log is an open event log.
type Log struct{}

// Open starts or connects to the store and waits until it can be used.
func Open(ctx context.Context, cfg Config) (*Log, error) { return nil, ErrClosed }

// Close ends all iterators, marks the shutdown as clean and stops the embedded server.
func (l *Log) Close(ctx context.Context) error { return nil }

// JetStream is the log's connection, for stores that share it.
func (l *Log) JetStream() jetstream.JetStream { return nil }

// Durable is the last place that is surely synced to disk.
func (l *Log) Durable() Cursor { return Cursor{} }

// Last is the current end of the log.
func (l *Log) Last(ctx context.Context) (Cursor, error) { return Cursor{}, nil }

// Claim appends OwnerChanged{token} and returns the account's Writer.
func (l *Log) Claim(ctx context.Context, account fleet.AccountID, token fleet.FencingToken) (*Writer, error) {
	return nil, ErrClosed
}

// Purge removes an account's records and drops its cached key.
func (l *Log) Purge(ctx context.Context, account fleet.AccountID) error { return nil }

// PublishLive delivers rec to current subscribers that asked for live events.
func (l *Log) PublishLive(ctx context.Context, rec Record) error { return nil }

// Writer appends an account's records.
type Writer struct{}

// Claimed is the place of the OwnerChanged record.
func (w *Writer) Claimed() Cursor { return Cursor{} }

// Replay yields the account's records after from, up to the Claim.
func (w *Writer) Replay(ctx context.Context, from Cursor) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}

// Append appends recs in order and returns the sequence of the last one.
func (w *Writer) Append(ctx context.Context, recs ...Record) (lastSeq uint64, err error) {
	return 0, ErrClosed
}

// From is where a subscription begins; the zero From is the beginning.
type From struct {
	cursor Cursor
	time   time.Time
	isNew  bool
}

// FromBeginning begins with the oldest record kept.
func FromBeginning() From { return From{} }

// FromNew begins with what is appended after the call.
func FromNew() From { return From{isNew: true} }

// FromCursor begins after c.
func FromCursor(c Cursor) From { return From{cursor: c} }

// FromTime begins with the first record stored at t or later.
func FromTime(t time.Time) From { return From{time: t} }

// SubscribeOptions select what a subscription yields.
type SubscribeOptions struct {
	From     From
	Accounts []fleet.AccountID
	Kinds    []string
	Follow   bool
	Live     bool
	Internal bool
}

// Subscribe yields records in order.
func (l *Log) Subscribe(ctx context.Context, o SubscribeOptions) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}

// ConsumerOptions set up a durable consumer.
type ConsumerOptions struct {
	From          From
	Accounts      []fleet.AccountID
	Kinds         []string
	MaxInFlight   int
	MaxPerAccount int
	AckWait       time.Duration
	MaxDeliver    int
}

// Delivery is one record handed to a consumer.
type Delivery struct {
	Record
	Attempt int
}

// Consumer is a durable cursor with acknowledgements.
type Consumer struct{}

// Consumer opens the durable consumer called name.
func (l *Log) Consumer(ctx context.Context, name string, o ConsumerOptions) (*Consumer, error) {
	return nil, ErrClosed
}

// DeleteConsumer forgets the consumer's cursor.
func (l *Log) DeleteConsumer(ctx context.Context, name string) error { return nil }

// Fetch waits for at least one record and returns at most max.
func (c *Consumer) Fetch(ctx context.Context, max int) ([]Delivery, error) { return nil, ErrClosed }

// Ack settles deliveries.
func (c *Consumer) Ack(at ...Cursor) error { return nil }

// Nak asks for a delivery again after delay.
func (c *Consumer) Nak(at Cursor, delay time.Duration) error { return nil }

// Cursor is the place up to which everything is acknowledged.
func (c *Consumer) Cursor() Cursor { return Cursor{} }

// Close saves the cursor.
func (c *Consumer) Close(ctx context.Context) error { return nil }
