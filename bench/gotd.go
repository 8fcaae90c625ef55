package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/session"
	"github.com/gotd/td/telegram"
	gotddcs "github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/telegram/updates"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram/dcs"
)

// gotd is the peer: its telegram.Client, with its update manager where updates are measured.
type gotd struct {
	list    dcs.List
	keys    []storedKey
	clients []*tg.Client
	stored  []session.StorageMemory
	updates bool
	// obfuscated says that connections hide in obfuscated2.
	obfuscated bool
	messages   atomic.Int64
	run        context.Context
	stop       context.CancelFunc
	wg         sync.WaitGroup
}

func newGotd(t job) (*gotd, error) {
	list, err := dcs.Load(t.Server.DCFile)
	if err != nil {
		return nil, err
	}
	keys, err := loadKeys(t.Server.Keys)
	g := &gotd{list: list, keys: keys, updates: t.What == "updates1" || t.What == "updates500", obfuscated: t.obfuscated()}
	g.run, g.stop = context.WithCancel(context.Background())
	return g, err
}

func (g *gotd) options() (telegram.Options, error) {
	o := telegram.Options{DC: 2, Resolver: gotddcs.Plain(gotddcs.PlainOptions{Obfuscated: g.obfuscated}), NoUpdates: true}
	for _, option := range g.list.Options {
		host, port, err := net.SplitHostPort(option.Addr)
		if err != nil {
			return o, err
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return o, err
		}
		o.DCList.Options = append(o.DCList.Options, tg.DCOption{ID: option.ID, IPAddress: host, Port: n})
	}
	for _, k := range g.list.Keys {
		o.PublicKeys = append(o.PublicKeys, exchange.PublicKey{RSA: k})
	}
	return o, nil
}

// room makes room for n clients without sessions.
func (g *gotd) room(n int) {
	g.clients, g.stored = make([]*tg.Client, n), make([]session.StorageMemory, n)
}

func (g *gotd) seed(ctx context.Context, n int) error {
	g.room(n)
	for i := range n {
		if err := g.store(ctx, &g.stored[i], i); err != nil {
			return err
		}
	}
	return nil
}

func (g *gotd) connect(ctx context.Context, from, to int) error {
	ready := make(chan error, 2*(to-from))
	limit := make(chan struct{}, 64)
	for i := from; i < to; i++ {
		o, err := g.options()
		if err != nil {
			return err
		}
		o.SessionStorage = &g.stored[i]
		manage := func(context.Context, updates.API, func()) error { return nil }
		if g.updates {
			manage = g.manage(&o, g.keys[i].UserID)
		}
		c := telegram.NewClient(1, "bench", o)
		limit <- struct{}{}
		g.wg.Go(func() {
			err := c.Run(g.run, func(ctx context.Context) error {
				g.clients[i] = tg.NewClient(c)
				_, err := g.clients[i].HelpGetNearestDC(ctx)
				started := func() { ready <- err; <-limit }
				if g.updates && err == nil {
					return manage(ctx, g.clients[i], started)
				}
				started()
				<-ctx.Done()
				return nil
			})
			if err != nil && g.run.Err() == nil {
				ready <- err
			}
		})
	}
	for range to - from {
		select {
		case err := <-ready:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (g *gotd) store(ctx context.Context, storage session.Storage, i int) error {
	var key crypto.Key
	if copy(key[:], g.keys[i].Key) != len(key) {
		return fmt.Errorf("key %d has %d bytes", i, len(g.keys[i].Key))
	}
	id := key.ID()
	loader := session.Loader{Storage: storage}
	return loader.Save(ctx, &session.Data{DC: 2, AuthKey: key[:], AuthKeyID: id[:], Salt: g.keys[i].Salt})
}

func (g *gotd) call(ctx context.Context, i int) error {
	_, err := g.clients[i].HelpGetNearestDC(ctx)
	return err
}

func (g *gotd) close() {
	g.stop()
	g.wg.Wait()
}
