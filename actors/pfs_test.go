package actors

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
)

// withPFS asks for temporary keys.
func withPFS(g *Grant) { g.Desired.PFS = true }

// secret is a pair of people whose accounts use temporary keys.
func (r *rig) secret(t *testing.T) (ann, bob *Env) {
	t.Helper()
	ann, bob = r.person(t, "ann", 2, withPFS), r.person(t, "bob", 2, withPFS)
	r.send(t, "ann", "@user_bob", "hello")
	r.send(t, "bob", "@user_ann", "hello")
	r.sync(t, "ann")
	r.sync(t, "bob")
	return ann, bob
}

// exchanges is how many keys were made so far, permanent and temporary ones.
func (r *rig) exchanges() int64 { return r.sim.Server().Stats().KeyExchanges }

// sameLogin checks that nothing of a login was lost or made anew.
func (r *rig) sameLogin(t *testing.T, id fleet.AccountID, before *sessionstore.Record) {
	t.Helper()
	after := r.record(t, id)
	if after.Keys[2].Key != before.Keys[2].Key || after.UserID != before.UserID || len(after.Keys) != len(before.Keys) {
		t.Errorf("%s: the stored session changed: %v, was %v", id, after, before)
	}
	if n := r.store.replaced.Load(); n != 0 {
		t.Errorf("%d keys were replaced", n)
	}
}

// TestPFSLoginAndRestart: a login with temporary keys, messages both ways, and a restart, which uses
// the stored permanent key and another temporary one. No call ever leaves under the permanent key.
func TestPFSLoginAndRestart(t *testing.T) {
	bubble(t, simulator.Config{Seed: 400}, func(t *testing.T, r *rig) {
		var naked atomic.Int64
		r.sim.Faults().SetRPCHook(func(c *mtserver.Call) (int, string) {
			if c.AuthKeyID == c.KeyID && c.Constructor() != tg.AuthBindTempAuthKeyRequestTypeID {
				naked.Add(1)
			}
			return 0, ""
		})
		r.secret(t)
		r.chatter(t, 5)
		before, made := r.record(t, "ann"), r.exchanges()
		if made != 4 {
			t.Errorf("%d keys were made, want a permanent and a temporary one for each account", made)
		}
		r.restart(t, "ann", withPFS)
		r.chatter(t, 5)
		r.verify(t)
		if n := r.exchanges() - made; n != 1 {
			t.Errorf("%d keys were made after a restart, want one temporary key", n)
		}
		r.sameLogin(t, "ann", before)
		if n := naked.Load(); n != 0 {
			t.Errorf("%d calls left under a permanent key, or before it was bound", n)
		}
	})
}

