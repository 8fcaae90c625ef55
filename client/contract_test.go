package client_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/control/methods"
)

// sdk names what calls each RPC of the contract.
var sdk = map[string]string{
	"FleetService/CreateAccount": "Client.CreateAccount", "FleetService/GetAccount": "Client.GetAccount",
	"FleetService/ListAccounts": "Client.Accounts", "FleetService/WatchAccounts": "Client.WatchAccounts",
	"FleetService/UpdateAccount": "Client.UpdateAccount", "FleetService/DeleteAccount": "Account.Delete",
	"FleetService/DisconnectAccount": "Account.Disconnect", "AuthService/QrLogin": "Account.QRLogin",
	"FleetService/PauseAccount": "Account.Pause", "FleetService/ResumeAccount": "Account.Resume",
	"FleetService/MoveAccount": "Account.Move", "FleetService/ListNodes": "Client.Nodes",
	"FleetService/WatchNodes": "Client.WatchNodes", "FleetService/CordonNode": "Client.CordonNode",
	"FleetService/UncordonNode": "Client.UncordonNode", "FleetService/DrainNode": "Client.DrainNode",
	"FleetService/NetworkRestored": "Client.NetworkRestored",
	"AuthService/RequestCode":      "Account.RequestCode", "AuthService/ResendCode": "CodeSent.Resend",
	"AuthService/CancelCode": "CodeSent.Cancel", "AuthService/SignIn": "Account.SignIn",
	"AuthService/CheckPassword": "Account.CheckPassword", "AuthService/BotSignIn": "Account.BotSignIn",
	"AuthService/GetAuthorization": "Account.Authorization", "AuthService/LogOut": "Account.LogOut",
	"UserService/GetMe": "Account.Me", "PeerService/ResolvePeer": "Account.ResolvePeer",
	"MessageService/SendMessage": "Account.SendMessage", "MessageService/GetHistory": "Account.HistoryPage",
	"DialogService/GetDialogs": "Account.DialogsPage", "DialogService/IterateDialogs": "Account.Dialogs",
	"DialogService/MarkRead": "Account.MarkRead", "DialogService/ClearMentions": "Account.ClearMentions",
	"DialogService/DeleteDialog": "Account.DeleteDialog", "SearchService/SearchMessages": "Account.SearchPage",
	"SearchService/SearchGlobal":  "Account.SearchGlobalPage",
	"ChatService/GetParticipants": "Account.ParticipantsPage", "ChatService/IterateParticipants": "Account.Participants",
	"ChatService/GetPermissions": "Account.Permissions", "ChatService/SetAdminRights": "Account.SetAdminRights",
	"ChatService/SetBannedRights": "Account.SetBannedRights", "ChatService/JoinChat": "Account.JoinChat",
	"ChatService/CheckInvite": "Account.CheckInvite", "ChatService/AcceptInvite": "Account.AcceptInvite",
	"MediaService/Upload": "Account.Upload", "MediaService/GetUpload": "", // Upload asks when its stream broke
	"MediaService/SendFile": "Account.SendFile", "MediaService/SendAlbum": "Account.SendAlbum",
	"MediaService/Download": "Account.Download", "MediaService/GetProfilePhotos": "Account.ProfilePhotos",
	"BatchService/RunBatch":          "Client.Batch",
	"BotService/AnswerCallbackQuery": "Account.AnswerCallbackQuery", "BotService/AnswerInlineQuery": "Account.AnswerInlineQuery",
	"BotService/EditInlineMessage": "Account.EditInlineMessage",
	"RawService/Invoke":            "Account.InvokeJSON", "SessionService/SyncUpdates": "Account.Sync",
	"SessionService/InspectSession": "Client.InspectSession", "SessionService/ImportSession": "Account.ImportSession",
	"SecurityService/RotateMasterKey": "Client.RotateMasterKey",
	"SessionService/ExportSession":    "Account.ExportSession", "SessionService/SaveSession": "Account.SaveSession",
	"EventService/Subscribe":         "Client.Events",
	"ConsumerService/CreateConsumer": "Client.CreateConsumer", "ConsumerService/GetConsumer": "Client.GetConsumer",
	"ConsumerService/ListConsumers": "Client.Consumers", "ConsumerService/UpdateConsumer": "Client.UpdateConsumer",
	"ConsumerService/DeleteConsumer": "Client.DeleteConsumer", "ConsumerService/FetchEvents": "Client.Consume",
	"ConsumerService/AckEvents": "Delivery.Ack", "ConsumerService/NakEvents": "Delivery.Nak", "ConsumerService/KeepEvents": "Delivery.Keep",
	"ConsumerService/ReplayConsumer": "Client.ReplayConsumer", "ConsumerService/ListDeadLetters": "Client.DeadLetters",
	"ConsumerService/RedeliverDeadLetters": "Client.RedeliverDeadLetters", "WebhookService/RedeliverWebhook": "Client.RedeliverWebhook",
	// Client.Consume asks for a few events at a time, so that none waits longer than it may.
	"ConsumerService/ConsumeEvents": "",
	"WebhookService/CreateWebhook":  "Client.CreateWebhook", "WebhookService/GetWebhook": "Client.GetWebhook",
	"WebhookService/ListWebhooks": "Client.Webhooks", "WebhookService/UpdateWebhook": "Client.UpdateWebhook",
	"WebhookService/DeleteWebhook": "Client.DeleteWebhook", "WebhookService/EnableWebhook": "Client.EnableWebhook",
	"WebhookService/RotateWebhookSecret": "Client.RotateWebhookSecret", "WebhookService/TestWebhook": "Client.TestWebhook",
	"WebhookService/ListDeliveries": "Client.WebhookDeliveries", "WebhookService/ReplayWebhook": "Client.ReplayWebhook",
	"ProxyService/CreateProxy": "Client.CreateProxy", "ProxyService/GetProxy": "Client.GetProxy",
	"ProxyService/ListProxies": "Client.Proxies", "ProxyService/UpdateProxy": "Client.UpdateProxy",
	"ProxyService/DeleteProxy": "Client.DeleteProxy", "ProxyService/TestProxy": "Client.TestProxy",
	"MessageService/EditMessage": "Account.EditMessage", "MessageService/ForwardMessages": "Account.ForwardMessages",
	"MessageService/DeleteMessages": "Account.DeleteMessages", "MessageService/GetMessages": "Account.Messages",
	"MessageService/PinMessage": "Account.PinMessage", "MessageService/UnpinMessage": "Account.UnpinMessage",
	"MessageService/UnpinAllMessages": "Account.UnpinAllMessages", "MessageService/GetPinnedMessage": "Account.PinnedMessage",
	"ReactionService/SendReaction": "Account.SendReaction", "ReactionService/SendChatAction": "Account.SendChatAction",
	"ScheduledService/GetScheduledMessages":    "Account.ScheduledMessages",
	"ScheduledService/DeleteScheduledMessages": "Account.DeleteScheduledMessages",
	"ScheduledService/SendScheduledMessages":   "Account.SendScheduledMessages",
	// Calls of this package share one connection as they are; Exchange is for callers that have
	// one stream only.
	"ControlService/Exchange": "",
}

func TestEveryMethodOfTheContractHasOneHere(t *testing.T) {
	types := map[string]reflect.Type{
		"Client": reflect.TypeFor[*client.Client](), "Account": reflect.TypeFor[*client.Account](), "CodeSent": reflect.TypeFor[*client.CodeSent](),
		"Delivery": reflect.TypeFor[*client.Delivery](),
	}
	seen := map[string]bool{}
	for rpc := range methods.RPCs() {
		name := string(rpc.Parent().Name()) + "/" + string(rpc.Name())
		seen[name] = true
		call, ok := sdk[name]
		if !ok {
			t.Errorf("%s has no method here", name)
		}
		if call == "" {
			continue
		}
		typ, method, _ := strings.Cut(call, ".")
		if _, ok := types[typ].MethodByName(method); !ok {
			t.Errorf("%s: there is no method %s", name, call)
		}
	}
	for name := range sdk {
		if !seen[name] {
			t.Errorf("the contract has no %s", name)
		}
	}
}
