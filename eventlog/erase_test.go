package eventlog

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/fleet"
)

// keyStore is data keys that all nodes share.
type keyStore struct {
	mu    sync.Mutex
	round map[fleet.AccountID]int
}

func (s *keyStore) renew(id fleet.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round[id]++
}

func (s *keyStore) read(id fleet.AccountID) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sha256.Sum256(fmt.Appendf(nil, "key %d of %s", s.round[id], id))
	return chacha20poly1305.NewX(k[:])
}

// node is a node's view of them: it remembers what it has read.
func (s *keyStore) node() func(ctx context.Context, id fleet.AccountID, fresh bool) (cipher.AEAD, error) {
	remembered := map[fleet.AccountID]cipher.AEAD{}
	var mu sync.Mutex
	return func(_ context.Context, id fleet.AccountID, fresh bool) (cipher.AEAD, error) {
		mu.Lock()
		defer mu.Unlock()
		if remembered[id] == nil || fresh {
			k, err := s.read(id)
			if err != nil {
				return nil, err
			}
			remembered[id] = k
		}
		return remembered[id], nil
	}
}

// TestErasedEventsAreGoneOnEveryNode: after an Erase neither the owner's node nor another, which had
// the events and their key in memory, gives out what was there before; both go on with what is
// appended under the next data key, and a former owner stays fenced.
func TestErasedEventsAreGoneOnEveryNode(t *testing.T) {
	s := startNATS(t, t.TempDir(), "127.0.0.1:0")
	t.Cleanup(s.Shutdown)
	keys := &keyStore{round: map[fleet.AccountID]int{}}
	open := func() *Log {
		return openLog(t, Config{
			URL: "nats://" + s.Addr(), SyncInterval: time.Second, MinFree: -1, Find: keys.node(),
			Keys: func(_ context.Context, id fleet.AccountID) (cipher.AEAD, error) { return keys.read(id) },
		})
	}
	one, two := open(), open()
	former := claim(t, one, "a", 1)
	w := claim(t, one, "a", 2)
	beside := claim(t, one, "b", 2)
	mustAppend(t, w, "said")
	p := pull(t, two.Subscribe(testCtx(t), SubscribeOptions{Follow: true}))
	p.want("a/said") // it is in the memory of the other node now, and its key
	mustAppend(t, beside, "other")
	p.want("b/other")

	if err := w.Erase(testCtx(t)); err != nil {
		t.Fatal(err)
	}
	keys.renew("a")
	one.Forget("a")
	mustAppend(t, w, "again")
	p.want("a/again")
	for _, l := range []*Log{one, two} {
		got := collect(t, -1, l.Subscribe(testCtx(t), SubscribeOptions{Internal: true}))
		diff(t, []string{"b/owner:2", "b/other", "a/gap:4-4", "a/" + KindErased, "a/again"}, got)
	}
	_, err := former.Append(testCtx(t), event("late"))
	wantErr(t, err, ErrFenced)
	if err := w.Erase(testCtx(t)); err != nil {
		t.Errorf("once more: %v", err)
	}
	diff(t, []string{"a/" + KindErased}, collect(t, -1, claim(t, two, "a", 3).Replay(testCtx(t), Cursor{})))
}
