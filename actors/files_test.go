package actors

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/sides"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

// ways counts over which addresses calls came.
type ways struct {
	mu            sync.Mutex
	files, others map[string]int // by method: at addresses for files, and at others
	hook          func(c *mtserver.Call, method string)
}

func (r *rig) ways(hook func(c *mtserver.Call, method string)) *ways {
	w := &ways{files: map[string]int{}, others: map[string]int{}, hook: hook}
	names := tg.TypesMap()
	r.sim.Faults().SetRPCHook(func(c *mtserver.Call) (int, string) {
		name, _, _ := strings.Cut(names[c.Constructor()], "#")
		w.mu.Lock()
		if c.Media {
			w.files[name]++
		} else {
			w.others[name]++
		}
		w.mu.Unlock()
		if hook != nil {
			hook(c, name)
		}
		return 0, ""
	})
	return w
}

// counts are copies of both.
func (w *ways) counts() (files, others map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.files), maps.Clone(w.others)
}

// came is how often calls of files came at addresses for files, and at others.
func (w *ways) came() (files, others int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range []string{"upload.saveFilePart", "upload.saveBigFilePart", "upload.getFile"} {
		files, others = files+w.files[m], others+w.others[m]
	}
	return files, others
}

// carry uploads a file as one account, sends it to another one, and reads it there.
func (r *rig) carry(t *testing.T, from, to *Env, size int) {
	t.Helper()
	ctx := bounded(t)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(data) // never fails
	file, err := media.NewUpload(media.UploadOptions{Name: "a.bin", Size: int64(size)}).Send(ctx, from, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	sent, err := media.Send(ctx, from, peerOf(t, from, to), telegram.Outgoing{}, media.Attachment{Uploaded: &file})
	if err != nil {
		t.Fatal(err)
	}
	if got := download(t, from, to, sent.ID); !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back", len(got), size)
	}
}

// peerOf is another account as one sees it.
func peerOf(t *testing.T, env, other *Env) telegram.Peer {
	t.Helper()
	peer, err := telegram.ResolvePeer(bounded(t), env, "@user_"+string(other.Account()))
	if err != nil {
		t.Fatal(err)
	}
	return peer
}

// download reads the file of a message in the chat of two.
func download(t *testing.T, env, other *Env, message int) []byte {
	t.Helper()
	stored, err := media.OfMessage(bounded(t), env, peerOf(t, env, other), message, "")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	err = media.Download(bounded(t), env, stored.Location, media.DownloadOptions{}, func(p []byte) error { got.Write(p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got.Bytes()
}

// TestFilesGoToAddressesForFiles: where the home DC has such, only files go there, over a second socket with the same
// key; the referee allows it, and no update comes that way.
func TestFilesGoToAddressesForFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 81, Media: []int{2}})
	ann, bob := r.pair(t)
	keys := r.sim.Server().Stats().KeyExchanges
	w := r.ways(nil)
	r.carry(t, ann, bob, 11<<20)
	r.chatter(t, 5)
	if files, others := w.came(); files < 22+11 || others != 0 {
		t.Errorf("%d calls of files came to the address for files, %d to the other", files, others)
	}
	files, others := w.counts()
	for method := range files {
		if !strings.HasPrefix(method, "upload.") && method != "help.getConfig" {
			t.Errorf("%s came to the address for files", method)
		}
	}
	if n := others["auth.exportAuthorization"] + files["auth.importAuthorization"]; n != 0 {
		t.Errorf("the home DC's own authorization was moved %d times", n)
	}
	if n := r.sim.Server().Stats().KeyExchanges; n != keys {
		t.Errorf("%d keys were made", n-keys)
	}
	if n := r.fleet.Sockets(); n != 3 {
		t.Errorf("%d sockets, want two homes and one for files", n)
	}
	r.verify(t)
}

