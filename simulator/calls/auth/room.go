// Package auth signs the keys of a local Telegram in and out: by code and password, by QR
// code, by a bot's token, and from one DC to another.
//
// # Usage
//
//	room := auth.New(world)
//	code, ok := room.LoginCode("+15550001") // as the person reads it
//
// # Concurrency
//
// Handlers run under the world's lock, which guards the room too. LoginCode takes the lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package auth

import (
	"time"

	"github.com/telefleet/orchestrator/simulator/model"
)

// Room is what is remembered of logins that are under way.
type Room struct {
	world    *model.World
	codes    map[string]*loginCode  // by phone_code_hash
	lastCode map[string]string      // by phone
	tokens   map[string]*loginToken // by themselves
	exports  map[string]exported    // by their bytes
}

// New registers the methods of signing in and out.
func New(w *model.World) *Room {
	r := &Room{
		world: w, codes: map[string]*loginCode{}, lastCode: map[string]string{},
		tokens: map[string]*loginToken{}, exports: map[string]exported{},
	}
	model.On(w, model.Anyone, r.sendCode)
	model.On(w, model.Anyone, r.resendCode)
	model.On(w, model.Anyone, r.cancelCode)
	model.On(w, model.Anyone, r.signIn)
	model.On(w, model.Anyone, r.signUp)
	model.On(w, model.Anyone, getPassword)
	model.On(w, model.Anyone, checkPassword)
	model.On(w, model.Anyone, importBotAuthorization)
	model.On(w, 0, r.exportAuthorization)
	model.On(w, model.Anyone, r.importAuthorization)
	model.On(w, model.Anywhere, logOut)
	model.On(w, 0, resetAuthorizations)
	model.On(w, model.Anyone, r.exportLoginToken)
	model.On(w, model.Anyone, r.importLoginToken)
	model.On(w, model.UserOnly, r.acceptLoginToken)
	w.OnTick(r.forget)
	return r
}

// forget drops codes that are long out of date.
func (r *Room) forget(now time.Time) {
	for hash, code := range r.codes {
		if now.Sub(code.expires) > r.world.Config.CodeLife {
			delete(r.codes, hash)
		}
	}
}
