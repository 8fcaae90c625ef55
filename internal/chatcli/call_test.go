package chatcli

import "testing"

func TestMethodIsPutIntoTheCall(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: `{"_":"help.getConfig"}`, `{"_":"help.getConfig","a":1}`: `{"_":"help.getConfig","a":1}`,
	} {
		if got, err := withMethod("help.getConfig", body); err != nil || got != want {
			t.Errorf("%s: got %s, %v", body, got, err)
		}
	}
	for _, body := range []string{``, `[]`, `{"_":"help.getNearestDc"}`} {
		if got, err := withMethod("help.getConfig", body); err == nil {
			t.Errorf("%q: got %s", body, got)
		}
	}
}
