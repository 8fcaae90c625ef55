package contract

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestGeneratedCodeIsFresh fails when a .proto file or a generated file was changed without
// running `make generate`.
func TestGeneratedCodeIsFresh(t *testing.T) {
	root := os.DirFS("../..")
	got, err := Fingerprint(root)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../orchestrator/v1/fingerprint.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.TrimSpace(string(want)) {
		t.Fatalf("the contract changed since its code was generated: run `make generate`\n got %s\nwant %s", got, want)
	}
}

func TestGeneratedFingerprintSeesEveryChange(t *testing.T) {
	files := func(proto, code string) fstest.MapFS {
		return fstest.MapFS{"v1/a.proto": {Data: []byte(proto)}, "v1/a.pb.go": {Data: []byte(code)}, "v1/readme.md": {Data: []byte("x")}}
	}
	seen := map[string]string{}
	for _, c := range [][2]string{{"a", "b"}, {"a", "c"}, {"ab", ""}, {"", "ab"}} {
		sum, err := Fingerprint(files(c[0], c[1]))
		if err != nil {
			t.Fatal(err)
		}
		if former, ok := seen[sum]; ok {
			t.Fatalf("%q and %q have one fingerprint", former, c)
		}
		seen[sum] = c[0] + "|" + c[1]
	}
}
