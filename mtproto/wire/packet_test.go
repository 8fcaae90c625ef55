package wire

import (
	"bytes"
	"errors"
	"testing"
)

// TestForgedPacketsGetOneAnswer: whatever is wrong with the envelope, the error is the one of a wrong msg_key, so that
// nobody can learn from it which check failed.
func TestForgedPacketsGetOneAnswer(t *testing.T) {
	v := readVectors(t, "mtcute.txt")
	good := v["good"]
	bend := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	answers := map[string]bool{}
	for name, frame := range map[string][]byte{
		"empty": {}, "only a header": good[:outerSize], "less than a block": good[:outerSize+15],
		"another key id": bend(0), "end of the key id": bend(7), "msg_key": bend(8), "end of msg_key": bend(23),
		"salt": bend(24), "last byte": bend(len(good) - 1), "a block cut off": good[:len(good)-16],
	} {
		key := mtcuteKey(v)
		_, err := Open(&key, bytes.Clone(frame))
		if !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		answers[err.Error()] = true
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers: %v", len(answers), answers)
	}
}
