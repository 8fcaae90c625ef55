package slogbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

func newPair(level hclog.Level) (*slog.Logger, *bytes.Buffer) {
	var buf bytes.Buffer
	l := hclog.New(&hclog.LoggerOptions{Name: "t", Level: level, Output: &buf, JSONFormat: true, DisableTime: true})
	return slog.New(New(l)), &buf
}

func line(t *testing.T, buf *bytes.Buffer) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(buf.Bytes(), &m); err != nil {
		t.Fatalf("%v in %q", err, buf.String())
	}
	buf.Reset()
	return m
}

func TestLevelsAndAttributesArriveAtHclog(t *testing.T) {
	log, buf := newPair(hclog.Trace)
	log.With("a", 1).WithGroup("g").With("b", true).Warn("hello", "c", 2*time.Second,
		slog.Group("h", "d", "x"), slog.Group("", "e", 1.5), slog.Attr{})
	want := map[string]any{"@level": "warn", "@message": "hello", "@module": "t",
		"a": 1.0, "g.b": true, "g.c": "2s", "g.h.d": "x", "g.e": 1.5}
	if d := cmp.Diff(want, line(t, buf)); d != "" {
		t.Error(d)
	}
	for level, name := range map[slog.Level]string{-8: "trace", slog.LevelDebug: "debug", 0: "info", 2: "info", 4: "warn", 8: "error", 12: "error"} {
		log.Log(t.Context(), level, "m")
		if got := line(t, buf)["@level"]; got != name {
			t.Errorf("level %d: %v, want %s", level, got, name)
		}
	}
}

func TestDisabledLevelIsNotRendered(t *testing.T) {
	log, buf := newPair(hclog.Warn)
	log.Info("quiet", "v", valuer(func() slog.Value { t.Error("rendered"); return slog.Value{} }))
	if buf.Len() != 0 {
		t.Errorf("wrote %q", buf)
	}
}

type valuer func() slog.Value

func (v valuer) LogValue() slog.Value { return v() }

type secret struct{ AuthKey string }
type shown struct{}

func (shown) String() string { return "shown" }

type nilErr struct{ s string }

func (e *nilErr) Error() string { return e.s }

func TestCompositeValuesDoNotSpillTheirContent(t *testing.T) {
	log, buf := newPair(hclog.Trace)
	s := secret{AuthKey: "hunter2"}
	log.Info("m", "struct", s, "pointer", &s, "map", map[string]string{"k": "hunter2"},
		"slice", []string{"hunter2"}, "bytes", []byte("hunter2"), "func", func() {},
		"stringer", shown{}, "err", errors.New("boom"), "nilerr", (*nilErr)(nil), "nil", nil)
	if strings.Contains(buf.String(), "hunter2") {
		t.Errorf("secret in %s", buf)
	}
	m := line(t, buf)
	if m["stringer"] != "shown" || m["err"] != "boom" || m["struct"] != "<slogbridge.secret>" {
		t.Errorf("got %v", m)
	}
}

func TestLongStringsAreCutAtARune(t *testing.T) {
	log, buf := newPair(hclog.Trace)
	log.Info("m", "s", "x"+strings.Repeat("é", maxString))
	got := line(t, buf)["s"].(string)
	if len(got) > maxString+4 || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes, ends %q", len(got), got[len(got)-6:])
	}
}
