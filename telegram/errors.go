package telegram

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
)

// Request is a TL method call that knows its name.
type Request interface {
	bin.Encoder
	TypeName() string
}

// Invoke calls a method on the home DC and types its error.
func Invoke(ctx context.Context, env Env, in Request, out bin.Decoder) error {
	return TypedError(in.TypeName(), env.Invoke(ctx, in, out))
}

// TypedError makes the error of a call of method one that callers can act on: an RPC error
// becomes a *fleet.Error, a *fleet.Error gets the method's name, others are wrapped.
func TypedError(method string, err error) error {
	if err == nil {
		return nil
	}
	var own *fleet.Error
	if errors.As(err, &own) {
		if own.Method != "" {
			return err
		}
		c := *own
		c.Method = method
		return &c
	}
	var rpc *tgerr.Error
	if errors.As(err, &rpc) {
		return fromRPC(method, rpc)
	}
	return fmt.Errorf("%s: %w", method, err)
}

// IsRPC reports whether the server answered err with one of the names.
func IsRPC(err error, names ...string) bool {
	var own *fleet.Error
	if errors.As(err, &own) {
		for _, name := range names {
			if own.Reason == name {
				return true
			}
		}
	}
	return false
}

// verdict is what an error name of Telegram means for a caller.
type verdict struct {
	code   fleet.Code
	remedy string
}

const (
	logInAgain   = "the login is gone: log in again"
	newCode      = "request a new code"
	askSpambot   = "Telegram limited the account: ask @SpamBot from it, and send less to strangers"
	writeSupport = "write to recover@telegram.org if this is an error"
)

