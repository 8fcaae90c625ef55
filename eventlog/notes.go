package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
	store *store
}

// notesStore gives the stream. Notes share the log's limit of age and take little of its bytes.
func (l *Log) notesStore(ctx context.Context) (*store, error) {
	l.notes.mu.Lock()
	defer l.notes.mu.Unlock()
	if l.notes.store != nil {
		return l.notes.store, nil
	}
	prefix := "note." + l.store.prefix
	stream, err := l.store.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: l.cfg.Name + "_NOTES", Description: "the latest deliveries of webhooks",
		Subjects: []string{prefix + "*"}, Discard: jetstream.DiscardOld, MaxMsgsPerSubject: MaxNotes,
		MaxAge: l.cfg.MaxAge, MaxBytes: max(l.cfg.MaxBytes/64, 1<<20), MaxMsgSize: maxNoteBytes,
		Storage: jetstream.FileStorage, Replicas: l.cfg.Replicas, AllowDirect: true,
	})
	if err != nil {
		return nil, err
	}
	s := *l.store
	s.stream, s.name, s.prefix = stream, l.cfg.Name+"_NOTES", prefix
	l.notes.store = &s
	return &s, nil
}

// Note adds to the diary of a subject ([a-z0-9-]{1,64}). Body has at most 16 KiB.
func (l *Log) Note(ctx context.Context, subject string, body []byte) error {
	s, done, err := l.diary(ctx, subject)
	if err != nil {
		return err
	}
	defer done()
	if err := l.checkSpace(); err != nil {
		return fmt.Errorf("note of %s: %w", subject, err)
	}
	if _, err := s.js.Publish(ctx, s.prefix+subject, body, jetstream.WithExpectStream(s.name)); err != nil {
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
	var all []rawRecord
	for pos := uint64(0); ; pos = all[len(all)-1].seq {
		page, err := s.direct(ctx, map[string]any{"seq": pos + 1, "batch": pageRecords, "max_bytes": pageBytes, "next_by_subj": s.prefix + subject})
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
		out = append(out, Note{Time: all[i].stored, Body: all[i].data})
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
	err = s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.prefix+subject))
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("forget notes of %s: %w", subject, err)
	}
	return nil
}

func (l *Log) diary(ctx context.Context, subject string) (*store, func(), error) {
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
