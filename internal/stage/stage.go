// Package stage is a small world for examples: a local Telegram, a node, and accounts that are signed in.
//
// # Usage
//
//	s, err := stage.Open(ctx)
//	...
//	defer s.Close()
//	s.Client.Account("alice").SendMessage(ctx, "@boris", client.Text("hello"))
//
// There are the accounts alice, boris and carol, users of the same names, and helper, the bot @helper_bot.
// The supergroup @club is alice's, and the others are in it.
//
// # Concurrency
//
// A Stage may be used by any goroutine.
//
// # Errors
//
// They say what could not be started.
package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gotd/td/tg"
	"github.com/hashicorp/go-hclog"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/tgraw"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/internal/node"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// Stage is a running world.
type Stage struct {
	// Client calls the node.
	Client *client.Client

	dir  string
	sim  *simulator.Simulator
	node *node.Node
	ids  map[string]int64 // of the users, by their accounts
}

// shutdown bounds Close.
const shutdown = 30 * time.Second

// Open starts the world.
func Open(ctx context.Context) (s *Stage, err error) {
	s = &Stage{ids: map[string]int64{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "stage-"); err != nil {
		return s, fmt.Errorf("make a data directory: %w", err)
	}
	if s.sim, err = simulator.Start(context.WithoutCancel(ctx), simulator.Config{Seed: 7}); err != nil {
		return s, fmt.Errorf("start the simulator: %w", err)
	}
	if err := s.serve(ctx); err != nil {
		return s, fmt.Errorf("start the node: %w", err)
	}
	for _, name := range []string{"alice", "boris", "carol"} {
		if err := s.user(ctx, name); err != nil {
			return s, fmt.Errorf("sign %s in: %w", name, err)
		}
	}
	if err := s.bot(ctx, "helper"); err != nil {
		return s, fmt.Errorf("sign helper in: %w", err)
	}
	s.club()
	return s, nil
}

func (s *Stage) serve(ctx context.Context) error {
	cfg := configs.Default()
	cfg.ClusterID, cfg.DataDir, cfg.API.Listen = "stage", s.dir, "127.0.0.1:0"
	cfg.Telegram.APIID, cfg.Telegram.APIHash = 1, "stage"
	cfg.Events.MinFree = 1 << 20
	var list dcs.List
	for _, dc := range s.sim.DCs() {
		list.Options, list.Keys = append(list.Options, dcs.Option{ID: dc.ID, Addr: dc.Addr}), append(list.Keys, dc.Key)
	}
	var err error
	if s.node, err = node.Start(ctx, cfg, node.Options{DCs: list, Throwaway: true, Log: hclog.NewNullLogger()}); err != nil {
		return err
	}
	s.Client, err = client.New([]string{s.node.URL()})
	return err
}

// user adds a user and an account that is signed in as it.
func (s *Stage) user(ctx context.Context, name string) error {
	user, err := s.sim.AddUser(simulator.UserSpec{Phone: fmt.Sprintf("+1555%07d", len(s.ids)+1), FirstName: string(name[0]-'a'+'A') + name[1:], Username: name, HomeDC: 1})
	if err != nil {
		return err
	}
	if _, err := s.Client.CreateAccount(ctx, &v1.Account{Id: name, Labels: map[string]string{"kind": "user"}}); err != nil {
		return err
	}
	s.ids[name] = user.ID
	_, err = s.Client.Account(name).LogIn(ctx, user.Phone, client.Prompts{
		Code: func(context.Context, *client.CodeSent, error) (string, error) {
			code, _ := s.sim.LoginCode(user.Phone)
			return code, nil
		},
	})
	return err
}

// bot adds a bot and an account that is signed in as it.
func (s *Stage) bot(ctx context.Context, name string) error {
	bot, err := s.sim.AddBot(simulator.BotSpec{Name: "Helper", Username: name + "_bot", HomeDC: 1})
	if err != nil {
		return err
	}
	if _, err := s.Client.CreateAccount(ctx, &v1.Account{Id: name, Labels: map[string]string{"kind": "bot"}}); err != nil {
		return err
	}
	s.ids[name] = bot.ID
	_, err = s.Client.Account(name).BotSignIn(ctx, bot.Token)
	return err
}

// club makes the supergroup @club.
func (s *Stage) club() {
	w := s.sim.World()
	w.Do(func() {
		ch := w.NewChannel(w.Users[s.ids["alice"]], "The club", false)
		ch.Username = "club"
		w.Usernames["club"] = ch.Peer()
		for _, name := range []string{"boris", "carol", "helper"} {
			w.Enter(ch, w.Users[s.ids[name]], s.ids["alice"])
		}
	})
}

// Press has a user press the button with this data under a bot's message of their private chat, and returns
// what the user is shown.
func (s *Stage) Press(ctx context.Context, account, bot string, data string) (shown string, err error) {
	id, peer := s.last(account, bot)
	req := &tg.MessagesGetBotCallbackAnswerRequest{Peer: peer, MsgID: id}
	req.SetData([]byte(data))
	answer, err := tg.NewClient(tgraw.New(s.Client.Account(account))).MessagesGetBotCallbackAnswer(ctx, req)
	if err != nil {
		return "", err
	}
	return answer.Message, nil
}

// Invite has alice make an invite link to @club.
func (s *Stage) Invite(ctx context.Context) (link string, err error) {
	w, peer := s.sim.World(), &tg.InputPeerChannel{}
	w.Do(func() {
		club := w.Usernames["club"]
		peer.ChannelID, peer.AccessHash = club.ID, w.AccessHash(s.ids["alice"], club)
	})
	invite, err := tg.NewClient(tgraw.New(s.Client.Account("alice"))).MessagesExportChatInvite(ctx, &tg.MessagesExportChatInviteRequest{Peer: peer})
	if err != nil {
		return "", err
	}
	made, ok := invite.(*tg.ChatInviteExported)
	if !ok {
		return "", fmt.Errorf("make an invite: got %T", invite)
	}
	return made.Link, nil
}

// Ask has a user ask a bot in line and returns the titles of what is offered.
func (s *Stage) Ask(ctx context.Context, account, bot, query string) (titles []string, err error) {
	_, peer := s.last(account, bot)
	to := &tg.InputUser{UserID: peer.UserID, AccessHash: peer.AccessHash}
	found, err := tg.NewClient(tgraw.New(s.Client.Account(account))).MessagesGetInlineBotResults(ctx, &tg.MessagesGetInlineBotResultsRequest{
		Bot: to, Peer: &tg.InputPeerSelf{}, Query: query,
	})
	if err != nil {
		return nil, err
	}
	for _, r := range found.Results {
		if r, ok := r.(*tg.BotInlineResult); ok {
			titles = append(titles, r.Title)
		}
	}
	return titles, nil
}

// last is the newest message that a user has of a bot, 0 for none, and the bot as a peer.
func (s *Stage) last(account, bot string) (id int, peer *tg.InputPeerUser) {
	w := s.sim.World()
	w.Do(func() {
		user, chat := s.ids[account], model.UserPeer(s.ids[bot])
		peer = &tg.InputPeerUser{UserID: chat.ID, AccessHash: w.AccessHash(user, chat)}
		if d := w.Users[user].Dialogs[chat]; d != nil && len(d.IDs) > 0 {
			id = d.IDs[len(d.IDs)-1]
		}
	})
	return id, peer
}

// Close ends the world.
func (s *Stage) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdown)
	defer cancel()
	var err error
	if s.Client != nil {
		s.Client.Close()
	}
	if s.node != nil {
		err = s.node.Shutdown(ctx)
	}
	if s.sim != nil {
		err = errors.Join(err, s.sim.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
