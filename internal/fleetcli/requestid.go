package fleetcli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/client"
)

const requestIDFlag = "request-id"

// TakesRequestID adds --request-id to a command line that gives one command to the API.
func TakesRequestID(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().String(requestIDFlag, "", "name the command: given again within a day with the same name, it is done once and has one outcome")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		id, err := cmd.Flags().GetString(requestIDFlag)
		switch {
		case err != nil:
			return err
		case id != "":
			cmd.SetContext(client.WithRequestID(cmd.Context(), id))
		case cmd.Flags().Changed(requestIDFlag):
			return usageError{fmt.Errorf("--%s: is empty", requestIDFlag), "choose a name for the command, such as order-7, or leave the flag out"}
		}
		return nil
	}
	return cmd
}

// TakeRequestIDs adds --request-id to the commands below cmd, those of the names given excepted.
func TakeRequestIDs(cmd *cobra.Command, except ...string) *cobra.Command {
	for _, below := range cmd.Commands() {
		if !slices.Contains(except, below.Name()) {
			TakesRequestID(below)
		}
	}
	return cmd
}

// oneNamed refuses a name for several commands.
func oneNamed(cmd *cobra.Command, ids []string) error {
	if f := cmd.Flags().Lookup(requestIDFlag); f == nil || !f.Changed || len(ids) <= 1 {
		return nil
	}
	return usageError{fmt.Errorf("--%s: names one command, and %d accounts are chosen", requestIDFlag, len(ids)), "give it with one account"}
}
