package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
)

// simulation is what `simulate` is asked for.
type simulation struct {
	file   string
	listen string
	dcs    []int
	users  []string
	bots   []string
	seed   uint64
	level  string
}

func newSimulate(_ *globals) *cobra.Command {
	s := &simulation{}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a local Telegram for trying and testing",
		Long: `Run a local Telegram on this machine: several DCs on real TCP, each with its own key, and
the users and bots that are asked for. The file that it writes tells clients where the DCs are;
name it as telegram.dc_file in a node's configuration. Login codes and bot tokens are printed.`,
		Example: "  orchestrator simulate --dc-file simulator.json --user +15550001:anna --user +15550002:boris:2:password --bot helper_bot",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&s.file, "dc-file", "simulator.json", "file to write the DC list and public keys to")
	cmd.Flags().StringVar(&s.listen, "listen", "127.0.0.1:0", "address of every DC; port 0 takes free ones")
	cmd.Flags().IntSliceVar(&s.dcs, "dc", []int{1, 2, 3}, "ids of the DCs")
	cmd.Flags().StringArrayVar(&s.users, "user", nil, "PHONE[:USERNAME[:HOME-DC[:PASSWORD]]], may be repeated")
	cmd.Flags().StringArrayVar(&s.bots, "bot", nil, "USERNAME[:HOME-DC], may be repeated")
	cmd.Flags().Uint64Var(&s.seed, "seed", 1, "decides everything random in the model")
	cmd.Flags().StringVar(&s.level, "log-level", "warn", "trace, debug, info, warn or error")
	return cmd
}

func (s *simulation) run(ctx context.Context, out, errOut io.Writer) error {
	var users []simulator.UserSpec
	var bots []simulator.BotSpec
	for _, text := range s.users {
		u, err := parseUser(text)
		if err != nil {
			return err
		}
		users = append(users, u)
	}
	for _, text := range s.bots {
		b, err := parseBot(text)
		if err != nil {
			return err
		}
		bots = append(bots, b)
	}
	log := newLogger(configs.Log{Level: s.level}, errOut)
	sim, err := simulator.Start(context.WithoutCancel(ctx), simulator.Config{
		DCs: s.dcs, Listen: s.listen, Seed: s.seed, Log: log.Named("simulator"),
		Model: model.Config{CodeSent: func(phone, code string) {
			fmt.Fprintf(out, "login code for %s: %s\n", phone, code)
		}},
	})
	if err != nil {
		return err
	}
	defer func() { _ = sim.Close() }() // the process ends
	if err := s.populate(sim, users, bots, out); err != nil {
		return err
	}
	if err := sim.WriteDCFile(s.file); err != nil {
		return err
	}
	for _, dc := range sim.DCs() {
		fmt.Fprintf(out, "DC %d on %s\n", dc.ID, dc.Addr)
	}
	fmt.Fprintf(out, "DC list in %s\n", s.file)
	<-ctx.Done()
	return nil
}

func (s *simulation) populate(sim *simulator.Simulator, users []simulator.UserSpec, bots []simulator.BotSpec, out io.Writer) error {
	for _, u := range users {
		user, err := sim.AddUser(u)
		if err != nil {
			return usageError{fmt.Errorf("--user: %w", err), "for example --user +15550001:anna:2"}
		}
		fmt.Fprintf(out, "user %d: %s %s, home DC %d\n", user.ID, user.Phone, user.Username, user.HomeDC)
	}
	for _, b := range bots {
		bot, err := sim.AddBot(b)
		if err != nil {
			return usageError{fmt.Errorf("--bot: %w", err), "for example --bot helper_bot:1"}
		}
		fmt.Fprintf(out, "bot %d: %s, home DC %d, token %s\n", bot.ID, bot.Username, bot.HomeDC, bot.Token)
	}
	return nil
}
