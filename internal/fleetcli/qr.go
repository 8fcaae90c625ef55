package fleetcli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/qrterm"
)

// scan shows QR codes until one was scanned. A terminal shows each in the place of the former one;
// with -o json or yaml each is a line of JSON with what the code says.
func (l *login) scan(ctx context.Context, a *client.Account) (client.LoginStep, error) {
	shown := 0 // lines on the terminal
	return a.QRLogin(ctx, func(code client.QRCode) error {
		if l.g.Format() != "table" {
			line, err := json.Marshal(map[string]string{"url": code.URL, "expire_time": code.Expires.UTC().Format(time.RFC3339)})
			if err == nil {
				_, err = fmt.Fprintf(l.errOut, "%s\n", line)
			}
			return err
		}
		screen, ok := l.errOut.(*os.File)
		colour := ok && term.IsTerminal(int(screen.Fd())) && os.Getenv("NO_COLOR") == ""
		style := qrterm.Plain
		if colour {
			style = qrterm.Colour
		}
		picture, err := qrterm.Draw(code.URL, style)
		if err != nil {
			return err
		}
		text := picture + "Scan it in Telegram: Settings, Devices, Link Desktop Device. Valid until " + code.Expires.Local().Format(time.TimeOnly) + ".\n"
		if shown > 0 && colour {
			fmt.Fprintf(l.errOut, "\x1b[%dA\x1b[J", shown)
		}
		shown = strings.Count(text, "\n")
		_, err = fmt.Fprint(l.errOut, text)
		return err
	})
}
