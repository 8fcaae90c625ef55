package chatcli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/fleetcli"
)

func newCall(g *cli) *cobra.Command {
	var dc int
	cmd := &cobra.Command{
		Use:   "call ACCOUNT METHOD [JSON]",
		Short: "Call any method of the Telegram schema",
		Long: `Call any method of the Telegram schema. JSON is checked against the schema: unknown
fields, wrong types and missing fields are named; see orchestrator schema. The answer is JSON.`,
		Example: `  orchestrator call support-1 help.getNearestDc
  orchestrator call support-1 users.getUsers '{"id":[{"_":"inputUserSelf"}]}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return fleetcli.Usage(fmt.Errorf("%d arguments given, 2 or 3 wanted", len(args)), "usage: "+cmd.UseLine())
			}
			return nil
		},
		RunE: g.account(func(cmd *cobra.Command, a *client.Account, args []string) error {
			body := "{}"
			if len(args) == 2 {
				body = args[1]
			}
			request, err := withMethod(args[0], body)
			if err != nil {
				return err
			}
			answer, err := a.InvokeJSON(cmd.Context(), json.RawMessage(request), client.OnDC(dc))
			if err != nil {
				return err
			}
			return g.PrintJSON(cmd.OutOrStdout(), answer)
		}),
	}
	cmd.Flags().IntVar(&dc, "dc", 0, "DC to call at, by a connection of its own; 0 = the account's home")
	return fleetcli.TakesRequestID(cmd)
}

// withMethod puts the method's name into the JSON of its fields.
func withMethod(method, body string) (string, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		return "", fleetcli.Usage(fmt.Errorf("JSON: must be an object of the method's fields: %w", err), `for example '{"limit":10}'`)
	}
	name, err := json.Marshal(method)
	if err != nil {
		return "", err
	}
	if given, ok := fields["_"]; ok && string(given) != string(name) {
		return "", fleetcli.Usage(fmt.Errorf("JSON: its _ is %s, but METHOD is %s", given, name), "leave _ out")
	}
	fields["_"] = name
	out, err := json.Marshal(fields)
	return string(out), err
}
