package methods

import (
	"context"
	"testing"

	"github.com/telefleet/orchestrator/telegram"
)

// keeper is an environment that keeps tokens of former logins.
type keeper struct{ telegram.Env }

func (keeper) LogoutTokens(context.Context) [][]byte { return [][]byte{[]byte("token")} }

// TestLoginUnderARequestIDOffersTheTokens that spare a code, as one without does.
func TestLoginUnderARequestIDOffersTheTokens(t *testing.T) {
	var env telegram.Env = witness{keeper{}, &Command{}}
	k, ok := env.(telegram.TokenKeeper)
	if !ok || len(k.LogoutTokens(t.Context())) != 1 {
		t.Error("the tokens are hidden behind the witness")
	}
	env = witness{nobody{}, &Command{}}
	if k, ok := env.(telegram.TokenKeeper); ok && len(k.LogoutTokens(t.Context())) != 0 {
		t.Error("there are tokens of nobody")
	}
}

// nobody keeps none.
type nobody struct{ telegram.Env }
