package accountfile

import (
	"bytes"
	"testing"
)

// FuzzRead: any file is a list of accounts with ids, or an error.
func FuzzRead(f *testing.F) {
	f.Add([]byte("id: support-1\nlabels: {team: support}\n---\nid: support-2\n"))
	f.Add([]byte("accounts:\n- id: a\n- id: a\n"))
	f.Add([]byte("id: [1]\n"))
	f.Add([]byte("a: &a\n  b: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		accounts, err := Read("file.yaml", bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, a := range accounts {
			if a.ID == "" {
				t.Fatal("an account without id")
			}
		}
	})
}
