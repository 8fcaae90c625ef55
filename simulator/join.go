package simulator

import (
	"context"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// handler gives the calls of the protocol half to the model.
type handler struct {
	world *model.World
	ready <-chan struct{}
}

// RPC implements mtserver.Handler.
func (h *handler) RPC(ctx context.Context, c *mtserver.Call) {
	select {
	case <-h.ready:
	case <-ctx.Done():
		return
	}
	h.world.Handle(model.Request{DC: c.DC, Media: c.Media, KeyID: c.KeyID, SessionID: c.SessionID, Body: c.Body}, c)
}

// KeyKilled, SessionOpened and ConnectionClosed implement mtserver.SessionObserver.
func (h *handler) KeyKilled(keyID int64) { h.world.KillKey(keyID) }

// SessionOpened does nothing: what was missed comes by difference.
func (h *handler) SessionOpened(int64, int64) {}

// ConnectionClosed does nothing.
func (h *handler) ConnectionClosed(int64, uint64) {}

// latePusher stands between the model and a server that starts after it. No call reaches
// the model before ready is closed, so server needs no lock.
type latePusher struct {
	server *mtserver.Server
	ready  chan struct{}
}

func (p *latePusher) Push(keyID int64, body []byte) { p.server.Push(keyID, body) }
func (p *latePusher) MarkHome(keyID int64)          { p.server.MarkHome(keyID) }
func (p *latePusher) ClearHome(keyID int64)         { p.server.ClearHome(keyID) }
