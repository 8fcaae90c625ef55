package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator"
)

// actorOf is one account of the demo and the person or bot behind it.
type actorOf struct {
	account  string
	phone    string
	password string
	token    string // of a bot
	username string
	homeDC   int
	userID   int64
}

const (
	signInsAtOnce = 16
	botEvery      = 20 // beyond the first three: every 20th account is a bot
	passwordEvery = 25 // and every 25th user has a password
)

// people draws up the accounts: anna by phone and code, boris with a password and another home
// DC, helper the bot, then as many more as are wanted.
func people(n int) []*actorOf {
	cast := []*actorOf{
		{account: "anna", username: "anna", phone: "+15550000001", homeDC: 2},
		{account: "boris", username: "boris", phone: "+15550000002", password: "demo password", homeDC: 1},
		{account: "helper", username: "helper_bot", homeDC: 3},
	}
	for i := 4; i <= n; i++ {
		a := &actorOf{account: fmt.Sprintf("user-%d", i), username: fmt.Sprintf("user%04d", i), homeDC: 1 + i%3}
		if i%botEvery == 0 {
			a.username += "_bot"
		} else {
			a.phone = fmt.Sprintf("+1555%07d", i)
			if i%passwordEvery == 0 {
				a.password = "demo password"
			}
		}
		cast = append(cast, a)
	}
	return cast
}

func (a *actorOf) bot() bool { return a.phone == "" }

// signIn creates the people at the simulator and their accounts at the node, and signs all in
// through the API.
func (d *demo) signIn(ctx context.Context) error {
	d.cast = people(d.accounts)
	for _, a := range d.cast {
		if err := d.create(a); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(signInsAtOnce)
	for _, a := range d.cast {
		group.Go(func() error {
			if err := d.signInOne(ctx, a); err != nil {
				return fmt.Errorf("sign in %s: %w", a.account, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (d *demo) create(a *actorOf) error {
	if a.bot() {
		bot, err := d.sim.AddBot(simulator.BotSpec{Name: a.account, Username: a.username, HomeDC: a.homeDC})
		a.token, a.userID = bot.Token, bot.ID
		return err
	}
	user, err := d.sim.AddUser(simulator.UserSpec{
		Phone: a.phone, FirstName: a.account, Username: a.username, HomeDC: a.homeDC, Password: a.password, Hint: "it is in the source",
	})
	a.userID = user.ID
	return err
}

func (d *demo) signInOne(ctx context.Context, a *actorOf) error {
	if _, err := d.api.CreateAccount(ctx, &v1.Account{Id: a.account, Labels: map[string]string{"demo": "yes"}}); err != nil {
		return err
	}
	account := d.api.Account(a.account)
	if a.bot() {
		_, err := account.BotSignIn(ctx, a.token)
		return err
	}
	_, err := account.LogIn(ctx, a.phone, client.Prompts{
		Code: func(_ context.Context, _ *client.CodeSent, failed error) (string, error) {
			code, ok := d.sim.LoginCode(a.phone)
			if failed != nil || !ok {
				return "", errors.Join(failed, errors.New("the simulator sent no code that is right"))
			}
			return code, nil
		},
		Password: func(_ context.Context, _ *client.PasswordRequired, failed error) (string, error) {
			return a.password, failed
		},
	})
	return err
}

// sync catches every account's updates up by difference, as sync_update_state does.
func (d *demo) sync(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(signInsAtOnce)
	for _, a := range d.cast {
		group.Go(func() error {
			_, err := d.api.Account(a.account).Sync(ctx, false)
			return err
		})
	}
	return group.Wait()
}

// online counts the accounts that are online, as the API shows them.
func (d *demo) online(ctx context.Context) (int, error) {
	n := 0
	for a, err := range d.api.Accounts(ctx, "") {
		if err != nil {
			return 0, err
		}
		if a.GetStatus().GetState() == v1.AccountState_ACCOUNT_STATE_ONLINE {
			n++
		}
	}
	return n, nil
}
