package embedded

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start1(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectoryHasOneServer(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	s := start1(t, cfg)
	if s.Addr() != "" {
		t.Errorf("listens on %s", s.Addr())
	}
	if _, err := Start(t.Context(), cfg); !errors.Is(err, ErrInUse) {
		t.Errorf("second server: %v", err)
	}
	s.Shutdown()
	start1(t, cfg).Shutdown()
}

func TestStreamsOutliveTheServer(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	for i := range 2 {
		s := start1(t, cfg)
		nc, err := s.Connect()
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		if ack, err := js.Publish(t.Context(), "s", nil); err != nil || ack.Sequence != uint64(i+1) {
			t.Fatalf("%v, %v", ack, err)
		}
		nc.Close()
		s.Shutdown()
	}
}

func TestBadListenAddressIsNamed(t *testing.T) {
	for _, listen := range []string{"nonsense", "127.0.0.1:x"} {
		_, err := Start(t.Context(), Config{Dir: t.TempDir(), Listen: listen})
		if err == nil || !strings.Contains(err.Error(), "listen:") {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestOccupiedPortIsAnError(t *testing.T) {
	s := start1(t, Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	defer s.Shutdown()
	if _, err := Start(t.Context(), Config{Dir: t.TempDir(), Listen: s.Addr()}); err == nil {
		t.Error("started on an occupied port")
	}
}
