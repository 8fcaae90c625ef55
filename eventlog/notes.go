package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// Limits of notes.
const (
	// MaxNotes is how many notes of one subject are kept; the oldest are dropped.
	MaxNotes     = 500
	maxNoteBytes = 16 << 10
)

// Note is one line of a subject's diary, such as a delivery that failed.
type Note struct {
	// Time is when it was stored.
	Time time.Time
	// Body is the caller's. It lies in clear: no secrets.
	Body []byte
}

// notes is the stream of diaries, made when it is first used.
type notes struct {
	mu    sync.Mutex
	store *stream.Store
}

// notesStore gives the stream. Notes share the log's limit of age and take little of its bytes.
func (l *Log) notesStore(ctx context.Context) (*stream.Store, error) {
	l.notes.mu.Lock()
	defer l.notes.mu.Unlock()
	if l.notes.store != nil {
		return l.notes.store, nil
	}
	prefix := "note." + l.store.Prefix
	s, err := l.store.Beside(ctx, prefix, jetstream.StreamConfig{
		Name: l.cfg.Name + "_NOTES", Description: "the latest deliveries of webhooks",
		Subjects: []string{prefix + "*"}, MaxMsgsPerSubject: MaxNotes, MaxMsgSize: maxNoteBytes,
		MaxAge: l.cfg.MaxAge, MaxBytes: max(l.cfg.MaxBytes/64, 1<<20), Replicas: l.cfg.Replicas,
	})
	if err != nil {
		return nil, err
	}
	l.notes.store = s
	return s, nil
}

// Note adds to the diary of a subject ([a-z0-9-]{1,64}). Body has at most 16 KiB.
func (l *Log) Note(ctx context.Context, subject string, body []byte) error {
	s, done, err := l.diary(ctx, subject)
	if err != nil {
		return err
	}
	defer done()
	if err := l.checkSpace(ctx); err != nil {
		return fmt.Errorf("note of %s: %w", subject, err)
	}
	if _, err := s.JS.Publish(ctx, s.Subject(fleet.AccountID(subject)), body, jetstream.WithExpectStream(s.Name)); err != nil {
		return fmt.Errorf("note of %s: %w", subject, err)
	}
	return nil
}

// Notes reads the latest notes of a subject, at most limit, newest first.
func (l *Log) Notes(ctx context.Context, subject string, limit int) ([]Note, error) {
	s, done, err := l.diary(ctx, subject)
	if err != nil {
		return nil, err
	}
	defer done()
	var all []stream.Raw
	for pos := uint64(0); ; pos = all[len(all)-1].Seq {
		page, err := s.Page(ctx, fleet.AccountID(subject), pos+1)
		if err != nil {
			return nil, fmt.Errorf("notes of %s: %w", subject, err)
		}
		all = append(all, page...)
		if len(page) == 0 {
			break
		}
	}
	out := make([]Note, 0, min(limit, len(all)))
	for i := len(all) - 1; i >= 0 && len(out) < limit; i-- {
		out = append(out, Note{Time: all[i].Stored, Body: all[i].Data})
	}
	return out, nil
}

// ForgetNotes drops the diary of a subject.
func (l *Log) ForgetNotes(ctx context.Context, subject string) error {
	s, done, err := l.diary(ctx, subject)
	if err != nil {
		return err
	}
	defer done()
	err = s.Stream.Purge(ctx, jetstream.WithPurgeSubject(s.Subject(fleet.AccountID(subject))))
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("forget notes of %s: %w", subject, err)
	}
	return nil
}

func (l *Log) diary(ctx context.Context, subject string) (*stream.Store, func(), error) {
	if fleet.AccountID(subject).Validate() != nil {
		return nil, nil, fmt.Errorf("%w: note: subject must match [a-z0-9-]{1,64} (got %.80q)", ErrInvalid, subject)
	}
	done, err := l.enter()
	if err != nil {
		return nil, nil, err
	}
	s, err := l.notesStore(ctx)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("notes: %w", err)
	}
	return s, done, nil
}
