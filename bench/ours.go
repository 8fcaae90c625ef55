package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotd/td/tg"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// ours is accounts as a node runs them: all actors and policy, with sessions in memory and
// with an event log that keeps nothing, as gotd's client has none.
type ours struct {
	fleet    *actors.Fleet
	sessions *sessionstore.Memory
	keys     []storedKey
	messages atomic.Int64 // new ones, as the event log gets them
	envs     []*actors.Env
}

func newOurs(t job) (*ours, error) {
	list, err := dcs.Load(t.Server.DCFile)
	if err != nil {
		return nil, err
	}
	o := &ours{}
	if t.What != "prepare" {
		if o.keys, err = loadKeys(t.Server.Keys); err != nil {
			return nil, err
		}
	}
	if o.sessions, err = sessionstore.NewTestStore(); err != nil {
		return nil, err
	}
	o.fleet, err = actors.Start(actors.Deps{
		Sessions: o.sessions, Events: countedEvents{&o.messages, t.Channels}, Peers: peers.NewMemory(), Report: unreported,
		DCs: list, DefaultDC: 2,
		App: telegram.AppProfile{
			APIID: 1, APIHash: "bench", DeviceModel: "bench", SystemVersion: "1", AppVersion: "1", SystemLangCode: "en", LangCode: "en",
		},
		Transport: transport.Options{Framing: transport.Intermediate, Obfuscated: t.obfuscated()},
		Ping:      actors.Ping{Interval: time.Minute, Disconnect: 75 * time.Second},
		Pace:      func(context.Context, int, string) error { return nil },
		Redial:    backoff.Policy{Base: time.Second, Max: time.Minute, Factor: 2},
		FloodWait: time.Minute, Rand: rand.Reader, Now: time.Now, Log: hclog.NewNullLogger(),
	})
	return o, err
}

func unreported(context.Context, fleet.Fence, standing.Status) error { return nil }

func account(i int) fleet.AccountID { return fleet.AccountID(fmt.Sprintf("bench-%d", i)) }

func fence(i int) fleet.Fence {
	return fleet.Fence{Key: "own/" + string(account(i)), CreateRevision: 1}
}

func (o *ours) room(n int) { o.envs = make([]*actors.Env, n) }

func (o *ours) seed(ctx context.Context, n int) error {
	o.room(n)
	for i := range n {
		o.sessions.Advance(fence(i))
		rec := &sessionstore.Record{Account: account(i), HomeDC: 2, UserID: o.keys[i].UserID, Bot: true, Keys: map[int]sessionstore.DCKey{
			2: {Key: sessionstore.AuthKey(o.keys[i].Key), Salts: []sessionstore.Salt{{Value: o.keys[i].Salt}}},
		}}
		if err := o.sessions.Save(ctx, fence(i), rec); err != nil {
			return err
		}
	}
	return nil
}

func (o *ours) connect(ctx context.Context, from, to int) error {
	var group errgroup.Group
	group.SetLimit(64)
	for i := from; i < to; i++ {
		o.sessions.Advance(fence(i))
		o.fleet.Owned(actors.Grant{
			Account: account(i), Fence: fence(i), Check: may, Renewed: renewed,
		})
	}
	for i := from; i < to; i++ {
		group.Go(func() error {
			env, ok := o.fleet.Running(ctx, account(i))
			if !ok {
				return errors.New("account is not running")
			}
			o.envs[i] = env
			var dc tg.NearestDC
			return env.Invoke(ctx, &tg.HelpGetNearestDCRequest{}, &dc)
		})
	}
	return group.Wait()
}

func may() error                    { return nil }
func renewed(context.Context) error { return nil }

func (o *ours) call(ctx context.Context, i int) error {
	var dc tg.NearestDC
	return o.envs[i].Invoke(ctx, &tg.HelpGetNearestDCRequest{}, &dc)
}

// prepare logs every bot in once and stores the sessions for both clients.
func (o *ours) prepare(ctx context.Context, t job) error {
	o.room(t.N)
	if err := o.connect(ctx, 0, t.N); err != nil {
		return err
	}
	var mu sync.Mutex
	keys := make([]storedKey, t.N)
	var group errgroup.Group
	group.SetLimit(16)
	for i := range t.N {
		group.Go(func() error {
			me, err := telegram.BotSignIn(ctx, o.envs[i], t.Server.Tokens[i])
			if err != nil {
				return err
			}
			rec, err := o.sessions.Load(ctx, account(i))
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			k := rec.Keys[2]
			keys[i] = storedKey{Key: k.Key[:], UserID: me.ID}
			if len(k.Salts) > 0 {
				keys[i].Salt = k.Salts[0].Value
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	return os.WriteFile(t.Server.Keys, b, 0o600)
}

func (o *ours) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = o.fleet.Shutdown(ctx) // the process ends
}
