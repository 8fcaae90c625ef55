package fleetcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

// importing is what `session import` was asked for.
type importing struct {
	account, format, passcodeFile string
	passcode                      string
	number                        int
	labels                        map[string]string
	paused, dryRun                bool
}

// imported is one line of the report.
type imported struct {
	Source  string   `json:"source"`
	Account string   `json:"account,omitempty"`
	Format  string   `json:"format,omitempty"`
	UserID  int64    `json:"user_id,omitempty"`
	Bot     bool     `json:"bot,omitempty"`
	Test    bool     `json:"test,omitempty"`
	HomeDC  int32    `json:"home_dc,omitempty"`
	KeyID   string   `json:"key_id,omitempty"`
	Peers   int32    `json:"peers,omitempty"`
	Outcome string   `json:"outcome"`
	Error   string   `json:"error,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// The outcomes of an import.
const (
	outcomeImported  = "imported"
	outcomeWould     = "would import"
	outcomeUnchanged = "unchanged" // an account has this session already
	outcomeFresh     = "fresh"     // nobody is signed in
	outcomeFailed    = "failed"
)

func newSessionImport(g *CLI) *cobra.Command {
	im := &importing{}
	cmd := &cobra.Command{
		Use:   "import FILE|FOLDER|-",
		Short: "Make accounts of sessions, also those of other clients",
		Long: `Make accounts of sessions: of one, or of many, one a line, as they are or as JSON objects
  {"session": "...", "account": "support-1", "format": "telethon", "labels": {"team": "support"}}
or of a folder: a tdata folder, or one with a file or tdata folder for each session.

An account that does not exist is added. Without a name it is called session-<key id>. A session
that an account has already is left alone, so an import can be repeated. An account that is signed
in by another session is not touched. Stop the other client first: Telegram ends a session that
two clients use at a time (406 AUTH_KEY_DUPLICATED).` + "\n" + formatHelp,
		Example: `  orchestrator session import support-1.session --account support-1
  orchestrator session import - --format pyrogram --account bot-7 < string
  orchestrator session import sessions.jsonl --dry-run -o json
  orchestrator session import ~/tdata --account desk --passcode-file passcode`,
		Args: g.Args("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return im.run(cmd, g, args[0]) },
	}
	cmd.Flags().StringVar(&im.account, "account", "", "account that a single session becomes")
	cmd.Flags().StringVar(&im.format, "format", client.Auto, "format of the sessions")
	cmd.Flags().IntVar(&im.number, "number", 0, "which account of a tdata folder, from 1 (default: all)")
	cmd.Flags().StringVar(&im.passcodeFile, "passcode-file", "", "file with the local passcode of a tdata folder")
	cmd.Flags().StringToStringVarP(&im.labels, "label", "l", nil, "label key=value of accounts that are added, may be repeated")
	cmd.Flags().BoolVar(&im.paused, "paused", false, "leave accounts that are added paused: they do not connect")
	cmd.Flags().BoolVar(&im.dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

func (im *importing) run(cmd *cobra.Command, g *CLI, path string) error {
	var err error
	if im.passcode, err = readPasscode(im.passcodeFile); err != nil {
		return err
	}
	if im.account != "" {
		if err := fleet.AccountID(im.account).Validate(); err != nil {
			return err
		}
	}
	sources, err := readSources(cmd, path)
	if err != nil {
		return err
	}
	c, err := g.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	items, err := im.inspect(cmd.Context(), c, sources)
	if err != nil {
		return err
	}
	if im.account != "" && len(items) != 1 {
		return usageError{fmt.Errorf("--account: %s holds %d sessions", path, len(items)), "leave it out, or name accounts line by line; of a tdata folder choose one with --number"}
	}
	names := make([]string, len(items))
	for i := range items {
		names[i] = items[i].Source
	}
	failed := g.each(cmd, names, func(i int, _ string) error { return im.one(cmd.Context(), c, &items[i]) })
	if len(items) == 1 && failed != nil && g.Format() == "table" {
		return failed // which says it all
	}
	return errors.Join(failed, im.report(cmd, g, items))
}

// item is one session with what was found in it.
type item struct {
	imported
	source
	err error
}

// inspect asks what is in each session. One that holds several becomes several items.
func (im *importing) inspect(ctx context.Context, c *client.Client, sources []source) ([]item, error) {
	var items []item
	keys := map[string]string{} // key id -> source
	for _, s := range sources {
		if s.session.Format == "" {
			s.session.Format = im.format
		}
		if s.session.Passcode == "" {
			s.session.Passcode = im.passcode
		}
		if im.account != "" {
			s.account = im.account
		}
		var infos []*client.SessionInfo
		err := s.err
		if err == nil {
			infos, err = c.InspectSession(ctx, s.session)
		}
		if err != nil {
			if aboutTheServer(err) {
				return nil, err
			}
			items = append(items, item{source: s, imported: imported{Source: s.name, Account: s.account}, err: err})
			continue
		}
		for n, info := range infos {
			if im.number != 0 && im.number != n+1 {
				continue
			}
			it := item{source: s, imported: imported{
				Source: s.name, Account: s.account, Format: info.GetFormat(), UserID: info.GetUserId(), Bot: info.GetBot(), Test: info.GetTest(),
				HomeDC: info.GetHomeDc(), KeyID: info.GetKeyId(), Peers: info.GetPeers(), Notes: noteTexts(info.GetNotes()),
			}}
			if len(infos) > 1 {
				it.Source, it.session.Number = fmt.Sprintf("%s#%d", s.name, n+1), n+1
				if im.number == 0 {
					it.Account = ""
				}
			}
			it.decide(info, keys)
			items = append(items, it)
		}
	}
	if len(items) == 0 {
		return nil, usageError{fmt.Errorf("--number: there is no such account in the folder (got %d)", im.number), "count from 1"}
	}
	return items, nil
}

// aboutTheServer reports whether an error is none of the session's.
func aboutTheServer(err error) bool {
	var theirs *client.Error
	var ours *fleet.Error
	return !(errors.As(err, &theirs) && theirs.Code == fleet.CodeInvalidArgument || errors.As(err, &ours))
}

// decide names the account and finds sessions that are there already, or twice.
func (it *item) decide(info *client.SessionInfo, keys map[string]string) {
	switch {
	case info.GetFresh() && it.Account == "":
		it.err = fleet.Errorf(fleet.CodeInvalidArgument, "ACCOUNT_MISSING", "a fresh session needs the name of its account").WithRemedy("give --account")
		return
	case info.GetFresh():
		return
	case it.Account == "" && info.GetUsedBy() != "":
		it.Account = info.GetUsedBy()
	case it.Account == "":
		it.Account = "session-" + info.GetKeyId()
	}
	if former, twice := keys[it.KeyID]; twice {
		it.err = fleet.Errorf(fleet.CodeAlreadyExists, "AUTH_KEY_IN_USE", "%s holds the same session", former).WithRemedy("leave one of the two out")
		return
	}
	keys[it.KeyID] = it.Source
	switch used := info.GetUsedBy(); used {
	case "":
	case it.Account:
		it.Outcome = outcomeUnchanged
	default:
		it.err = fleet.Errorf(fleet.CodeAlreadyExists, "AUTH_KEY_IN_USE", "account %s has this session already", used).
			WithRemedy("use that account, or delete it first")
	}
}

// one imports one session, or says what would be done.
func (im *importing) one(ctx context.Context, c *client.Client, it *item) error {
	switch {
	case it.err != nil:
	case it.Outcome == outcomeUnchanged:
		return nil
	case im.dryRun:
		it.Outcome = outcomeWould
		it.err = im.wouldFit(ctx, c, it)
	default:
		it.Outcome = outcomeImported
		if it.KeyID == "" {
			it.Outcome = outcomeFresh
		}
		it.err = im.store(ctx, c, it)
	}
	if it.err != nil {
		it.Outcome, it.Error = outcomeFailed, it.err.Error()
	}
	return it.err
}

// wouldFit reports whether the account could take the session.
func (im *importing) wouldFit(ctx context.Context, c *client.Client, it *item) error {
	have, err := lookUp(ctx, c, it.Account)
	if err == nil && have.GetStatus().GetUserId() != 0 {
		err = fleet.Errorf(fleet.CodeFailedPrecondition, "SESSION_EXISTS", "account %s: it has a session that is signed in", it.Account).
			WithRemedy("import into another account, or delete this one first")
	}
	return err
}

// ownerPatience is how long an account that was just added may take to get an owner.
const ownerPatience = 30 * time.Second

// store adds the account, if need be, paused until it has its session.
func (im *importing) store(ctx context.Context, c *client.Client, it *item) error {
	labels := maps.Clone(im.labels)
	if it.labels != nil {
		labels = it.labels
	}
	account := c.Account(it.Account)
	_, err := c.CreateAccount(ctx, &v1.Account{Id: it.Account, Labels: labels, Spec: &v1.AccountSpec{Paused: true}})
	added := err == nil
	if err != nil && !errors.Is(err, client.Reason("ACCOUNT_EXISTS")) {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, ownerPatience)
	defer cancel()
	info, err := account.ImportSession(ready, it.session)
	for errors.Is(err, client.Reason("ACCOUNT_NOT_RUNNING")) || errors.Is(err, client.Reason("NO_OWNER")) {
		if ready.Err() != nil {
			break
		}
		info, err = account.ImportSession(ready, it.session) // the node waits for the owner itself
	}
	if err != nil {
		if added { // nothing was there before
			if _, derr := account.Delete(ctx); derr != nil {
				err = fmt.Errorf("%w; account %s was added and cannot be deleted: %w", err, it.Account, derr)
			}
		}
		return err
	}
	it.Notes = noteTexts(info.GetNotes())
	if added && !im.paused {
		_, err = account.Resume(ctx)
	}
	return err
}

// report tells what became of each session.
func (im *importing) report(cmd *cobra.Command, g *CLI, items []item) error {
	if g.Format() != "table" {
		doc := struct {
			Sessions []imported `json:"sessions"`
		}{}
		for _, it := range items {
			doc.Sessions = append(doc.Sessions, it.imported)
		}
		b, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("encode report: %w", err)
		}
		return g.PrintJSON(cmd.OutOrStdout(), b)
	}
	t := Table{Header: []string{"SOURCE", "ACCOUNT", "FORMAT", "USER", "DC", "PEERS", "OUTCOME"}}
	for _, it := range items {
		user := dash("")
		if it.UserID != 0 {
			user = strconv.FormatInt(it.UserID, 10)
		}
		t.Rows = append(t.Rows, []string{
			it.Source, dash(it.Account), dash(it.Format), user, strconv.Itoa(int(it.HomeDC)), strconv.Itoa(int(it.Peers)), it.Outcome,
		})
		if len(items) == 1 {
			for _, n := range it.Notes {
				fmt.Fprintln(cmd.ErrOrStderr(), "note: "+n)
			}
		}
	}
	return g.Print(cmd.OutOrStdout(), nil, func() Table { return t })
}