// TestFilesOfOtherDCsGoToTheirAddressesForFiles: with a key and an authorization there, as any side connection.
func TestFilesOfOtherDCsGoToTheirAddressesForFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 82, Media: []int{3}})
	ann, far := r.person(t, "ann", 2), r.person(t, "far", 3)
	w := r.ways(nil)
	r.carry(t, far, ann, 1<<20) // over its own home's
	seen, err := telegram.GetHistory(bounded(t), ann, peerOf(t, ann, far), telegram.HistoryOptions{Limit: 1})
	if err != nil || len(seen.Messages) != 1 {
		t.Fatalf("%v, %v", seen, err)
	}
	if got := download(t, ann, far, seen.Messages[0].GetID()); len(got) != 1<<20 {
		t.Errorf("%d bytes", len(got))
	}
	files, others := w.counts()
	if files["auth.importAuthorization"] != 1 || files["upload.getFile"] == 0 || others["upload.getFile"] > 1 {
		t.Errorf("at addresses for files: %v; at others: %v", files, others)
	}
	r.verify(t)
}

// TestFilesFallBackToTheHomeSocket: an address for files that cannot be reached, or that breaks, costs no transfer.
func TestFilesFallBackToTheHomeSocket(t *testing.T) {
	var closed atomic.Value
	closed.Store("")
	run := func(t *testing.T, r *rig) {
		ann, bob := r.pair(t)
		for _, dc := range r.sim.DCs() {
			if dc.MediaOnly {
				closed.Store(dc.Addr)
			}
		}
		w := r.ways(nil)
		r.carry(t, ann, bob, 1<<20)
		if files, others := w.came(); files != 0 || others == 0 {
			t.Errorf("%d calls at the address that is closed, %d at the other", files, others)
		}
		closed.Store("")
		r.carry(t, ann, bob, 1<<20)
		if files, _ := w.came(); files != 0 {
			t.Errorf("it was tried again at once: %d calls", files)
		}
		time.Sleep(2 * time.Minute)
		cut := false
		w = r.ways(func(c *mtserver.Call, method string) {
			if c.Media && method == "upload.saveBigFilePart" && !cut {
				cut = true
				r.sim.Server().KillConnections(func(i mtserver.ConnInfo) bool { return i.ID == c.ConnID })
			}
		})
		r.carry(t, ann, bob, 11<<20)
		if files, others := w.came(); files == 0 || others == 0 || !cut {
			t.Errorf("%d calls at the address for files, %d at the other", files, others)
		}
		r.verify(t)
	}
	closes := func(d *Deps) {
		dial := d.Transport.Dial
		d.Transport.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == closed.Load() {
				return nil, errNetwork
			}
			return dial(ctx, network, addr)
		}
	}
	bubbleWith(t, simulator.Config{Seed: 83, Media: []int{2}}, closes, run)
}

// TestIdleConnectionForFilesIsClosed: a node of many accounts keeps no second socket for each that ever sent a file.
func TestIdleConnectionForFilesIsClosed(t *testing.T) {
	bubble(t, simulator.Config{Seed: 84, Media: []int{2}}, func(t *testing.T, r *rig) {
		ann, bob := r.pair(t)
		r.carry(t, ann, bob, 1<<20)
		if n := r.fleet.Sockets(); n != 3 {
			t.Errorf("%d sockets, want 3", n)
		}
		time.Sleep(sides.IdleFiles / 2)
		r.carry(t, ann, bob, 1<<20)
		time.Sleep(sides.IdleFiles * 3 / 4)
		settled(t)
		if n := r.fleet.Sockets(); n != 3 {
			t.Errorf("%d sockets while it is not idle, want 3", n)
		}
		time.Sleep(sides.IdleFiles)
		settled(t)
		if n := r.fleet.Sockets(); n != 2 {
			t.Errorf("%d sockets, want the two homes", n)
		}
		r.carry(t, ann, bob, 1<<20)
		if n := r.fleet.Sockets(); n != 3 {
			t.Errorf("%d sockets afterwards, want 3", n)
		}
		r.verify(t)
	})
}

// TestFilesStayAtHomeWithATemporaryKey: a permanent key has only one of them at a time.
func TestFilesStayAtHomeWithATemporaryKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 85, Media: []int{2}})
	_, bob := r.pair(t)
	r.restart(t, "ann", withPFS)
	w := r.ways(nil)
	r.carry(t, r.env(t, "ann"), bob, 1<<20)
	if files, others := w.came(); files != 0 || others == 0 {
		t.Errorf("%d calls at the address for files, %d at the other", files, others)
	}
	r.verify(t)
}