// verdicts lists the names for which the class of their number says too little
// (core.telegram.org/api/errors and the methods' own pages).
var verdicts = map[string]verdict{
	"PHONE_NUMBER_INVALID":              {fleet.CodeInvalidArgument, "give the number in international form, such as +15551234567"},
	"PHONE_NUMBER_BANNED":               {fleet.CodePermissionDenied, writeSupport},
	"PHONE_NUMBER_FLOOD":                {fleet.CodeResourceExhausted, "wait a day before the next login of this number"},
	"PHONE_PASSWORD_FLOOD":              {fleet.CodeResourceExhausted, "wait a day before the next login of this number"},
	"PHONE_NUMBER_UNOCCUPIED":           {fleet.CodeFailedPrecondition, "sign up with an official client first"},
	"PHONE_CODE_INVALID":                {fleet.CodeInvalidArgument, "check the code and sign in again with the same token"},
	"PHONE_CODE_EMPTY":                  {fleet.CodeInvalidArgument, "give the code that Telegram sent"},
	"PHONE_CODE_EXPIRED":                {fleet.CodeFailedPrecondition, newCode},
	"PHONE_CODE_HASH_EMPTY":             {fleet.CodeInvalidArgument, newCode},
	"SEND_CODE_UNAVAILABLE":             {fleet.CodeFailedPrecondition, "no further delivery type is left: wait, then request a new code"},
	"PASSWORD_HASH_INVALID":             {fleet.CodeInvalidArgument, "the password is wrong: check it and try again"},
	"SRP_ID_INVALID":                    {fleet.CodeAborted, "try the password again"},
	"SRP_PASSWORD_CHANGED":              {fleet.CodeAborted, "the password was changed meanwhile: try again with the new one"},
	"SESSION_PASSWORD_NEEDED":           {fleet.CodeFailedPrecondition, "give the two-step verification password with CheckPassword"},
	"ACCESS_TOKEN_INVALID":              {fleet.CodeInvalidArgument, "copy the bot token from @BotFather again"},
	"ACCESS_TOKEN_EXPIRED":              {fleet.CodeInvalidArgument, "the bot token was revoked: get the new one from @BotFather"},
	"API_ID_INVALID":                    {fleet.CodeFailedPrecondition, "check telegram.api_id and telegram.api_hash in the configuration"},
	"API_ID_PUBLISHED_FLOOD":            {fleet.CodeFailedPrecondition, "this api_id is public: use one of your own from my.telegram.org"},
	"AUTH_KEY_UNREGISTERED":             {fleet.CodeUnauthenticated, "the account is not logged in: log in"},
	"AUTH_KEY_INVALID":                  {fleet.CodeUnauthenticated, logInAgain},
	"AUTH_KEY_PERM_EMPTY":               {fleet.CodeUnauthenticated, logInAgain},
	"AUTH_KEY_DUPLICATED":               {fleet.CodeFailedPrecondition, "the auth key was used in two places and is destroyed: end the other use, then log in again"},
	"SESSION_REVOKED":                   {fleet.CodeUnauthenticated, "the login was ended from another client: log in again"},
	"SESSION_EXPIRED":                   {fleet.CodeUnauthenticated, logInAgain},
	"USER_DEACTIVATED":                  {fleet.CodePermissionDenied, "the account was deleted"},
	"USER_DEACTIVATED_BAN":              {fleet.CodePermissionDenied, "Telegram banned the account: " + writeSupport},
	"FROZEN_METHOD_INVALID":             {fleet.CodePermissionDenied, "Telegram froze the account: ask @SpamBot from it"},
	"UPDATE_APP_TO_LOGIN":               {fleet.CodeFailedPrecondition, "announce a newer layer in the app profile"},
	"PEER_FLOOD":                        {fleet.CodeResourceExhausted, askSpambot},
	"USERNAME_NOT_OCCUPIED":             {fleet.CodeNotFound, "check the spelling of the user name"},
	"USERNAME_INVALID":                  {fleet.CodeInvalidArgument, "check the spelling of the user name"},
	"PHONE_NOT_OCCUPIED":                {fleet.CodeNotFound, "nobody with this number can be found"},
	"CHANNEL_PRIVATE":                   {fleet.CodePermissionDenied, "the account was banned from it or is no member: join it first"},
	"CHAT_WRITE_FORBIDDEN":              {fleet.CodePermissionDenied, "the account may not write there"},
	"USER_BANNED_IN_CHANNEL":            {fleet.CodePermissionDenied, askSpambot},
	"USER_IS_BLOCKED":                   {fleet.CodePermissionDenied, "the user blocked the account"},
	"YOU_BLOCKED_USER":                  {fleet.CodePermissionDenied, "unblock the user first"},
	"PRIVACY_PREMIUM_REQUIRED":          {fleet.CodePermissionDenied, "the user takes messages from Premium users and contacts only"},
	"BOT_METHOD_INVALID":                {fleet.CodePermissionDenied, "bots cannot call this method: use a user account"},
	"USER_BOT_REQUIRED":                 {fleet.CodePermissionDenied, "only bots can call this method"},
	"PEER_ID_INVALID":                   {fleet.CodeInvalidArgument, "the account cannot address this peer: resolve it again"},
	"INPUT_USER_DEACTIVATED":            {fleet.CodeFailedPrecondition, "the user deleted the account"},
	"MESSAGE_EMPTY":                     {fleet.CodeInvalidArgument, "give a text that is not blank"},
	"MESSAGE_TOO_LONG":                  {fleet.CodeInvalidArgument, "split the text: 4096 UTF-16 code units at most"},
	"MESSAGE_ID_INVALID":                {fleet.CodeInvalidArgument, "the message does not exist in this chat"},
	"MESSAGE_AUTHOR_REQUIRED":           {fleet.CodePermissionDenied, "only who wrote a message may edit it"},
	"MESSAGE_EDIT_TIME_EXPIRED":         {fleet.CodeFailedPrecondition, "messages may be edited for 48 hours: send another one"},
	"MEDIA_PREV_INVALID":                {fleet.CodeFailedPrecondition, "what the message carries cannot be replaced: send another message"},
	"MEDIA_NEW_INVALID":                 {fleet.CodeInvalidArgument, "give a photo, a video, an animation, music or a document"},
	"MEDIA_GROUPED_INVALID":             {fleet.CodeInvalidArgument, "photos and videos go together in an album, music with music, documents with documents"},
	"MESSAGE_DELETE_FORBIDDEN":          {fleet.CodePermissionDenied, "delete own messages only, or become an admin with the right to delete"},
	"CHAT_FORWARDS_RESTRICTED":          {fleet.CodePermissionDenied, "the chat or the message forbids forwarding"},
	"REPLY_MESSAGE_ID_INVALID":          {fleet.CodeInvalidArgument, "the message to answer, or the topic, does not exist in this chat"},
	"QUOTE_TEXT_INVALID":                {fleet.CodeInvalidArgument, "quote a part of the message word for word"},
	"SEND_AS_PEER_INVALID":              {fleet.CodePermissionDenied, "write as yourself, or as one of the channels that channels.getSendAs lists"},
	"EFFECT_ID_INVALID":                 {fleet.CodeInvalidArgument, "take one of messages.getAvailableEffects, in private chats only"},
	"REACTION_INVALID":                  {fleet.CodeInvalidArgument, "take a reaction that the chat allows"},
	"REACTIONS_TOO_MANY":                {fleet.CodeFailedPrecondition, "give fewer reactions: one, or three with Premium"},
	"PREMIUM_ACCOUNT_REQUIRED":          {fleet.CodePermissionDenied, "Premium users only"},
	"SCHEDULE_DATE_TOO_LATE":            {fleet.CodeInvalidArgument, "schedule at most 365 days ahead"},
	"SCHEDULE_TOO_MUCH":                 {fleet.CodeResourceExhausted, "a chat has at most 100 scheduled messages: delete some"},
	"SCHEDULE_BOT_NOT_ALLOWED":          {fleet.CodePermissionDenied, "bots cannot schedule messages"},
	"TOPIC_CLOSED":                      {fleet.CodePermissionDenied, "the topic is closed: only admins write there"},
	"TOPIC_DELETED":                     {fleet.CodeNotFound, "the topic is gone"},
	"MSG_ID_INVALID":                    {fleet.CodeInvalidArgument, "the message does not exist in this chat"},
	"RANDOM_ID_DUPLICATE":               {fleet.CodeAlreadyExists, "the message was sent already"},
	"QUERY_ID_INVALID":                  {fleet.CodeFailedPrecondition, "the query is too old to be answered"},
	"INPUT_METHOD_INVALID":              {fleet.CodeUnimplemented, "the server does not know this method"},
	"CONNECTION_NOT_INITED":             {fleet.CodeUnavailable, "try again"},
	"AUTH_RESTART":                      {fleet.CodeAborted, "begin the login again"},
	"TIMEOUT":                           {fleet.CodeUnavailable, "try again"},
	"MSG_WAIT_FAILED":                   {fleet.CodeAborted, "try again"},
	"PHONE_NUMBER_APP_SIGNUP_FORBIDDEN": {fleet.CodeFailedPrecondition, "sign up with an official client first"},
}

