// Package contract tells whether the generated code of the message contract is fresh.
package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

// Fingerprint is a hash over the names and contents of all files below root that generation reads
// or writes: .proto sources and generated .go files.
func Fingerprint(root fs.FS) (string, error) {
	var names []string
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && isContract(path) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("list contract files: %w", err)
	}
	sort.Strings(names)
	sum := sha256.New()
	for _, name := range names {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return "", fmt.Errorf("read contract file: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(data))
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func isContract(path string) bool {
	return strings.HasSuffix(path, ".proto") || strings.HasSuffix(path, ".pb.go") ||
		strings.HasSuffix(path, ".connect.go")
}
