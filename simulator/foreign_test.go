package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gotd/td/exchange"
	"github.com/gotd/td/session"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/telegram/updates"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// patience bounds a test against a hang; nothing is judged by it.
const patience = 3 * time.Minute

func startSimulator(t *testing.T, cfg simulator.Config) (context.Context, *simulator.Simulator) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	sim, err := simulator.Start(ctx, cfg)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		cancel()
	})
	return ctx, sim
}

func addUser(t *testing.T, sim *simulator.Simulator, spec simulator.UserSpec) simulator.User {
	t.Helper()
	u, err := sim.AddUser(spec)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// foreignClient is gotd's own client, pointed at the simulator.
func foreignClient(t *testing.T, sim *simulator.Simulator, dc int, handler telegram.UpdateHandler) *telegram.Client {
	t.Helper()
	opts := telegram.Options{
		DC: dc, Resolver: dcs.Plain(dcs.PlainOptions{}), UpdateHandler: handler,
		SessionStorage: &session.StorageMemory{}, NoUpdates: handler == nil,
	}
	for _, d := range sim.DCs() {
		host, port := splitAddr(t, d.Addr)
		opts.DCList.Options = append(opts.DCList.Options, tg.DCOption{ID: d.ID, IPAddress: host, Port: port, Static: true})
		opts.PublicKeys = append(opts.PublicKeys, exchange.PublicKey{RSA: d.Key})
	}
	return telegram.NewClient(1, "hash", opts)
}

// codeOf reads the login code where the user would: in the simulator.
func codeOf(sim *simulator.Simulator, phone string) auth.CodeAuthenticator {
	return auth.CodeAuthenticatorFunc(func(context.Context, *tg.AuthSentCode) (string, error) {
		code, ok := sim.LoginCode(phone)
		if !ok {
			return "", errors.New("no code was sent")
		}
		return code, nil
	})
}

// collector gathers the texts of new messages.
type collector struct{ texts chan string }

func (c collector) Handle(_ context.Context, in tg.UpdatesClass) error {
	if u, ok := in.(*tg.Updates); ok {
		for _, one := range u.Updates {
			if n, ok := one.(*tg.UpdateNewMessage); ok {
				if m, ok := n.Message.(*tg.Message); ok && !m.Out {
					c.texts <- m.Message
				}
			}
		}
	}
	return nil
}

func (c collector) expect(ctx context.Context, want string) error {
	for {
		select {
		case got := <-c.texts:
			if got == want {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// TestForeignClientSignsInAndTalks shows the simulator to a peer that shares no code with
// it: gotd's client moves to its home DC, enters code and password, sends, receives, and
// catches up by difference.
func TestForeignClientSignsInAndTalks(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1, 2}, Seed: 7})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 2, Password: "hunter2", Hint: "bird"})
	bob := addUser(t, sim, simulator.UserSpec{Phone: "+15550002", FirstName: "Bob", Username: "bobby", HomeDC: 1})

	heard := collector{make(chan string, 100)}
	manager := updates.New(updates.Config{Handler: heard})
	client := foreignClient(t, sim, 1, manager) // DC 1 is not Ann's home
	err := client.Run(ctx, func(ctx context.Context) error {
		flow := auth.NewFlow(auth.Constant(ann.Phone, "hunter2", codeOf(sim, ann.Phone)), auth.SendCodeOptions{})
		if err := client.Auth().IfNecessary(ctx, flow); err != nil {
			return err
		}
		self, err := client.Self(ctx)
		if err != nil {
			return err
		}
		if self.ID != ann.ID || !self.Self {
			t.Errorf("self: got user %d", self.ID)
		}
		api := client.API()
		before, err := api.UpdatesGetState(ctx)
		if err != nil {
			return err
		}
		peer, err := api.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: "bobby"})
		if err != nil {
			return err
		}
		hash, _ := peer.Users[0].(*tg.User).GetAccessHash()
		if _, err := api.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{
			Peer: &tg.InputPeerUser{UserID: bob.ID, AccessHash: hash}, Message: "hello", RandomID: 1,
		}); err != nil {
			return err
		}
		runCtx, stop := context.WithCancel(ctx)
		started, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- manager.Run(runCtx, api, self.ID, updates.AuthOptions{OnStart: func(context.Context) { close(started) }})
		}()
		defer func() { stop(); <-ended }()
		select {
		case <-started:
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, text := range []string{"one", "two", "three"} {
			if _, err := sim.World().Say(bob.ID, ann.ID, text); err != nil {
				return err
			}
		}
		if err := heard.expect(ctx, "three"); err != nil {
			return err
		}
		return checkDifference(ctx, t, api, before)
	})
	if err != nil {
		t.Fatal(err)
	}
	owed := map[string]int{}
	for _, e := range sim.Ledger().Entries(0) {
		if e.UserID == ann.ID {
			owed[e.Kind]++
		}
	}
	if owed["message_new"] != 4 {
		t.Errorf("ledger: got %v, want 4 new messages owed to Ann", owed)
	}
	if n := sim.Referee().Counts().Duplicated; n != 0 {
		t.Errorf("the referee killed %d keys of a client that keeps one connection", n)
	}
}

