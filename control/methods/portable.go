package methods

import (
	"context"
	"errors"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/formats"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// portable is an account whose session can come from elsewhere and go there.
type portable interface {
	// Import makes a session the account's own and returns once it is stored.
	Import(ctx context.Context, rec *sessionstore.Record, known []peers.Peer) error
	// Export returns the stored session and the peers, of an account that holds no socket unless
	// whileOnline.
	Export(ctx context.Context, whileOnline bool) (*sessionstore.Record, []peers.Peer, error)
	// Save stores session and peers now.
	Save(ctx context.Context) error
	// Network is the DCs that the account may be on.
	Network() dcs.List
}

func portableOf(env telegram.Env) (portable, error) {
	account, ok := env.(portable)
	if !ok {
		return nil, Unsupported("sessions of other clients")
	}
	return account, nil
}

func inspectSession(ctx context.Context, host *Host, req *v1.InspectSessionRequest) (*v1.InspectSessionReply, error) {
	f, err := formatOf(req.GetFormat(), formats.Auto)
	if err != nil {
		return nil, err
	}
	found, err := formats.ImportAll(f, req.GetSession(), formats.Options{Passcode: []byte(req.GetPasscode())})
	if err != nil {
		return nil, err
	}
	reply := &v1.InspectSessionReply{}
	for _, im := range found {
		info := sessionInfo(im)
		if key := im.HomeKey(); !key.Zero() && host.KeyHolder != nil {
			holder, err := host.KeyHolder(ctx, key.ID())
			if err != nil {
				return nil, err
			}
			info.UsedBy = string(holder)
		}
		reply.Sessions = append(reply.Sessions, info)
	}
	return reply, nil
}

func importSession(ctx context.Context, env telegram.Env, req *v1.ImportSessionRequest) (*v1.ImportSessionReply, error) {
	account, err := portableOf(env)
	if err != nil {
		return nil, err
	}
	f, err := formatOf(req.GetFormat(), formats.Auto)
	if err != nil {
		return nil, err
	}
	im, err := formats.Import(f, req.GetSession(), formats.Options{Passcode: []byte(req.GetPasscode()), Account: int(req.GetNumber())})
	if err != nil {
		return nil, err
	}
	if network := account.Network(); !im.Fresh() && im.Test != network.Test {
		return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "SESSION_NETWORK", "session: it belongs to %s, this node talks to %s", networkName(im.Test), networkName(network.Test)).
			WithRemedy("import it into a fleet whose telegram.network fits")
	}
	known := make([]peers.Peer, 0, len(im.Peers))
	for _, p := range im.Peers {
		known = append(known, peers.Peer{ID: p.ID, Kind: peers.Kind(p.Kind), AccessHash: p.AccessHash, Username: p.Username, Min: p.Min})
	}
	if err := account.Import(ctx, im.Record(env.Account(), time.Now()), known); err != nil {
		return nil, err
	}
	info := sessionInfo(im)
	if id := int32(env.App().APIID); im.APIID != 0 && im.APIID != id {
		info.Notes = append(info.Notes, &v1.SessionNote{Field: "api_id", Text: "the session was made for another application: it goes on with that of this node"})
	}
	return &v1.ImportSessionReply{Session: info}, nil
}

// settling is how long an export waits for an account whose pause has just been asked for.
const settling = 5 * time.Second

func exportSession(ctx context.Context, host *Host, req *v1.ExportSessionRequest) (*v1.ExportSessionReply, error) {
	f, err := formatOf(req.GetFormat(), formats.Own)
	if err != nil {
		return nil, err
	}
	id := fleet.AccountID(req.GetAccount())
	env, err := host.Env(ctx, id)
	if err != nil {
		return nil, err
	}
	account, err := portableOf(env)
	if err != nil {
		return nil, err
	}
	rec, known, err := account.Export(ctx, req.GetWhileOnline())
	for until := time.Now().Add(settling); isOnline(err) && time.Now().Before(until) && pauseWanted(ctx, host, id); {
		select {
		case <-time.After(settling / 100):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		rec, known, err = account.Export(ctx, false)
	}
	if err != nil {
		return nil, err
	}
	s := formats.FromRecord(rec)
	s.Test, s.APIID = account.Network().Test, int32(env.App().APIID)
	s.Addr = addressOf(account.Network(), rec.HomeDC)
	for _, p := range known {
		s.Peers = append(s.Peers, formats.Peer{ID: p.ID, Kind: formats.Kind(p.Kind), AccessHash: p.AccessHash, Username: p.Username, Min: p.Min})
	}
	out, err := formats.Export(f, s, formats.Options{Passcode: []byte(req.GetPasscode())})
	if err != nil {
		return nil, err
	}
	return &v1.ExportSessionReply{Session: out.Data, Format: string(out.To), Notes: notesOf(out.Notes)}, nil
}

func saveSession(ctx context.Context, env telegram.Env, _ *v1.SaveSessionRequest) (*v1.SaveSessionReply, error) {
	account, err := portableOf(env)
	if err != nil {
		return nil, err
	}
	if err := account.Save(ctx); err != nil {
		return nil, err
	}
	return &v1.SaveSessionReply{}, nil
}

func isOnline(err error) bool { return errors.Is(err, &fleet.Error{Reason: "ACCOUNT_ONLINE"}) }

// pauseWanted reports whether an account is to be paused, though its owner may not have heard yet.
func pauseWanted(ctx context.Context, host *Host, id fleet.AccountID) bool {
	a, err := host.Accounts.Get(ctx, id)
	return err == nil && a.GetSpec().GetPaused()
}

// formatOf reads a format's name; empty is the other one, which alone may be auto.
func formatOf(name string, otherwise formats.Format) (formats.Format, error) {
	if name == "" {
		return otherwise, nil
	}
	f, err := formats.Parse(name)
	if err == nil && f == formats.Auto && otherwise != formats.Auto {
		err = fleet.Errorf(fleet.CodeInvalidArgument, "SESSION_FORMAT_UNKNOWN", "format: %s cannot be written", f).WithRemedy("name the format to write")
	}
	return f, err
}

func sessionInfo(im formats.Imported) *v1.SessionInfo {
	info := &v1.SessionInfo{
		Format: string(im.From), Fresh: im.Fresh(), UserId: im.UserID, Bot: im.Bot, Test: im.Test, HomeDc: int32(im.HomeDC),
		Peers: int32(len(im.Peers)), Notes: notesOf(im.Notes),
	}
	if key := im.HomeKey(); !key.Zero() {
		info.KeyId = key.ID().String()
	}
	return info
}

func notesOf(notes []formats.Note) (out []*v1.SessionNote) {
	for _, n := range notes {
		out = append(out, &v1.SessionNote{Field: n.Field, Text: n.Text})
	}
	return out
}

// addressOf is a DC's address for clients that cannot know it: empty for Telegram's own.
func addressOf(network dcs.List, dc int) string {
	options := network.Select(dc, dcs.Want{})
	if len(options) == 0 {
		return ""
	}
	for _, list := range []dcs.List{dcs.Production(), dcs.Test()} {
		for _, own := range list.Options {
			if own.Addr == options[0].Addr {
				return ""
			}
		}
	}
	return options[0].Addr
}

func networkName(test bool) string {
	if test {
		return "Telegram's test DCs"
	}
	return "the production DCs"
}
