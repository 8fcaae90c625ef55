package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// The example that Standard Webhooks' own libraries are tested with: TestWebhookSign in
// libraries/go/webhook_test.go of github.com/standard-webhooks/standard-webhooks.
func TestSignatureIsTheOneOfStandardWebhooks(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	key := Key{Secret: secret}
	got := Sign([]Key{key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEachKeySigns(t *testing.T) {
	now := time.Now()
	keys := []Key{NewKey(now), NewKey(now), NewKey(now)}
	keys[1].ExpiresAt, keys[2].ExpiresAt = now.Add(time.Hour), now.Add(-time.Second)
	signatures := strings.Split(Sign(Live(keys, now), "id", now, []byte("body")), " ")
	if len(signatures) != 2 {
		t.Fatalf("got %v", signatures)
	}
	for i, s := range signatures {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(keys[i].Text(), "whsec_"))
		if err != nil || len(secret) < 24 || len(secret) > 64 {
			t.Fatalf("secret of %d bytes, %v", len(secret), err)
		}
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "id.%d.body", now.Unix())
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); s != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	k := NewKey(time.Now())
	text := k.Text()[len("whsec_"):]
	for _, s := range []string{
		fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %x %q", k, k, k, k, k, k), fmt.Sprint([]Key{k}), slog.AnyValue(k).Resolve().String(),
	} {
		if strings.Contains(s, text) || strings.Contains(s, fmt.Sprintf("%x", k.Secret)) || strings.Contains(s, fmt.Sprint(k.Secret)) {
			t.Errorf("the secret is in %q", s)
		}
	}
}
