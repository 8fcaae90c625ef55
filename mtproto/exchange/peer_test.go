package exchange

import (
	"context"
	"crypto/rsa"
	"net"
	"runtime"
	"testing"
	"time"

	gotd "github.com/gotd/td/exchange"
	gotdtransport "github.com/gotd/td/transport"

	"github.com/telefleet/orchestrator/mtproto/transport"
)

// TestGotdsServerAgrees makes keys with gotd's own server half over a pipe, under our framing.
func TestGotdsServerAgrees(t *testing.T) {
	for name, cfg := range map[string]Config{"permanent": {DC: 2}, "test": {DC: 10002}, "temporary": {DC: 2, TempExpiresIn: 3600}} {
		t.Run(name, func(t *testing.T) {
			key := serverKey()
			near, far := net.Pipe()
			c, err := transport.NewConn(near, transport.Options{Framing: transport.Intermediate})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			type outcome struct {
				res gotd.ServerExchangeResult
				err error
			}
			done := make(chan outcome, 1)
			go func() {
				header := make([]byte, 4)
				if _, err := far.Read(header); err != nil {
					done <- outcome{err: err}
					return
				}
				protocol := gotdtransport.NewProtocol(func() gotdtransport.Codec { return gotdtransport.Intermediate.CodecNoHeader() })
				conn, err := protocol.Handshake(far)
				if err != nil {
					done <- outcome{err: err}
					return
				}
				res, err := gotd.NewExchanger(conn, cfg.DC).Server(gotd.PrivateKey{RSA: key}).Run(context.Background())
				_ = far.Close()
				done <- outcome{res, err}
			}()
			cfg.Keys = []*rsa.PublicKey{&key.PublicKey}
			res, err := drive(c, New(cfg))
			_ = c.Close()
			server := <-done
			if err != nil || server.err != nil {
				t.Fatalf("client: %v, server: %v", err, server.err)
			}
			if res.Key != server.res.Key.Value || res.Salt != server.res.ServerSalt || res.KeyID != server.res.Key.IntID() {
				t.Error("client and server have different keys or salts")
			}
			if d := res.TimeOffset.Abs(); d > 2*time.Second {
				t.Errorf("time offset %v", d)
			}
		})
	}
}

func drive(c *transport.Conn, m *Machine) (*Result, error) {
	e, err := m.Step(time.Now(), Start{})
	for err == nil && e.Result == nil {
		for _, w := range e.Write {
			if err := c.WriteFrame(w); err != nil {
				return nil, err
			}
		}
		frame, rerr := c.ReadFrame()
		if rerr != nil {
			return nil, rerr
		}
		e, err = m.Step(time.Now(), Frame{Data: frame})
		transport.Recycle(frame)
	}
	return e.Result, err
}

func BenchmarkExchange(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := newServer(b)
		m := New(Config{Keys: []*rsa.PublicKey{&s.key.PublicKey}, DC: 2})
		b.StartTimer()
		e, err := m.Step(testNow, Start{})
		for err == nil && e.Result == nil {
			b.StopTimer()
			answer := s.handle(e.Write[0])
			b.StartTimer()
			e, err = m.Step(testNow, answer)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFactorPQ(b *testing.B) {
	for b.Loop() {
		if _, _, ok := factorPQ(1513098571 * 1780931429); !ok {
			b.Fatal("not factored")
		}
	}
}

// FuzzStep feeds frames to a machine in every state, raw and as the object of a sound message with the right nonces.
func FuzzStep(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add([]byte{0x6c, 0xfe, 0xff, 0xff}, uint8(1))
	var states [3]Machine // a step of a real exchange costs milliseconds: each fuzzed one begins with a copy
	for step := range states {
		s := newServer(f)
		m := New(Config{Keys: []*rsa.PublicKey{&s.key.PublicKey}, DC: 2})
		e := mustStep(f, m, testNow, Start{})
		for range step {
			e = mustStep(f, m, testNow, s.handle(e.Write[0]))
		}
		states[step] = *m
		data := s.handle(e.Write[0]).Data
		f.Add(data, uint8(step))
		f.Add(data[20+4+16:], uint8(step)|0x80)
	}
	f.Fuzz(func(t *testing.T, data []byte, how uint8) {
		m := states[how&0x7f%3]
		if how&0x80 != 0 && len(data) >= 4 {
			object := append([]byte(nil), data[:4]...)
			data = serverFrame(append(append(object, m.nonce[:]...), data[4:]...)).Data
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, err := m.Step(testNow, Frame{Data: data})
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("a frame of %d bytes made it allocate %d", len(data), got)
		}
		if err == nil && e.Result == nil && len(e.Write) == 0 {
			t.Error("neither an error nor an effect")
		}
	})
}