func checkDifference(ctx context.Context, t *testing.T, api *tg.Client, from *tg.UpdatesState) error {
	diff, err := api.UpdatesGetDifference(ctx, &tg.UpdatesGetDifferenceRequest{Pts: from.Pts, Date: from.Date, Qts: from.Qts})
	if err != nil {
		return err
	}
	d, ok := diff.(*tg.UpdatesDifference)
	if !ok {
		t.Errorf("difference: got %T", diff)
		return nil
	}
	var texts []string
	for _, m := range d.NewMessages {
		texts = append(texts, m.(*tg.Message).Message)
	}
	if len(texts) != 4 || texts[0] != "hello" || texts[3] != "three" {
		t.Errorf("difference: got messages %q", texts)
	}
	return nil
}

func TestForeignClientSeesRefusals(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1}, Seed: 8})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Password: "right"})
	client := foreignClient(t, sim, 1, nil)
	err := client.Run(ctx, func(ctx context.Context) error {
		api := client.API()
		if _, err := api.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}}); !tgerr.Is(err, "AUTH_KEY_UNREGISTERED") {
			t.Errorf("before a login: got %v", err)
		}
		sent, err := api.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: ann.Phone, APIID: 1, APIHash: "hash"})
		if err != nil {
			return err
		}
		hash := sent.(*tg.AuthSentCode).PhoneCodeHash
		if _, err := client.Auth().SignIn(ctx, ann.Phone, "x", hash); !tgerr.Is(err, "PHONE_CODE_INVALID") {
			t.Errorf("wrong code: got %v", err)
		}
		code, _ := sim.LoginCode(ann.Phone)
		if _, err := client.Auth().SignIn(ctx, ann.Phone, code, hash); !errors.Is(err, auth.ErrPasswordAuthNeeded) {
			t.Errorf("right code: got %v", err)
		}
		if _, err := client.Auth().Password(ctx, "wrong"); !errors.Is(err, auth.ErrPasswordInvalid) {
			t.Errorf("wrong password: got %v", err)
		}
		_, err = client.Auth().Password(ctx, "right")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignManagerRecoversFromFaults has gotd's update manager put back together what the
// simulator drops, repeats and reorders.
func TestForeignManagerRecoversFromFaults(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1}, Seed: 11})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann"})
	bob := addUser(t, sim, simulator.UserSpec{Phone: "+15550002", FirstName: "Bob"})
	heard := collector{make(chan string, 1000)}
	manager := updates.New(updates.Config{Handler: heard})
	client := foreignClient(t, sim, 1, manager)
	err := client.Run(ctx, func(ctx context.Context) error {
		flow := auth.NewFlow(auth.Constant(ann.Phone, "", codeOf(sim, ann.Phone)), auth.SendCodeOptions{})
		if err := client.Auth().IfNecessary(ctx, flow); err != nil {
			return err
		}
		runCtx, stop := context.WithCancel(ctx)
		started, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- manager.Run(runCtx, client.API(), ann.ID, updates.AuthOptions{OnStart: func(context.Context) { close(started) }})
		}()
		defer func() { stop(); <-ended }()
		select {
		case <-started:
		case <-ctx.Done():
			return ctx.Err()
		}
		sim.Faults().SetPush(mtserver.PushFaults{Drop: 0.3, Reorder: 0.2, Repeat: 0.2})
		missing := map[string]bool{}
		say := func(text string) error { _, err := sim.World().Say(bob.ID, ann.ID, text); return err }
		for i := range 40 {
			text := fmt.Sprint("message ", i)
			missing[text] = true
			if err := say(text); err != nil {
				return err
			}
		}
		nudge := time.NewTicker(time.Second) // the last one may be dropped too: a later one shows the gap
		defer nudge.Stop()
		for len(missing) > 0 {
			select {
			case text := <-heard.texts:
				delete(missing, text)
			case <-nudge.C:
				if err := say("nudge"); err != nil {
					return err
				}
			case <-ctx.Done():
				return fmt.Errorf("missing %v: %w", missing, ctx.Err())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := sim.Faults().Counters(); c.Dropped == 0 || c.Reordered == 0 || c.Repeated == 0 {
		t.Errorf("faults did not happen: %+v", c)
	}
}

func TestRefusedMethodFailsAsOftenAsAsked(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1}, Seed: 12})
	if err := sim.Refuse("messages.noSuchMethod", 420, "FLOOD_WAIT_1", 1); err == nil {
		t.Error("an unknown method was accepted")
	}
	client := foreignClient(t, sim, 1, nil)
	err := client.Run(ctx, func(ctx context.Context) error {
		if err := sim.Refuse("help.getNearestDc", 420, "FLOOD_WAIT_7", 1); err != nil {
			return err
		}
		_, err := client.API().HelpGetNearestDC(ctx)
		if d, ok := tgerr.AsFloodWait(err); !ok || d != 7*time.Second {
			t.Errorf("got %v", err)
		}
		_, err = client.API().HelpGetNearestDC(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestForeignBotSignsIn(t *testing.T) {
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1, 2}, Seed: 9})
	bot, err := sim.AddBot(simulator.BotSpec{Name: "Helper", Username: "helper_bot", HomeDC: 2})
	if err != nil {
		t.Fatal(err)
	}
	client := foreignClient(t, sim, 1, nil)
	err = client.Run(ctx, func(ctx context.Context) error {
		if _, err := client.Auth().Bot(ctx, bot.Token); err != nil {
			return err
		}
		if _, err := client.API().MessagesGetDialogs(ctx, &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}}); !tgerr.Is(err, "BOT_METHOD_INVALID") {
			t.Errorf("dialogs for a bot: got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
