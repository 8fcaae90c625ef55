package mtserver

import (
	"crypto/sha1"
	"sync"
	"testing"

	"github.com/gotd/td/crypto"
	"go.uber.org/goleak"
)

func auxHash(key crypto.Key) []byte {
	sum := sha1.Sum(key[:])
	return sum[:8]
}

func TestCloseEndsEveryGoroutine(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	r := start(t, nil)
	for range 10 {
		c := r.dial()
		c.call(tl(idWait)) // never answered
		c.sync()
	}
	silent := &client{t: t, rig: r}
	silent.connect()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil { // once more
		t.Fatal(err)
	}
	goleak.VerifyNone(t, ignore)
	r.Push(1, pushBody(1))
	if n := r.Stats().Connections; n != 0 {
		t.Fatalf("%d connections", n)
	}
}

func TestThousandConnections(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	r := start(t, func(c *Config) { c.Pack = 0.25 })
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = r.dial()
	}
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			for range 3 {
				c.mustEcho()
			}
			r.Push(c.keyID(), pushBody(1))
			c.pushed()
		})
	}
	wg.Wait()
	if s := r.Stats(); s.Connections != n || s.Keys != n || s.Sessions != n || s.Calls != int64(3*n) {
		t.Fatalf("%+v", s)
	}
}
