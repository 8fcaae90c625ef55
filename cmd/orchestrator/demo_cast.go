package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
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
	if _, err := d.api.fleet.CreateAccount(ctx, &v1.CreateAccountRequest{Id: a.account, Labels: map[string]string{"demo": "yes"}}); err != nil {
		return err
	}
	if a.bot() {
		_, err := d.api.auth.BotSignIn(ctx, &v1.BotSignInRequest{Account: a.account, BotToken: a.token})
		return err
	}
	asked, err := d.api.auth.RequestCode(ctx, &v1.RequestCodeRequest{Account: a.account, PhoneNumber: a.phone})
	if err != nil {
		return err
	}
	code, ok := d.sim.LoginCode(a.phone)
	if !ok {
		return fmt.Errorf("the simulator sent no code")
	}
	r, err := d.api.auth.SignIn(ctx, &v1.SignInRequest{Account: a.account, Token: asked.GetCode().GetToken(), Code: code})
	if err != nil {
		return err
	}
	if r.GetOutcome() == v1.SignInOutcome_SIGN_IN_OUTCOME_PASSWORD_REQUIRED {
		_, err = d.api.auth.CheckPassword(ctx, &v1.CheckPasswordRequest{Account: a.account, Password: a.password})
	}
	return err
}

// sync catches every account's updates up by difference, as sync_update_state does.
func (d *demo) sync(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(signInsAtOnce)
	for _, a := range d.cast {
		group.Go(func() error {
			_, err := d.api.sessions.SyncUpdates(ctx, &v1.SyncUpdatesRequest{Account: a.account})
			return err
		})
	}
	return group.Wait()
}

// online counts the accounts that are online, as the API shows them.
func (d *demo) online(ctx context.Context) (int, error) {
	n := 0
	for token := ""; ; {
		r, err := d.api.fleet.ListAccounts(ctx, &v1.ListAccountsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return 0, err
		}
		for _, a := range r.GetAccounts() {
			if a.GetStatus().GetState() == v1.AccountState_ACCOUNT_STATE_ONLINE {
				n++
			}
		}
		if token = r.GetNextPageToken(); token == "" {
			return n, nil
		}
	}
}
