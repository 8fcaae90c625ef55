package dispatch

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/webhooks"
)

// keyOf reads a secret as a receiver does.
func keyOf(t *testing.T, secret string) webhooks.Key {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || !strings.HasPrefix(secret, "whsec_") {
		t.Fatalf("secret %q: %v", secret, err)
	}
	return webhooks.Key{Secret: b}
}

// verified reports whether a post is signed with a key.
func verified(t *testing.T, p post, k webhooks.Key) bool {
	t.Helper()
	seconds, err := strconv.ParseInt(p.header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want := webhooks.Sign([]webhooks.Key{k}, p.header.Get("webhook-id"), time.Unix(seconds, 0), p.body)
	return slices.Contains(strings.Split(p.header.Get("webhook-signature"), " "), want)
}

// eventIDs are those of the posts, as account/id.
func eventIDs(t *testing.T, posts []post) (out []string) {
	t.Helper()
	for _, p := range posts {
		var body struct {
			Type string
			Data struct{ Account, ID, Kind string }
		}
		if err := json.Unmarshal(p.body, &body); err != nil || body.Type != body.Data.Kind {
			t.Fatalf("body %s: %v", p.body, err)
		}
		out = append(out, body.Data.Account+"/"+body.Data.ID)
	}
	return out
}

func create(t *testing.T, n *testNode, s *v1.WebhookSpec) (*v1.Webhook, webhooks.Key) {
	t.Helper()
	made, secret, err := n.api.Webhooks.Create(t.Context(), &v1.Webhook{Name: "hook", Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	return made, keyOf(t, secret)
}

func TestWebhookDeliversSignedEventsInOrder(t *testing.T) {
	r := newRig(t)
	url, in := r.receiver()
	n := r.node()
	ctx := t.Context()
	made, key := create(t, n, &v1.WebhookSpec{Url: url, Select: &v1.EventSelector{Kinds: []string{"message_new"}}})
	ids := numbered(20)
	r.append("a", "message_new", ids...)
	r.append("b", "read", "x")
	r.append("b", "message_new", ids...)
	eventually(t, "all are delivered", func() bool { return len(in.posts()) >= 40 })
	next := map[string]int{}
	for i, id := range eventIDs(t, in.posts()) {
		account, _, _ := strings.Cut(id, "/")
		if want := fmt.Sprint(account, "/", next[account]); id != want {
			t.Fatalf("%s came, want %s", id, want)
		}
		next[account]++
		if !verified(t, in.posts()[i], key) {
			t.Fatalf("post %d is not signed", i)
		}
	}
	eventually(t, "its place is saved", func() bool {
		is, err := n.api.Webhooks.Get(ctx, "hook")
		return err == nil && is.GetStatus().GetLag() == 0 && is.GetStatus().GetNode() != ""
	})
	attempts, err := n.api.Tools.Attempts(ctx, "hook", 100)
	if err != nil || len(attempts) != 40 || attempts[0].GetStatus() != 200 || attempts[0].GetError() != "" || attempts[0].GetAttempt() != 1 {
		t.Fatalf("%d attempts, %v; the latest: %v", len(attempts), err, attempts[0])
	}
	first := in.posts()[0].header.Get("webhook-id")
	if !slices.ContainsFunc(attempts, func(a *v1.DeliveryAttempt) bool {
		return a.GetWebhookId() == first && a.GetAccount() != "" && a.GetCursor() != ""
	}) {
		t.Error("the first post is not among the attempts")
	}

	// Paused, nothing is posted; afterwards all of it.
	changed := proto.CloneOf(made)
	changed.Spec.Paused = true
	if changed, err = n.api.Webhooks.Update(ctx, changed); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is paused", func() bool { o, err := n.webhooks.find("hook"); return err == nil && o.consumer == nil })
	at := r.append("a", "message_new", "20")
	cursor, err := n.api.Tools.Replay(ctx, "hook", methods.Point{Position: "begin"})
	if err != nil || cursor == at.String() {
		t.Fatalf("at %s, %v", cursor, err)
	}
	changed.Spec.Paused = false
	if _, err = n.api.Webhooks.Update(ctx, changed); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are delivered again", func() bool { return len(in.posts()) >= 81 })
	if !slices.ContainsFunc(in.posts()[40:], func(p post) bool { return p.header.Get("webhook-id") == first }) {
		t.Error("a replayed event has another webhook-id")
	}
}

func TestFailedPostIsRepeatedUntilItIsADeadLetter(t *testing.T) {
	r := newRig(t)
	url, in := r.receiver()
	n := r.node()
	in.answer(http.StatusTeapot)
	create(t, n, &v1.WebhookSpec{Url: url, MaxDeliver: 2})
	r.append("a", "message_new", "1")
	eventually(t, "it is given up", func() bool {
		dead, err := n.api.Deliveries.DeadLetters(t.Context(), "hook", true, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(dead) == 1 && dead[0].GetId() == "1"
	})
	posts := in.posts()
	if len(posts) != 2 || posts[0].header.Get("webhook-id") != posts[1].header.Get("webhook-id") {
		t.Errorf("%d posts", len(posts))
	}
	in.answer(http.StatusOK)
	r.append("a", "message_new", "2")
	eventually(t, "the next one is delivered", func() bool { return len(in.posts()) == 3 })
	if ids := eventIDs(t, in.posts()); ids[2] != "a/2" {
		t.Errorf("got %v", ids)
	}
	if put, err := n.api.Deliveries.Redeliver(t.Context(), "hook", true, "", 10); err != nil || put != 1 {
		t.Fatalf("%d dead letters were put back, %v", put, err)
	}
	eventually(t, "the dead letter is posted and gone", func() bool {
		dead, err := n.api.Deliveries.DeadLetters(t.Context(), "hook", true, 10)
		return err == nil && len(dead) == 0
	})
	if ids := eventIDs(t, in.posts()); len(ids) != 4 || ids[3] != "a/1" {
		t.Errorf("got %v", ids)
	}
}

func TestReceiverThatIsGoneDisablesTheWebhook(t *testing.T) {
	r := newRig(t)
	url, in := r.receiver()
	n := r.node()
	ctx := t.Context()
	in.answer(http.StatusGone)
	create(t, n, &v1.WebhookSpec{Url: url})
	r.append("a", "message_new", "1")
	var is *v1.Webhook
	eventually(t, "it is disabled", func() (ok bool) {
		var err error
		if is, err = n.api.Webhooks.Get(ctx, "hook"); err != nil {
			t.Fatal(err)
		}
		return is.GetDisabled() != ""
	})
	if is.GetDisabled() != "answered 410: the receiver is gone" {
		t.Errorf("got %q", is.GetDisabled())
	}
	in.answer(http.StatusOK)
	if is, err := n.api.Tools.Enable(ctx, "hook"); err != nil || is.GetDisabled() != "" {
		t.Fatalf("got %v, %v", is, err)
	}
	eventually(t, "the event is delivered", func() bool { return len(in.posts()) == 2 })
}

func TestSecretsAreSealedAndRotate(t *testing.T) {
	r := newRig(t)
	url, in := r.receiver()
	n := r.node()
	ctx := t.Context()
	made, first := create(t, n, &v1.WebhookSpec{Url: url})
	_, text, err := n.api.Tools.Rotate(ctx, "hook", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	second := keyOf(t, text)
	test := func() post {
		t.Helper()
		a, err := n.api.Tools.Test(ctx, "hook")
		if err != nil || a.GetStatus() != 200 || a.GetKind() != "test" || a.GetError() != "" {
			t.Fatalf("got %v, %v", a, err)
		}
		posts := in.posts()
		return posts[len(posts)-1]
	}
	if p := test(); !verified(t, p, first) || !verified(t, p, second) {
		t.Error("not signed with both keys")
	}
	is, text, err := n.api.Tools.Rotate(ctx, "hook", 0)
	if err != nil || len(is.GetKeys()) != 1 {
		t.Fatalf("got %v, %v", is, err)
	}
	third := keyOf(t, text)
	if p := test(); verified(t, p, first) || verified(t, p, second) || !verified(t, p, third) {
		t.Error("not signed with the new key alone")
	}
	if attempts, err := n.api.Tools.Attempts(ctx, "hook", 1); err != nil || len(attempts) != 1 || attempts[0].GetKind() != "test" {
		t.Errorf("got %v, %v", attempts, err)
	}

	all, err := r.etcd.Client().Get(ctx, "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range all.Kvs {
		for _, k := range []webhooks.Key{first, second, third} {
			if strings.Contains(string(kv.Value), string(k.Secret)) || strings.Contains(string(kv.Value), k.Text()[6:]) {
				t.Errorf("%s holds a secret in clear", kv.Key)
			}
		}
	}
	if strings.Contains(made.String()+is.String(), "whsec_") {
		t.Error("the resource shows a secret")
	}

	if err := n.api.Webhooks.Delete(ctx, "hook"); err != nil {
		t.Fatal(err)
	}
	wantReason(t, n.api.Webhooks.Delete(ctx, "hook"), "WEBHOOK_UNKNOWN")
	left, err := r.etcd.Client().Get(ctx, "secrets/dek/", clientv3.WithPrefix())
	if err != nil || len(left.Kvs) != 0 {
		t.Errorf("%d keys are left, %v", len(left.Kvs), err)
	}
}

func TestWebhookToAPrivateAddressIsRefused(t *testing.T) {
	r := newRig(t)
	url, in := r.receiver()
	lax := r.node()
	made, _ := create(t, lax, &v1.WebhookSpec{Url: strings.Replace(url, "127.0.0.1", "localhost", 1)})
	lax.stop()
	r.policy = webhooks.Policy{}
	n := r.node()
	ctx := t.Context()
	_, _, err := n.api.Webhooks.Create(ctx, &v1.Webhook{Name: "other", Spec: &v1.WebhookSpec{Url: url}})
	wantReason(t, err, "URL_REFUSED")
	changed := proto.CloneOf(made)
	changed.Spec.Url = "http://example.com"
	_, err = n.api.Webhooks.Update(ctx, changed)
	wantReason(t, err, "URL_REFUSED")

	// The name leads to loopback, which shows at the connection only.
	a, err := n.api.Tools.Test(ctx, "hook")
	if err != nil || a.GetStatus() != 0 || !strings.Contains(a.GetError(), "is not a public one") {
		t.Errorf("got %v, %v", a, err)
	}
	r.append("a", "message_new", "1")
	eventually(t, "the attempt is refused", func() bool {
		attempts, err := n.api.Tools.Attempts(ctx, "hook", 1)
		return err == nil && len(attempts) == 1 && attempts[0].GetKind() == "message_new" && strings.Contains(attempts[0].GetError(), "is not a public one")
	})
	if len(in.posts()) != 0 {
		t.Errorf("%d posts arrived", len(in.posts()))
	}
}
