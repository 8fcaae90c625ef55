// Command fingerprint prints the hash of the message contract's sources, which the freshness test
// compares with the one written when the code was last generated.
package main

import (
	"fmt"
	"os"

	"github.com/telefleet/orchestrator/api/internal/contract"
)

func main() {
	sum, err := contract.Fingerprint(os.DirFS("api"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "fingerprint:", err)
		os.Exit(1)
	}
	fmt.Println(sum)
}
