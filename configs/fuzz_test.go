package configs

import (
	"errors"
	"os"
	"testing"
)

// FuzzParse: any text is a configuration or a list of problems, each with a name.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"single.yaml", "cluster.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("telegram: {api_id: 1, network: file, dc_file: x}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? [1]\n: 2\n---\nnode: {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := Parse(text)
		var p *Problems
		if err != nil && (!errors.As(err, &p) || len(p.List) == 0) {
			t.Fatalf("an error that names nothing: %v", err)
		}
	})
}
