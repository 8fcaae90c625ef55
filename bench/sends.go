package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gotd/td/telegram/message"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/telegram"
)

// sender is a client that sends texts over its first connection, by the functions that it has for that:
// each draws a random_id and reads the answer with its updates.
type sender interface {
	client
	send(ctx context.Context, to addressee, text string) error
}

// addressee is who gets the messages, as the first account sees them.
type addressee struct {
	UserID     int64 `json:"user_id"`
	AccessHash int64 `json:"access_hash"`
}

func (o *ours) send(ctx context.Context, to addressee, text string) error {
	_, err := telegram.SendMessage(ctx, o.envs[0],
		telegram.Peer{Kind: telegram.PeerUser, ID: to.UserID, AccessHash: to.AccessHash}, telegram.Outgoing{Text: text})
	return err
}

func (g *gotd) send(ctx context.Context, to addressee, text string) error {
	_, err := message.NewSender(g.clients[0]).To(&tg.InputPeerUser{UserID: to.UserID, AccessHash: to.AccessHash}).Text(ctx, text)
	return err
}

const (
	sends         = 10_000
	sendsInFlight = 64
	sentText      = "what a message says in some forty letters"
)

// sends measures texts that one account sends, so many at once.
func (t job) sends(ctx context.Context, c client) (numbers, error) {
	s, ok := c.(sender)
	if !ok {
		return nil, errors.New("it sends no messages")
	}
	if err := t.resume(ctx, s); err != nil {
		return nil, err
	}
	to, err := t.addressee(ctx)
	if err != nil {
		return nil, err
	}
	send := func(ctx context.Context, _ int) error { return s.send(ctx, to, sentText) }
	if err := t.flood(ctx, send, sendsInFlight, warmUp); err != nil {
		return nil, err
	}
	cpu, began := cpuTime(), time.Now()
	if err := t.flood(ctx, send, sendsInFlight, sends); err != nil {
		return nil, err
	}
	took := time.Since(began)
	return numbers{
		"send_cpu_us": float64((cpuTime() - cpu).Nanoseconds()) / 1000 / sends,
		"send_per_s":  sends / took.Seconds(),
	}, nil
}

// addressee asks the server for somebody who has written to the first account.
func (t job) addressee(ctx context.Context) (to addressee, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.Server.Control+"/greet", nil)
	if err != nil {
		return to, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return to, fmt.Errorf("ask for somebody to write to: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return to, fmt.Errorf("ask for somebody to write to: %s", answer.Status)
	}
	return to, json.NewDecoder(answer.Body).Decode(&to)
}

// greet lets the talker write to a bot, so that the bot may answer.
func greet(sim *simulator.Simulator, talker, bot int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if _, err := sim.World().Say(talker, bot, "hello"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		to := addressee{UserID: talker}
		sim.World().Do(func() { to.AccessHash = sim.World().AccessHash(bot, model.UserPeer(talker)) })
		_ = json.NewEncoder(w).Encode(to) // the client reads the rest or fails
	}
}
