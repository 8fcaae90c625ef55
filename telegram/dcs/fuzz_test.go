package dcs

import "testing"

// FuzzParse: what is accepted has at least one DC and one key, and nothing of a refused list is used.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"test":false,"dcs":[{"id":2,"addr":"127.0.0.1:443"}],"public_keys":["-----BEGIN RSA PUBLIC KEY-----\n"]}`))
	f.Add([]byte(`{"dcs":[{"id":-1,"addr":"x"}],"public_keys":[]} {}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if err == nil && (len(l.Options) == 0 || len(l.Keys) == 0) || err != nil && len(l.Options)+len(l.Keys) > 0 {
			t.Fatalf("%d addresses, %d keys, %v", len(l.Options), len(l.Keys), err)
		}
	})
}