// TestPFSRenewalLosesNoCall: a temporary key is replaced in its last eighth. A call that runs then
// ends under the old key, one that comes meanwhile waits for the new one.
func TestPFSRenewalLosesNoCall(t *testing.T) {
	change := func(d *Deps) {
		d.TempKeyLife = 64 * time.Minute
		d.Watch.Quiet = 24 * time.Hour // a probe would wait behind the long call, and the connection be replaced for it
	}
	bubbleWith(t, simulator.Config{Seed: 401}, change, func(t *testing.T, r *rig) {
		ann, _ := r.secret(t)
		before, made := r.record(t, "ann"), r.exchanges()
		r.sim.Faults().SetRPCHook(func(c *mtserver.Call) (int, string) {
			if c.Constructor() == tg.AccountUpdateStatusRequestTypeID {
				time.Sleep(3 * time.Minute)
			}
			return 0, ""
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		var order []string
		ended := make(chan string, 2)
		time.Sleep(55 * time.Minute) // 55 of 64: one minute to the renewal
		go func() {                  // it is not idempotent: repeated it would be an unknown outcome
			var ok tg.BoolBox
			if err := ann.Invoke(ctx, &tg.AccountUpdateStatusRequest{}, &ok); err != nil {
				t.Errorf("the call that ran: %v", err)
			}
			ended <- "ran"
		}()
		time.Sleep(150 * time.Second)
		if n := r.exchanges(); n > made+1 { // bob had nothing to wait for
			t.Errorf("%d keys were made while a call ran", n-made)
		}
		go func() {
			if _, err := nearest(ctx, ann); err != nil {
				t.Errorf("the call that came meanwhile: %v", err)
			}
			ended <- "came"
		}()
		for range 2 {
			order = append(order, <-ended)
		}
		if order[0] != "ran" {
			t.Errorf("order %v", order)
		}
		settled(t)
		if n := r.exchanges() - made; n != 2 {
			t.Errorf("%d keys were made, want another temporary one for each account", n)
		}
		time.Sleep(3 * time.Hour)
		r.chatter(t, 5)
		r.verify(t)
		r.sameLogin(t, "ann", before)
		if n := r.exchanges() - made; n != 8 {
			t.Errorf("%d keys were made in four hours, want four for each account", n)
		}
		if f := r.fleet.Tally().Faults.Counts(); len(f) > 0 {
			t.Errorf("refused messages: %v", f)
		}
	})
}

// TestPFSKeyExpiresUnderRunningCalls: temporary keys end while calls run and nobody expects it: the
// server forgets them, or ends them in time, and it is our clock that has gone wrong. No call is lost, none
// executed twice.
func TestPFSKeyExpiresUnderRunningCalls(t *testing.T) {
	for name, expires := range map[string]bool{"forgotten": false, "expired": true} {
		t.Run(name, func(t *testing.T) {
			var off atomic.Int64 // nanoseconds
			change := func(d *Deps) {
				d.TempKeyLife = 16 * time.Minute
				d.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
			}
			bubbleWith(t, simulator.Config{Seed: 402}, change, func(t *testing.T, r *rig) {
				r.secret(t)
				settled(t)
				before, made := r.record(t, "ann"), r.exchanges()
				if expires {
					off.Store(int64(-8 * time.Minute))
					time.Sleep(16*time.Minute - 20*time.Second)
				}
				r.sim.Faults().SetRPCHook(func(c *mtserver.Call) (int, string) {
					if c.Constructor() == tg.MessagesSendMessageRequestTypeID {
						time.Sleep(time.Second)
					}
					return 0, ""
				})
				done := make(chan struct{})
				go func() {
					defer close(done)
					r.chatter(t, 40)
				}()
				time.Sleep(10 * time.Second)
				if n := r.exchanges() - made; n != 0 {
					t.Errorf("%d keys were made before", n)
				}
				if !expires {
					r.sim.Server().DropTempKey(r.key(t, "ann"))
					r.sim.Server().DropTempKey(r.key(t, "bob"))
				}
				<-done
				r.sim.Faults().SetRPCHook(nil)
				r.verify(t)
				r.sameLogin(t, "ann", before)
				if n := r.exchanges() - made; n != 2 {
					t.Errorf("%d keys were made, want another temporary one for each account", n)
				}
			})
		})
	}
}

// TestPFSRenewalDoesNotWaitForEver: a call that runs on and on may be repeated under the next key.
func TestPFSRenewalDoesNotWaitForEver(t *testing.T) {
	change := func(d *Deps) { d.TempKeyLife, d.Watch.Quiet = 64*time.Minute, 24*time.Hour }
	bubbleWith(t, simulator.Config{Seed: 412}, change, func(t *testing.T, r *rig) {
		ann := r.person(t, "ann", 2, withPFS)
		made := r.exchanges()
		var runs atomic.Int64
		r.sim.Faults().SetRPCHook(func(c *mtserver.Call) (int, string) {
			if c.Constructor() == tg.AccountUpdateStatusRequestTypeID && runs.Add(1) == 1 {
				time.Sleep(time.Hour)
			}
			return 0, ""
		})
		time.Sleep(50 * time.Minute)
		answered := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
			defer cancel()
			var ok tg.BoolBox
			answered <- ann.Invoke(ctx, &tg.AccountUpdateStatusRequest{}, &ok)
		}()
		time.Sleep(9 * time.Minute)
		if n := r.exchanges() - made; n != 0 {
			t.Errorf("%d keys were made, although a call runs and there is time", n)
		}
		time.Sleep(4 * time.Minute)
		if n := r.exchanges() - made; n != 1 {
			t.Errorf("%d keys were made by the end of the key, want one", n)
		}
		if err := <-answered; err != nil || runs.Load() != 2 {
			t.Errorf("the long call: %v after %d runs, want the answer to the second one", err, runs.Load())
		}
	})
}

// TestPFSSideConnectionEndsWithItsKey: one that is needed again is made again.
func TestPFSSideConnectionEndsWithItsKey(t *testing.T) {
	bubbleWith(t, simulator.Config{Seed: 413}, func(d *Deps) { d.TempKeyLife = 64 * time.Minute }, func(t *testing.T, r *rig) {
		ann := r.person(t, "ann", 2, withPFS)
		for range 3 {
			if got, err := nearestOn(t, ann, 3); err != nil || got != 3 {
				t.Fatalf("answered by DC %d, %v", got, err)
			}
			if n := r.fleet.Sockets(); n != 2 {
				t.Errorf("%d sockets, want two", n)
			}
			time.Sleep(60 * time.Minute)
			if n := r.fleet.Sockets(); n != 1 {
				t.Errorf("%d sockets at the end of the key, want one", n)
			}
		}
		if rec := r.record(t, "ann"); len(rec.Keys) != 2 {
			t.Errorf("stored %v", rec)
		}
	})
}

// TestPFSTemporaryKeyIsForgottenOften: -404 says nothing of the permanent key.
func TestPFSTemporaryKeyIsForgottenOften(t *testing.T) {
	bubble(t, simulator.Config{Seed: 403}, func(t *testing.T, r *rig) {
		ann, _ := r.secret(t)
		before := r.record(t, "ann")
		for range 10 {
			r.sim.Server().DropTempKey(r.key(t, "ann"))
			if _, err := nearest(bounded(t), ann); err != nil {
				t.Fatalf("a call after the loss: %v", err)
			}
		}
		r.chatter(t, 5)
		r.verify(t)
		r.sameLogin(t, "ann", before)
	})
}

// TestPFSUnboundKeyIsReplaced: AUTH_KEY_PERM_EMPTY is not the end of a session, and the call that met it goes
// again, whatever it is.
func TestPFSUnboundKeyIsReplaced(t *testing.T) {
	bubble(t, simulator.Config{Seed: 404}, func(t *testing.T, r *rig) {
		ann, _ := r.secret(t)
		before, made := r.record(t, "ann"), r.exchanges()
		r.sim.Faults().RPCError(tg.AccountUpdateStatusRequestTypeID, 401, "AUTH_KEY_PERM_EMPTY", 2)
		var ok tg.BoolBox
		if err := ann.Invoke(bounded(t), &tg.AccountUpdateStatusRequest{}, &ok); reason(err) == "OUTCOME_UNKNOWN" || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the refused call: %v", err)
		}
		r.chatter(t, 3)
		r.verify(t)
		r.sameLogin(t, "ann", before)
		if n := r.exchanges() - made; n != 2 {
			t.Errorf("%d keys were made, want two", n)
		}
	})
}

