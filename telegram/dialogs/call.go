package dialogs

import (
	"context"
	"fmt"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// pageSize is the most that Telegram returns at once.
const pageSize = 100

// maxRounds bounds the repetitions of a call that asks to be repeated.
const maxRounds = 10_000

// until repeats a call that works on many messages while the server says that some are left
// (affectedHistory.offset).
func until(ctx context.Context, env telegram.Env, in telegram.Request) error {
	for range maxRounds {
		var res tg.MessagesAffectedHistory
		if err := telegram.Invoke(ctx, env, in, &res); err != nil {
			return err
		}
		if res.Offset <= 0 {
			return nil
		}
	}
	return fleet.Errorf(fleet.CodeInternal, "ANSWER_UNEXPECTED", "%s: Telegram asked for more than %d repetitions", in.TypeName(), maxRounds).
		WithRemedy("try again later")
}

// key names a message: ids count in each channel, and in all other chats of the account together.
type key struct {
	kind telegram.PeerKind
	chat int64
	id   int
}

func keyOf(p tg.PeerClass, id int) (key, error) {
	kind, chat, ok := telegram.PeerRef(p)
	if !ok {
		return key{}, fmt.Errorf("peer %T is not known", p)
	}
	return key{kind, chat, id}, nil
}

// partOf is the chat that a message is in; nil for a message that is not there.
func chatOf(m tg.MessageClass) tg.PeerClass {
	switch m := m.(type) {
	case *tg.Message:
		return m.PeerID
	case *tg.MessageService:
		return m.PeerID
	}
	return nil
}

func dateOf(m tg.MessageClass) int {
	switch m := m.(type) {
	case *tg.Message:
		return m.Date
	case *tg.MessageService:
		return m.Date
	}
	return 0
}
