package methodtest

import (
	"slices"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator/model"
)

// TestBatchIsDoneOnceByEachAccount: by label, one of them cannot; given again, nothing is sent twice.
func TestBatchIsDoneOnceByEachAccount(t *testing.T) {
	t.Parallel()
	target := account(t)
	var senders []*person
	for range 5 {
		senders = append(senders, account(t))
	}
	senders = append(senders, here.signedOut(t))
	for _, s := range senders {
		must(s.Update(deadline(t), func(a *v1.Account) error {
			a.Labels = map[string]string{"batch": target.Username}
			return nil
		}))(t)
	}
	run := func() (done, repeated, failed int) {
		t.Helper()
		total := 0
		o := client.BatchOptions{RequestID: "batch-1", Selector: "batch=" + target.Username, Concurrency: 2, Started: func(n int) { total = n }}
		for r, err := range api.Batch(deadline(t), client.SendCommand(target.Ref(), client.Markdown("*hello*")), o) {
			switch {
			case err != nil:
				t.Fatal(err)
			case r.Err != nil:
				failed++
			case r.Repeated:
				repeated++
			default:
				done++
			}
			if reply, ok := r.Reply.(*v1.SendMessageReply); r.Err == nil && (!ok || reply.GetMessage().GetId() == 0) {
				t.Errorf("%s: %v", r.Account, r.Reply)
			}
		}
		if total != len(senders) {
			t.Errorf("%d accounts were chosen, want %d", total, len(senders))
		}
		return done, repeated, failed
	}
	if done, repeated, failed := run(); done != 5 || repeated != 0 || failed != 1 {
		t.Errorf("%d done, %d repeated, %d failed", done, repeated, failed)
	}
	if done, repeated, failed := run(); done != 0 || repeated != 5 || failed != 1 {
		t.Errorf("once more: %d done, %d repeated, %d failed", done, repeated, failed)
	}
	for _, s := range senders[:5] {
		if kept := texts(posts(target.UserID, model.UserPeer(s.UserID))); len(kept) != 1 || kept[0] != "hello" {
			t.Errorf("of %s the simulator has %q", s.ID(), kept)
		}
	}
	out, err := cli(t, "batch", "send", target.Ref(), "by hand", "--account", senders[0].ID(), "--account", senders[1].ID())
	if err != nil || !contains(out, "2/2", senders[0].ID()+": done") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := cli(t, "batch", "send", target.Ref(), "to all", "--all"); err == nil {
		t.Errorf("--all without --yes: %s", out)
	}
	for o, reason := range map[*client.BatchOptions]client.Reason{
		{}: "FIELD_INVALID", {All: true, Selector: "a=b"}: "FIELD_INVALID", {Selector: "=="}: "FIELD_INVALID", {All: true, Concurrency: 999}: "FIELD_INVALID",
	} {
		for _, err := range api.Batch(deadline(t), client.SendCommand(target.Ref(), client.Text("no")), *o) {
			refused(t, err, reason)
		}
	}
}

// TestBatchCallsAnyMethod: of the schema, as each account, with what Telegram answers each of them; by the
// SDK and by the command line.
func TestBatchCallsAnyMethod(t *testing.T) {
	t.Parallel()
	people := []*person{account(t), account(t), account(t)}
	var ids []string
	for _, p := range people {
		ids = append(ids, p.ID())
	}
	byHand := func(args ...string) (string, error) {
		t.Helper()
		return cli(t, append(append([]string{"batch", "call"}, args...), "--account", ids[0], "--account", ids[1], "--account", ids[2])...)
	}
	made := func(p *person) (titles []string) {
		inside(func(w *model.World) {
			for _, ch := range w.Channels {
				if ch.Creator == p.UserID {
					titles = append(titles, ch.Title)
				}
			}
		})
		slices.Sort(titles)
		return titles
	}
	o := client.BatchOptions{RequestID: "call-1", Accounts: ids}
	for _, again := range []bool{false, true} {
		for r, err := range api.Batch(deadline(t), client.InvokeCommand([]byte(`{"_":"channels.createChannel","title":"One each","about":""}`)), o) {
			if err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
			if answer := r.Reply.(*v1.InvokeReply).GetJson(); r.Repeated != again || !contains(answer, `"_":"updates"`, `"title":"One each"`, `"creator":true`) {
				t.Errorf("again %v: %s got %s", again, r.Account, answer)
			}
		}
	}
	out, err := byHand("channels.createChannel", `{"title":"By hand","about":""}`, "--request-id", "call-2")
	if err != nil || !contains(out, "3/3", ids[0]+": done", ids[1]+": done", ids[2]+": done") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := byHand("channels.createChannel", `{"title":"By hand","about":""}`, "--request-id", "call-2"); err != nil || !contains(out, ids[2]+": was done before") {
		t.Errorf("%v: %s", err, out)
	}
	// What the schema does not take is said of each account, by its name, and nothing is done.
	for args, want := range map[[2]string][]string{
		{"channels.createChannel", `{"title":"x","about":"","abuot":""}`}: {"abuot"},
		{"channels.createChannel", `{"title":5,"about":""}`}:              {"title"},
		{"channels.createChannel", `{"title":"x"}`}:                       {"about"},
		{"channels.createChanel", `{"title":"x","about":""}`}:             {"channels.createChanel"},
		{"channels.createChannel", `{"title":`}:                           {"JSON"},
		{"channels.createChannel", `{"_":"help.getNil"}`}:                 {"_"},
	} {
		if out, err := byHand(args[0], args[1]); err == nil || !contains(out+err.Error(), want...) {
			t.Errorf("%s: %v: %s", args, err, out)
		}
	}
	for _, p := range people {
		if got := made(p); !slices.Equal(got, []string{"By hand", "One each"}) {
			t.Errorf("%s has made %q", p.ID(), got)
		}
	}
}