// TestPFSBindRefused: another temporary key is made; the permanent one is kept, whatever the server
// says of it at first.
func TestPFSBindRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		code  int
		text  string
		times int
	}{
		"bound already": {400, "TEMP_AUTH_KEY_ALREADY_BOUND", 1}, "no temporary key": {400, "TEMP_AUTH_KEY_EMPTY", 2},
		"expiry": {400, "EXPIRES_AT_INVALID", 1}, "server trouble": {500, "INTERNAL", 3}, "the permanent key": {400, "ENCRYPTED_MESSAGE_INVALID", 5},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 405}, func(t *testing.T, r *rig) {
				r.secret(t)
				before := r.record(t, "ann")
				r.sim.Faults().RPCError(tg.AuthBindTempAuthKeyRequestTypeID, tc.code, tc.text, tc.times)
				r.restart(t, "ann", withPFS)
				r.chatter(t, 3)
				r.verify(t)
				r.sameLogin(t, "ann", before)
			})
		})
	}
}

// TestPFSSideConnections: other DCs have permanent keys of their own, with temporary ones to them. One that
// its server has forgotten is made anew, and the login imported again.
func TestPFSSideConnections(t *testing.T) {
	bubble(t, simulator.Config{Seed: 406}, func(t *testing.T, r *rig) {
		ann, _ := r.secret(t)
		made := r.exchanges()
		for _, dc := range []int{1, 3, 1} {
			if got, err := nearestOn(t, ann, dc); err != nil || got != dc {
				t.Fatalf("DC %d: answered by DC %d, %v", dc, got, err)
			}
		}
		if n := r.exchanges() - made; n != 4 {
			t.Errorf("%d keys were made, want two for each DC", n)
		}
		keys := r.stored(t, "ann", func(rec *sessionstore.Record) bool { return len(rec.Keys) == 3 }).Keys
		r.sim.Server().DestroyKey(int64(keys[3].Key.ID()))
		if got, err := nearestOn(t, ann, 3); err != nil || got != 3 {
			t.Errorf("after the loss of its key: answered by DC %d, %v", got, err)
		}
		after := r.stored(t, "ann", func(rec *sessionstore.Record) bool { return rec.Keys[3].Key != keys[3].Key }).Keys
		if after[2].Key != keys[2].Key {
			t.Error("the home key changed")
		}
		r.chatter(t, 3)
		r.verify(t)
	})
}

