package archtest

import (
	"strings"
	"testing"
)

// wall forbids imports from one room: every import that matches deny and not allow is an error.
type wall struct {
	room  string   // the importing room and everything below it
	tests bool     // whether the rule binds its tests too
	deny  []string // import path prefixes; "ours:" marks a room of this module
	allow []string // exceptions to deny
	why   string
	but   []string // rooms below it that have a wall of their own
}

var walls = []wall{
	{"fleet", false, []string{"ours:", "github.com/", "go.", "golang.org/"}, nil, "fleet is vocabulary: values, standard library only", nil},
	{"mtproto", false, []string{"ours:"}, []string{"ours:mtproto", "ours:fleet"}, "the protocol core stands alone", nil},
	{"mtproto", false, []string{"github.com/gotd/td/tg", "github.com/gotd/td/telegram", "github.com/gotd/td/mtproto"}, nil, "the protocol core is free of the schema, so that its tests stay fast", nil},
	{"updates", false, []string{"ours:", "github.com/gotd"}, []string{"ours:fleet"}, "updates is pure and never imports gotd", nil},
	{"client", false, []string{"github.com/gotd", "ours:"}, []string{"ours:api", "ours:fleet", "ours:client"}, "the SDK is free of gotd", []string{"client/tgraw"}},
	{"client/tgraw", false, []string{"ours:"}, []string{"ours:client"}, "it is gotd's types over the SDK", nil},
	{"cluster", false, []string{"ours:sessionstore", "ours:eventlog", "ours:actors", "ours:mtproto"}, nil, "stores and cluster do not know each other", nil},
	{"sessionstore", false, []string{"ours:cluster", "ours:eventlog", "ours:actors", "ours:mtproto"}, nil, "stores and cluster do not know each other", nil},
	{"eventlog", false, []string{"ours:cluster", "ours:sessionstore", "ours:actors", "ours:mtproto"}, nil, "stores and cluster do not know each other", nil},
	{"control", false, []string{"ours:actors", "ours:cluster", "ours:eventlog", "ours:simulator"}, nil, "control declares what it needs; internal/node joins", nil},
	{"control/webhooks", false, []string{"ours:"}, []string{"ours:api", "ours:fleet", "ours:internal/backoff", "ours:control/webhooks"}, "posting knows neither the log nor the API: its source and its rules are given to it", nil},
	{"control/consuming", false, []string{"ours:"}, []string{"ours:api", "ours:fleet", "ours:control/convert", "ours:control/methods", "ours:control/consuming"}, "methods convert and check; others do", nil},
	{"control/convert", false, []string{"ours:"}, []string{"ours:api", "ours:fleet", "ours:telegram", "ours:updates", "ours:control/convert"}, "conversions know values only", nil},
	{"internal/chatcli", false, []string{"ours:"}, []string{"ours:api", "ours:fleet", "ours:client", "ours:internal", "ours:telegram/rawjson"}, "commands call the API as anybody else", nil},
	{"internal/eventcli", false, []string{"ours:"}, []string{"ours:api", "ours:fleet", "ours:client", "ours:internal"}, "commands call the API as anybody else", nil},
	{"telegram", false, []string{"ours:api", "ours:actors", "ours:control", "ours:cluster", "ours:eventlog"}, nil, "telegram is methods over Env", nil},
	{"simulator", false, []string{"ours:mtproto", "ours:updates", "ours:telegram", "ours:actors"}, nil, "client and judge must not share a misreading", nil},
	{"api", false, []string{"ours:"}, []string{"ours:api"}, "the contract stands alone", nil},
}

// only says which rooms alone may import a library.
var only = []struct {
	lib   string
	rooms []string
}{
	{"github.com/asynkron/protoactor-go", []string{"actors", "internal/actortest"}},
	{"go.etcd.io/etcd", []string{"cluster/etcd", "cluster/embedded", "sessionstore/etcd", "control/etcd"}},
	{"github.com/nats-io", []string{"eventlog", "sessionstore/peers", "control/requests"}},
	{"github.com/prometheus", []string{"internal/metrics"}},
	{"github.com/gotd/td/telegram", []string{"telegram", "sessionstore/formats", "bench"}},
}

func TestImportsPointTheRightWay(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, w := range walls {
			if !under(f.dir, w.room) || inAny(f.dir, w.but) || f.test && !w.tests {
				continue
			}
			for _, imp := range f.imports {
				if matches(imp, w.deny) && !matches(imp, w.allow) {
					t.Errorf("%s imports %s: %s", f.path, imp, w.why)
				}
			}
		}
	}
}

func TestLibrariesStayInTheirRooms(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.test {
			continue
		}
		for _, rule := range only {
			for _, imp := range f.imports {
				if (imp == rule.lib || strings.HasPrefix(imp, rule.lib+"/")) && !inAny(f.dir, rule.rooms) {
					t.Errorf("%s imports %s, which belongs to %v alone", f.path, imp, rule.rooms)
				}
			}
		}
	}
}

// joined says who may know the rooms that join others: node joins all, dispatch the log, ownership and
// the API.
var joined = map[string][]string{
	"internal/node":     {"cmd", "internal/node", "internal/methodtest", "internal/stage"},
	"internal/dispatch": {"internal/node", "internal/dispatch"},
}

// TestOnlyTheNodeJoins: nothing knows the rooms that join others but the next one outwards.
func TestOnlyTheNodeJoins(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, imp := range f.imports {
			room, ok := ours(imp)
			if who := joined[room]; ok && who != nil && !inAny(f.dir, who) {
				t.Errorf("%s imports %s, which only %v may", f.path, imp, who)
			}
		}
	}
}

func TestNothingImportsTheCommand(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, imp := range f.imports {
			if room, ok := ours(imp); ok && under(room, "cmd") && !under(f.dir, "cmd") {
				t.Errorf("%s imports %s: cmd only wires", f.path, imp)
			}
		}
	}
}

// TestSimulatorSharesNoCodeWithTheClient binds its tests too, except that a test may hold
// our client against it from another room.
func TestSimulatorSharesNoCodeWithTheClient(t *testing.T) {
	files, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !under(f.dir, "simulator") {
			continue
		}
		for _, imp := range f.imports {
			if room, ok := ours(imp); ok && inAny(room, []string{"mtproto", "updates", "telegram", "actors"}) {
				t.Errorf("%s imports %s: client and judge must not share a misreading", f.path, imp)
			}
		}
	}
}

func matches(imp string, prefixes []string) bool {
	for _, p := range prefixes {
		if room, ok := strings.CutPrefix(p, "ours:"); ok {
			got, is := ours(imp)
			if is && (room == "" || under(got, room)) {
				return true
			}
			continue
		}
		if strings.HasPrefix(imp, p) {
			return true
		}
	}
	return false
}

func inAny(dir string, rooms []string) bool {
	for _, r := range rooms {
		if under(dir, r) {
			return true
		}
	}
	return false
}
