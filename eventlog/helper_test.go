package eventlog

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/telefleet/orchestrator/fleet"
	"go.uber.org/goleak"
	"golang.org/x/crypto/chacha20poly1305"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testKeys(_ context.Context, id fleet.AccountID) (cipher.AEAD, error) {
	k := sha256.Sum256([]byte("key of " + id))
	return chacha20poly1305.NewX(k[:])
}

func findTestKey(ctx context.Context, id fleet.AccountID, _ bool) (cipher.AEAD, error) {
	return testKeys(ctx, id)
}

func testConfig(t testing.TB) Config {
	return Config{Dir: t.TempDir(), Keys: testKeys, MinFree: -1}
}

func openLog(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLog(t, l) })
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// crash stops the log as a kill would: nothing is marked.
func crash(l *Log) {
	l.closeOnce.Do(func() {
		l.mu.Lock()
		l.close(ErrClosed)
		l.mu.Unlock()
		l.calls.Wait()
		l.hub.stop()
		l.stop()
	})
}

func claim(t testing.TB, l *Log, account fleet.AccountID, token fleet.FencingToken) *Writer {
	t.Helper()
	w, err := l.Claim(context.Background(), account, token)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func event(id string) Record {
	return Record{Kind: "message.new", ID: id, Payload: []byte("text of " + id),
		Positions: []Position{{Box: "pts", Value: int64(len(id))}}}
}

func mustAppend(t testing.TB, w *Writer, ids ...string) uint64 {
	t.Helper()
	recs := make([]Record, len(ids))
	for i, id := range ids {
		recs[i] = event(id)
	}
	seq, err := w.Append(context.Background(), recs...)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// collect reads at most n records, or all with n < 0, as "account/id" or "account/gap:a-b".
func collect(t testing.TB, n int, seq iter.Seq2[Record, error]) []string {
	t.Helper()
	out := []string{}
	if n == 0 {
		return out
	}
	for r, err := range seq {
		if err != nil {
			t.Fatalf("after %v: %v", out, err)
		}
		out = append(out, show(r))
		if n--; n == 0 {
			break
		}
	}
	return out
}

func show(r Record) string {
	if r.Kind == KindOwnerChanged {
		return fmt.Sprintf("%s/owner:%d", r.Account, r.Token)
	}
	if r.Kind == KindErased { // its id is drawn
		return string(r.Account) + "/" + r.Kind
	}
	if r.Gap == nil && r.Payload != nil && string(r.Payload) != "text of "+r.ID {
		return fmt.Sprintf("%s/%s has payload %q", r.Account, r.ID, r.Payload)
	}
	return string(r.Account) + "/" + r.ID
}

// replies lets a test act on appends: before, and on the acknowledgement (nil drops it).
func interpose(l *Log, f func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error)) {
	send := l.store.Request
	l.store.Request = func(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
		return f(m, func() (*nats.Msg, error) { return send(ctx, m) })
	}
}

// expire drops records as retention does: from the front, up to and without seq.
func expire(t testing.TB, l *Log, seq uint64) {
	t.Helper()
	if err := l.store.Stream.Purge(context.Background(), jetstream.WithPurgeSequence(seq)); err != nil {
		t.Fatal(err)
	}
}

// rawAppend stores a record past all checks, as a former owner's late append would be.
func rawAppend(t testing.TB, l *Log, r Record) uint64 {
	t.Helper()
	r.Time = time.Unix(1, 0)
	body, err := encodeRecord(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := l.store.JS.Publish(context.Background(), l.store.Subject(r.Account), body)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func testCtx(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

type (
	accountID = fleet.AccountID
	token     = fleet.FencingToken
)

// countFiles counts the files below dir that contain s.
func countFiles(t testing.TB, dir, s string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(s)) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