// TestPFSSignOut: the permanent key is destroyed at Telegram, and the next login makes others.
func TestPFSSignOut(t *testing.T) {
	bubble(t, simulator.Config{Seed: 411}, func(t *testing.T, r *rig) {
		ann, _ := r.secret(t)
		old, keys := r.record(t, "ann").Keys[2].Key, r.sim.Server().Stats().Keys
		if ok, _, err := telegram.LogOut(bounded(t), ann); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if gone, err := ann.Erase(bounded(t), true); err != nil || gone.KeysLeft != 0 {
			t.Errorf("got %+v, %v; want no key left", gone, err)
		}
		if n := r.sim.Server().Stats().Keys; n >= keys {
			t.Errorf("the server knows %d keys, before the sign-out %d", n, keys)
		}
		if sent, err := telegram.RequestCode(bounded(t), ann, "+15550001"); err != nil || sent.User == nil { // by its future_auth_token
			t.Errorf("the next login gave %+v, %v", sent, err)
		}
		settled(t)
		if rec := r.record(t, "ann"); rec.Keys[2].Key == old || !rec.Authorised() {
			t.Errorf("stored %v", rec)
		}
	})
}

// TestPFSIsSwitched: the spec of a running account changes, both ways; running calls end before.
func TestPFSIsSwitched(t *testing.T) {
	bubble(t, simulator.Config{Seed: 407}, func(t *testing.T, r *rig) {
		r.pair(t)
		before, made := r.record(t, "ann"), r.exchanges()
		for generation := int64(2); generation < 6; generation++ {
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.chatter(t, 20)
			}()
			r.fleet.SetDesired("ann", Desired{Generation: generation, PFS: generation%2 == 0})
			<-done
			settled(t)
		}
		r.verify(t)
		r.sameLogin(t, "ann", before)
		if n := r.exchanges() - made; n != 2 {
			t.Errorf("%d keys were made, want one for each time", n)
		}
	})
}

// patient makes the waits between dials grow so far that a day needs few of them.
func patient(d *Deps) { d.Redial.Base, d.Redial.Max = time.Second, 2*time.Hour }

// TestALostKeyIsJudged: the server has really forgotten the key of a login. It is asked by a binding, not
// believed for a day, and then the account stops in a named state. What is stored stays until
// somebody signs in again.
func TestALostKeyIsJudged(t *testing.T) {
	for name, change := range map[string]func(*Grant){"permanent keys": func(*Grant) {}, "temporary keys": withPFS} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, simulator.Config{Seed: 408}, patient, func(t *testing.T, r *rig) {
				ann := r.person(t, "ann", 2, change)
				before := r.record(t, "ann")
				r.sim.Server().DestroyKey(r.key(t, "ann"))
				time.Sleep(23 * time.Hour)
				synctest.Wait()
				st := r.states.of("ann")
				if c := condition(st, fleet.ConditionConnected); st.State != fleet.StateBackoff || c.Reason != fleet.ReasonKeyUnknown {
					t.Errorf("for a day: %+v, %+v", st, c)
				}
				r.sameLogin(t, "ann", before)
				time.Sleep(6 * time.Hour)
				synctest.Wait()
				st = r.states.of("ann")
				if c := condition(st, fleet.ConditionAuthorized); st.State != fleet.StateLoggedOut || st.Remedy == "" || c.Reason != fleet.ReasonKeyLost {
					t.Errorf("after a day: %+v, %+v", st, c)
				}
				r.sameLogin(t, "ann", before)
				dials := r.dials()
				time.Sleep(24 * time.Hour)
				if n := r.dials(); n != dials {
					t.Errorf("%d dials after that", n-dials)
				}
				r.signInAgain(t, ann)
			})
		})
	}
}