// fromRPC types an error of the server.
func fromRPC(method string, e *tgerr.Error) *fleet.Error {
	name := strings.ToUpper(e.Type)
	if name == "" {
		name = strings.ToUpper(e.Message)
	}
	out := &fleet.Error{
		Code: codeOf(e.Code), Reason: name, Method: method, Argument: e.Argument,
		Message: fmt.Sprintf("%s: Telegram answered %d %s", method, e.Code, e.Message),
	}
	if v, ok := verdicts[name]; ok {
		out.Code, out.Remedy = v.code, v.remedy
	}
	switch {
	case e.Code == 420 || strings.HasSuffix(name, "_WAIT"):
		out.Code = fleet.CodeResourceExhausted
		out.RetryAfter = time.Duration(e.Argument) * time.Second
		out.Remedy = fmt.Sprintf("wait %s, then repeat", out.RetryAfter)
	case e.Code == 303 || strings.HasSuffix(name, "_MIGRATE"):
		out.Code = fleet.CodeUnavailable
		out.Remedy = fmt.Sprintf("the account moves to DC %d: repeat in a moment", e.Argument)
	}
	return out
}

// codeOf classes the numbers of RPC errors.
func codeOf(code int) fleet.Code {
	switch code {
	case 400:
		return fleet.CodeInvalidArgument
	case 401:
		return fleet.CodeUnauthenticated
	case 403:
		return fleet.CodePermissionDenied
	case 404:
		return fleet.CodeNotFound
	case 406:
		return fleet.CodeFailedPrecondition
	case 420:
		return fleet.CodeResourceExhausted
	case 303, 500, -500, 503, -503:
		return fleet.CodeUnavailable
	}
	return fleet.CodeUnknown
}
