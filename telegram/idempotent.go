package telegram

import (
	"errors"
	"strings"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
)

// Methods that may be sent again although the first answer was lost, beyond those that only
// read: repeating them leaves the server as the first call did.
var repeatable = map[string]bool{
	// random_id: the server refuses the second one
	"messages.sendMessage": true, "messages.sendMedia": true, "messages.sendMultiMedia": true,
	"messages.forwardMessages": true, "messages.sendInlineBotResult": true, "messages.startBot": true,
	"messages.sendScreenshotNotification": true, "messages.sendEncrypted": true,
	"messages.sendEncryptedFile": true, "messages.sendEncryptedService": true, "stories.sendStory": true,
	// they set what they say
	"messages.editMessage": true, "messages.deleteMessages": true, "channels.deleteMessages": true,
	"messages.updatePinnedMessage": true, "messages.unpinAllMessages": true, "messages.sendReaction": true,
	"account.updateStatus": true, "messages.setTyping": true, "messages.readHistory": true,
	"channels.readHistory": true, "messages.receivedMessages": true, "upload.saveFilePart": true,
	"upload.saveBigFilePart": true, "upload.reuploadCdnFile": true, "auth.bindTempAuthKey": true,
	"auth.exportAuthorization": true, "auth.cancelCode": true, "auth.logOut": true, "auth.sendCode": false,
	"invokeWithLayer": false,
}

// Methods that only read, and whose names do not say so.
var questions = map[string]bool{
	"contacts.search": true, "messages.search": true, "messages.searchGlobal": true,
}

// Methods whose names read like a question but do more.
var notRepeatable = map[string]bool{
	"auth.checkPassword":            true, // uses up the SRP id
	"auth.checkRecoveryPassword":    true, // counts wrong tries
	"messages.getBotCallbackAnswer": true, // presses the button
	"messages.getInlineBotResults":  true, // asks the bot
	"messages.getMessagesViews":     true, // may count a view
	"payments.checkGiftCode":        true, // counts wrong tries
}

var idempotentIDs = sync.OnceValue(func() map[uint32]bool {
	ids := map[uint32]bool{}
	for name, id := range tg.NamesMap() {
		if repeats(name) {
			ids[id] = true
		}
	}
	return ids
})

// repeats judges a method by its schema name.
func repeats(name string) bool {
	if yes, known := repeatable[name]; known {
		return yes
	}
	return asks(name)
}

// asks judges by its schema name whether a method only reads.
func asks(name string) bool {
	if questions[name] {
		return true
	}
	_, verb, namespaced := strings.Cut(name, ".")
	if !namespaced || notRepeatable[name] {
		return false
	}
	for _, prefix := range []string{"get", "check", "resolve"} {
		rest, ok := strings.CutPrefix(verb, prefix)
		if ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z' {
			return true
		}
	}
	return false
}

// Idempotent reports whether a call may be sent again when its answer was lost: methods that
// only read, those that carry a random_id, and those that set what they say.
func Idempotent(in bin.Encoder) bool {
	id, ok := in.(interface{ TypeID() uint32 })
	return ok && IdempotentID(id.TypeID())
}

// IdempotentName is Idempotent for a method's name in the schema.
func IdempotentName(name string) bool { return repeats(name) }

// Untouched reports whether a call with this outcome has certainly changed nothing at Telegram: it
// only reads, Telegram has refused it, or it was never sent. in is a TL method.
func Untouched(in bin.Encoder, err error) bool {
	named, ok := in.(interface{ TypeName() string })
	if ok && asks(named.TypeName()) {
		return true
	}
	var (
		rpc *tgerr.Error
		own *fleet.Error
	)
	switch {
	case errors.As(err, &rpc):
		return rpc.Code >= 300 && rpc.Code < 500
	case errors.As(err, &own):
		// A login that took effect may fail when it is stored, by errors like these.
		if !ok || strings.HasPrefix(named.TypeName(), "auth.") {
			return false
		}
		return own.Code == fleet.CodeInvalidArgument || own.Code == fleet.CodeResourceExhausted || own.Code == fleet.CodeFailedPrecondition
	}
	return false
}

// IdempotentID is Idempotent for a constructor id.
func IdempotentID(id uint32) bool { return idempotentIDs()[id] }
