package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/webhooks"
	"github.com/telefleet/orchestrator/simulator"
)

// hookPost is what a webhook's receiver got.
type hookPost struct {
	header http.Header
	body   []byte
	Type   string `json:"type"`
	Data   struct {
		Account    string `json:"account"`
		MessageNew struct {
			Text string `json:"text"`
		} `json:"message_new"`
	} `json:"data"`
}

func (p hookPost) signed(t *testing.T, secret string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatalf("secret %q: %v", secret, err)
	}
	seconds, err := strconv.ParseInt(p.header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want := webhooks.Sign([]webhooks.Key{{Secret: key}}, p.header.Get("webhook-id"), time.Unix(seconds, 0), p.body)
	return slices.Contains(strings.Split(p.header.Get("webhook-signature"), " "), want)
}

// receiver posts what arrives into a channel.
func receiver(t *testing.T) (string, <-chan hookPost) {
	t.Helper()
	got := make(chan hookPost, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		p := hookPost{header: r.Header.Clone(), body: body}
		if err == nil && json.Unmarshal(body, &p) == nil {
			got <- p
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

// TestConsumersAndWebhooksFromTheCommandLine: a node of its own process, killed in between.
func TestConsumersAndWebhooksFromTheCommandLine(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	n := newNode(t, dcFile, "webhooks: {allow_http: true, allow_networks: [127.0.0.0/8]}")
	s := n.serve()
	s.signIn(sim, "anna", "+15550001", "")
	address, got := receiver(t)

	match(t, s.cli("consumer", "add", "crm", "--account", "anna", "--type", "message_*", "--max-deliver", "9").ok(), `(?m)^CONSUMER +SELECTS +NODE +CURSOR +LAG +BEHIND$`, `(?m)^crm +anna; message_\* `)
	s.cli("consumer", "add", "crm").fails(exitFailed, "crm exists already")
	match(t, s.cli("consumer", "get", "crm").ok(), `(?m)^crm +anna; message_\* `)
	s.cli("consumer", "add", "No").fails(exitUsage, "name: must be")
	secret := strings.Fields(s.cli("webhook", "add", "audit", "--url", address, "--type", "message_new").ok())
	key := secret[len(secret)-1]
	s.cli("webhook", "add", "other", "--url", "http://10.0.0.1/").fails(exitUsage, "spec.url: the address 10.0.0.1 is not a public one", "allow_networks")
	s.cli("webhook", "add", "other").fails(exitUsage, "--url is missing")

	const messages = 3
	for i := range messages {
		s.cli("send", "anna", "me", fmt.Sprint("text ", i)).ok()
	}
	read := s.cli("consumer", "read", "crm", "--ack", "-n", strconv.Itoa(messages)).ok()
	match(t, read, `(?s)text 0.*text 1.*text 2`)
	expect := func(from, to int, key string) {
		t.Helper()
		for i := from; i < to; i++ {
			p := <-got
			if p.Type != "message_new" || p.Data.Account != "anna" || p.Data.MessageNew.Text != fmt.Sprint("text ", i) || !p.signed(t, key) {
				t.Fatalf("got %s of %s: %q, signed: %v; want text %d", p.Type, p.Data.Account, p.Data.MessageNew.Text, p.signed(t, key), i)
			}
		}
	}
	expect(0, messages, key)
	match(t, s.cli("webhook", "log", "audit").ok(), `(?m)^TIME +ACCOUNT +TYPE +CURSOR +ATTEMPT +STATUS +TOOK +ERROR +ID$`, `(?m) anna +message_new +\d+-\d+ +1 +200 `)

	// Places outlive kill -9.
	s.kill()
	s = n.serve()
	s.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	s.cli("send", "anna", "me", "text 3").ok()
	match(t, s.cli("consumer", "read", "crm", "--ack", "-n", "1").ok(), `text [0-3]`) // the last second's acknowledgements may be lost
	for p := range got {
		if p.Data.MessageNew.Text == "text 3" {
			break
		}
	}

	cursor := strings.Fields(s.cli("consumer", "replay", "crm", "--from", "begin").ok())
	if place := cursor[len(cursor)-1]; !strings.Contains(place, "-") {
		t.Errorf("replay says %v", cursor)
	}
	match(t, s.cli("consumer", "read", "crm", "--ack", "-n", strconv.Itoa(messages+1), "-o", "json").ok(), `(?s)text 0.*text 1.*text 2.*text 3`)
	s.cli("consumer", "replay", "crm", "--from", "soon").fails(exitUsage, "--from: must be begin")
	match(t, s.cli("consumer", "list", "-o", "json").ok(), `"name": "crm"`, `"max_deliver": 9`)
	match(t, s.cli("consumer", "dead-letters", "crm").ok(), `^$`)
	match(t, s.cli("consumer", "redeliver", "crm", "--account", "anna").ok(), `^0 events of crm come again`)

	s.cli("webhook", "pause", "audit").ok()
	match(t, s.cli("webhook", "list").ok(), `(?m)^audit +http://127\.0\.0\.1:\d+ +message_new +paused `)
	rotated := strings.Fields(s.cli("webhook", "rotate", "audit", "--keep", "0s").ok())
	s.cli("webhook", "replay", "audit", "--from", "1h").ok()
	s.cli("webhook", "resume", "audit").ok()
	expect(0, messages+1, rotated[len(rotated)-1])
	match(t, s.cli("webhook", "test", "audit").ok(), `(?m) - +test +- +1 +200 `)
	if p := <-got; p.Type != "test" || p.signed(t, key) {
		t.Errorf("got %s, signed with the former key: %v", p.Type, p.signed(t, key))
	}
	match(t, s.cli("webhook", "enable", "audit").ok(), `(?m)^audit .* active `)
	s.cli("webhook", "delete", "audit").ok()
	s.cli("webhook", "get", "audit").fails(exitNotFound, `"audit"`, "webhook list")
	s.cli("consumer", "delete", "crm").ok()
	s.cli("consumer", "read", "crm").fails(exitNotFound, `"crm"`, "consumer list")

	// Live, by labels.
	s.cli("events", "-l", "team=x").ok()
	match(t, s.cli("events", "-l", "!team", "--type", "message_new").ok(), `text 3`)
	s.terminate()
}
