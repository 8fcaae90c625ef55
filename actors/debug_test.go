package actors

import (
	"os"

	"github.com/hashicorp/go-hclog"
)

func debugLog(d *Deps) {
	if os.Getenv("RIGLOG") != "" {
		d.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, TimeFormat: "05.000", Output: os.Stderr})
	}
}