// TestADoubtSurvivesARestartAndAMove: the day in which a lost key is still trusted does not begin anew with each owner, and
// a restart of the account is none either.
func TestADoubtSurvivesARestartAndAMove(t *testing.T) {
	bubbleWith(t, simulator.Config{Seed: 412}, patient, func(t *testing.T, r *rig) {
		r.person(t, "ann", 2)
		before := r.record(t, "ann")
		r.sim.Server().DestroyKey(r.key(t, "ann"))
		begun := time.Now()
		since := r.stored(t, "ann", func(rec *sessionstore.Record) bool { return !rec.Keys[2].DoubtedSince.IsZero() }).Keys[2].DoubtedSince
		if d := since.Sub(begun); d < 0 || d > time.Hour {
			t.Errorf("doubted %v after the key was destroyed", d)
		}
		time.Sleep(12 * time.Hour)
		r.release(t, "ann")
		r.own("ann")
		time.Sleep(11 * time.Hour)
		synctest.Wait()
		if st := r.states.of("ann"); st.State != fleet.StateBackoff {
			t.Errorf("after 23 hours: %+v", st)
		}
		r.release(t, "ann")

		f, err := Start(r.deps) // another node on the same stores
		if err != nil {
			t.Fatal(err)
		}
		defer r.end(t, f)
		g := testGrant("ann")
		g.Fence.CreateRevision += 100
		f.Owned(g)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if st := r.states.of("ann"); st.State != fleet.StateLoggedOut || st.Reason != string(fleet.ReasonKeyLost) {
			t.Errorf("after 29 hours: %+v", st)
		}
		r.sameLogin(t, "ann", before)
		if got := r.record(t, "ann").Keys[2].DoubtedSince; !got.Equal(since) {
			t.Errorf("doubted since %v, was %v", got, since)
		}
		delete(r.users, "ann")
	})
}

// TestADoubtEndsWhenTheKeyIsKnown: a later doubt has a day of its own.
func TestADoubtEndsWhenTheKeyIsKnown(t *testing.T) {
	bubble(t, simulator.Config{Seed: 413}, func(t *testing.T, r *rig) {
		ann := r.person(t, "ann", 2)
		for range 2 * doubtAfter { // a connection may meet two
			r.inject(t, "ann", mtserver.TransportError(-404))
		}
		var forgotten atomic.Bool
		forgotten.Store(true)
		r.tap(func(_ int64, method string) (int, string) {
			if method == "auth.bindTempAuthKey" && forgotten.Load() {
				return 400, "ENCRYPTED_MESSAGE_INVALID"
			}
			return 0, ""
		})
		go func() { _, _ = nearest(bounded(t), ann) }() // meets the faults
		r.stored(t, "ann", func(rec *sessionstore.Record) bool { return !rec.Keys[2].DoubtedSince.IsZero() })
		forgotten.Store(false)
		r.stored(t, "ann", func(rec *sessionstore.Record) bool { return rec.Keys[2].DoubtedSince.IsZero() })
		r.verify(t)
	})
}

// TestADoubtedKeyIsGivenUpByASignIn: whoever begins a login need not wait for the day to end.
func TestADoubtedKeyIsGivenUpByASignIn(t *testing.T) {
	bubbleWith(t, simulator.Config{Seed: 409}, patient, func(t *testing.T, r *rig) {
		ann := r.person(t, "ann", 2)
		r.sim.Server().DestroyKey(r.key(t, "ann"))
		time.Sleep(time.Hour)
		synctest.Wait()
		r.signInAgain(t, ann)
	})
}

// TestADoubtedKeyIsFoundAlive: after a series of -404 the key is asked for by a binding, and works.
func TestADoubtedKeyIsFoundAlive(t *testing.T) {
	bubble(t, simulator.Config{Seed: 410}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		before, made := r.record(t, "ann"), r.exchanges()
		for range 2 * doubtAfter { // a connection may meet two
			r.inject(t, "ann", mtserver.TransportError(-404))
		}
		if _, err := nearest(bounded(t), ann); err != nil {
			t.Errorf("a call during the fault: %v", err)
		}
		r.chatter(t, 3)
		r.verify(t)
		r.sameLogin(t, "ann", before)
		if r.exchanges() == made {
			t.Error("no temporary key was made to ask with")
		}
		if n := r.sim.Faults().Pending(); n != 0 {
			t.Errorf("%d faults were never done", n)
		}
	})
}

// signInAgain signs the user of "ann" in under a new key.
func (r *rig) signInAgain(t *testing.T, env *Env) {
	t.Helper()
	old := r.record(t, "ann").Keys[2].Key
	sent, err := telegram.RequestCode(bounded(t), env, "+15550001")
	if err != nil {
		t.Fatalf("request a code: %v", err)
	}
	code, _ := r.sim.LoginCode("+15550001")
	if _, err := telegram.SignIn(bounded(t), env, sent.Token, code); err != nil {
		t.Fatalf("sign in: %v", err)
	}
	settled(t)
	if st := r.states.of("ann"); st.State != fleet.StateOnline {
		t.Errorf("after the sign-in: %+v", st)
	}
	if rec := r.record(t, "ann"); rec.Keys[2].Key == old || !rec.Authorised() {
		t.Errorf("stored %v", rec)
	}
}
