package webhooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// keyBytes is the size of new secrets; Standard Webhooks asks for 24 to 64 bytes.
const keyBytes = 32

// secretPrefix marks secrets of Standard Webhooks.
const secretPrefix = "whsec_"

// Key is a secret that posts are signed with.
type Key struct {
	Secret    []byte
	CreatedAt time.Time
	// ExpiresAt is zero for the current key.
	ExpiresAt time.Time
}

// NewKey draws a secret.
func NewKey(now time.Time) Key {
	k := Key{Secret: make([]byte, keyBytes), CreatedAt: now.UTC().Truncate(time.Millisecond)}
	if _, err := rand.Read(k.Secret); err != nil {
		panic(fmt.Sprintf("draw a secret: %v", err)) // crypto/rand never fails
	}
	return k
}

// Text is the secret as its owner is shown it, once: whsec_ and base64.
func (k Key) Text() string { return secretPrefix + base64.StdEncoding.EncodeToString(k.Secret) }

// String hides the secret, in every form that fmt and slog know.
func (k Key) String() string { return "key (redacted)" }

// GoString hides the secret.
func (k Key) GoString() string { return k.String() }

// Format hides the secret.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue hides the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Live leaves out keys that have expired.
func Live(keys []Key, now time.Time) []Key {
	var live []Key
	for _, k := range keys {
		if k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt) {
			live = append(live, k)
		}
	}
	return live
}

// Sign is the header webhook-signature: one v1 signature a key, divided by spaces. Each is the
// HMAC-SHA256 of "<id>.<unix seconds>.<body>".
func Sign(keys []Key, id string, at time.Time, body []byte) string {
	signatures := make([]string, 0, len(keys))
	for _, k := range keys {
		mac := hmac.New(sha256.New, k.Secret)
		_, _ = io.WriteString(mac, id+"."+strconv.FormatInt(at.Unix(), 10)+".") // a hash takes all
		_, _ = mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}
