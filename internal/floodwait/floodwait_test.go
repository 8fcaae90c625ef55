package floodwait

import (
	"fmt"
	"testing"
	"time"

	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/sessionstore"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func wait(method, peer string, d time.Duration) sessionstore.Wait {
	return sessionstore.Wait{Method: method, Peer: peer, Reason: "FLOOD_WAIT", Until: start.Add(d)}
}

// TestWhatTelegramAsksFor: each name that asks for a wait, at least a second and at most two weeks.
func TestWhatTelegramAsksFor(t *testing.T) {
	for message, want := range map[string]Ask{
		"FLOOD_WAIT_30":             {"FLOOD_WAIT", 30 * time.Second, false},
		"FLOOD_PREMIUM_WAIT_3":      {"FLOOD_PREMIUM_WAIT", 3 * time.Second, false},
		"SLOWMODE_WAIT_300":         {"SLOWMODE_WAIT", 300 * time.Second, true},
		"2FA_CONFIRM_WAIT_604800":   {"2FA_CONFIRM_WAIT", 7 * 24 * time.Hour, false},
		"TAKEOUT_INIT_DELAY_86400":  {"TAKEOUT_INIT_DELAY", 24 * time.Hour, false},
		"FLOOD_TEST_PHONE_WAIT_9":   {"FLOOD_TEST_PHONE_WAIT", 9 * time.Second, false},
		"FLOOD_SKIP_FAILED_WAIT":    {"FLOOD_SKIP_FAILED_WAIT", time.Second, false},
		"FLOOD_WAIT_2000000":        {"FLOOD_WAIT", Max, false},
		"FLOOD_WAIT_99999999999999": {"FLOOD_WAIT", Max, false},
	} {
		e := tgerr.New(420, message)
		if got, ok := Of(e.Code, e.Type, e.Argument); !ok || got != want {
			t.Errorf("%s asks for %+v, %t; want %+v", message, got, ok, want)
		}
	}
	for _, e := range []*tgerr.Error{
		tgerr.New(420, "FLOOD_WAIT_0"), tgerr.New(420, "FLOOD_WAIT"), tgerr.New(420, "SOMETHING_ELSE_5"), tgerr.New(400, "FLOOD_WAIT_5"),
	} {
		if got, ok := Of(e.Code, e.Type, e.Argument); ok {
			t.Errorf("%v asks for %+v", e, got)
		}
	}
}

// TestWaitsAreOfMethodAndChat: another method is free, and with slow mode another chat.
func TestWaitsAreOfMethodAndChat(t *testing.T) {
	var l List
	l.Set(wait("send", "", time.Minute))
	l.Set(wait("post", "channel:1", time.Minute))
	in := func(chat string) func() string { return func() string { return chat } }
	unasked := func() string { t.Error("the chat does not matter here"); return "" }
	for _, tc := range []struct {
		method string
		peer   func() string
		found  bool
	}{
		{"send", unasked, true}, {"read", unasked, false}, {"post", in("channel:1"), true}, {"post", in("channel:2"), false}, {"post", in(""), false},
	} {
		if _, ok := l.Find(start, tc.method, tc.peer); ok != tc.found {
			t.Errorf("%s: found %t", tc.method, ok)
		}
	}
	l.Set(wait("post", "", 2*time.Minute))
	if w, _ := l.Find(start, "post", in("channel:1")); w.Until != start.Add(2*time.Minute) {
		t.Errorf("the longer of two waits must count: %+v", w)
	}
	if _, ok := l.Find(start.Add(time.Minute), "send", unasked); ok {
		t.Error("a wait that has ended still counts")
	}
}

// TestALaterAnswerReplacesAnEarlierOne, shorter or longer: the server knows best.
func TestALaterAnswerReplacesAnEarlierOne(t *testing.T) {
	var l List
	for _, d := range []time.Duration{time.Minute, time.Hour, time.Second} {
		l.Set(wait("send", "", d))
		if w, ok := l.Find(start, "send", nil); !ok || w.Until != start.Add(d) {
			t.Errorf("after %v: %+v", d, w)
		}
	}
}

// TestListsAreBounded: the waits that end last stay.
func TestListsAreBounded(t *testing.T) {
	var l List
	for i := range 3 * limit {
		l.Set(wait(fmt.Sprint("method ", i), "", time.Duration(i+1)*time.Minute))
	}
	kept := l.Kept(start)
	if len(kept) != limit || kept[0].Method != fmt.Sprint("method ", 2*limit) {
		t.Errorf("%d waits, the first of %s", len(kept), kept[0].Method)
	}
}

// TestOnlyLongWaitsAreKept: in the order of their ends, whatever the order in which they came.
func TestOnlyLongWaitsAreKept(t *testing.T) {
	var l List
	l.Set(wait("b", "", time.Hour))
	l.Set(wait("short", "", Durable-1))
	l.Set(wait("a", "", Durable))
	kept := l.Kept(start)
	if len(kept) != 2 || kept[0].Method != "a" || kept[1].Method != "b" {
		t.Fatalf("kept %+v", kept)
	}
	var again List
	again.Load(kept)
	if w, ok := again.Last(start); !ok || w.Method != "b" {
		t.Errorf("the last to end is %+v", w)
	}
	if _, ok := again.Last(start.Add(time.Hour)); ok {
		t.Error("all have ended")
	}
}
