package control

import (
	"slices"

	"github.com/telefleet/orchestrator/control/consuming"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/methods/bots"
	"github.com/telefleet/orchestrator/control/methods/chats"
	"github.com/telefleet/orchestrator/control/methods/dialogs"
	"github.com/telefleet/orchestrator/control/methods/media"
	"github.com/telefleet/orchestrator/control/methods/messages"
	"github.com/telefleet/orchestrator/control/methods/rawcalls"
)

// Methods are those of all rooms: every RPC of the contract but Exchange and RunBatch, which are
// streams over them.
func Methods() []methods.Method {
	return slices.Concat(methods.All(), messages.All(), media.All(), chats.All(), dialogs.All(), bots.All(), rawcalls.All(), consuming.All())
}
