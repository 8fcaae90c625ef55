package connection

import (
	"errors"

	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/wire"
)

// ruleOther is counted for packets whose content breaks a rule: objects that end too early, or are packed too deep.
const ruleOther = "content"

// noteEnd counts, and where it deserves an alarm tells, why the engine has closed a socket.
func (c *connection) noteEnd(reason error) {
	var (
		bad    *mtproto.BadMsgError
		packet *wire.PacketError
		code   *mtproto.TransportError
		closed *mtproto.CloseError
	)
	switch {
	case errors.As(reason, &bad):
		n := c.acc.Tally.Faults.Add(bad.Code)
		c.acc.Log.Warn("MTProto session ended: the server refuses what was sent", "account", string(c.acc.ID), "dc", c.link.dc,
			"code", bad.Code, "reason", bad.Error(), "times", n)
	case errors.As(reason, &packet):
		c.acc.Tally.Rejected.Add(string(packet.Rule))
	case errors.Is(reason, wire.ErrForged):
		c.acc.Tally.Rejected.Add("msg_key")
	case errors.As(reason, &code), errors.Is(reason, mtproto.ErrNoPong): // no packet was refused
	case errors.As(reason, &closed):
		c.acc.Tally.Rejected.Add(ruleOther)
	}
}

// words for what an end asks for.
var endWords = [...]string{
	Reconnect: "reconnect", Again: "dial_again", NewSession: "new_session", KeyUnknown: "key_unknown", KeyRefused: "key_refused",
	Flood: "flood", WrongDC: "wrong_dc", Fenced: "fenced",
}

// hasEnded counts a connection that did not end on request.
func (c *Config) hasEnded(err error) {
	end := Reconnect
	if e, ok := errors.AsType[*EndError](err); ok {
		end = e.End
	}
	c.Tally.Ended.Add(endWords[end])
}

// dialled counts a try to reach a DC.
func (c *Config) dialled(err error) {
	if err != nil {
		c.Tally.Dials.Add("failed")
		return
	}
	c.Tally.Dials.Add("ok")
}
