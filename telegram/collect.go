package telegram

import (
	"reflect"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// collectDepth is how deep users and chats can lie below an answer: box, wrapper, updates.
const collectDepth = 4

var (
	userSlice = reflect.TypeFor[[]tg.UserClass]()
	chatSlice = reflect.TypeFor[[]tg.ChatClass]()
	userValue = reflect.TypeFor[tg.UserClass]()
	chatValue = reflect.TypeFor[tg.ChatClass]()
)

// Sightings are the users and chats that came with a decoded answer or update (CollectPeers), then those
// whose names it says have changed (Renamed) or may have (Changed): what every Env feeds its peers with.
func Sightings(result any) []Peer {
	result = Decoded(result)
	peers := CollectPeers(result)
	switch r := result.(type) {
	case *tg.Updates:
		if r != nil {
			peers = append(peers, renamed(r.Updates)...)
		}
	case *tg.UpdatesCombined:
		if r != nil {
			peers = append(peers, renamed(r.Updates)...)
		}
	case *tg.UpdateShort:
		if r != nil {
			peers = append(peers, renamed([]tg.UpdateClass{r.Update})...)
		}
	case *tg.UpdatesDifference:
		peers = append(peers, renamed(r.OtherUpdates)...)
	case *tg.UpdatesDifferenceSlice:
		peers = append(peers, renamed(r.OtherUpdates)...)
	}
	return peers
}

// CollectPeers finds the users and chats that came with a decoded answer or update. Of lists, only those
// of users and chats are searched.
func CollectPeers(result any) []Peer {
	result = Decoded(result)
	if result == nil {
		return nil
	}
	var peers []Peer
	switch r := result.(type) { // the most frequent of all, without a search
	case *tg.Updates:
		if r != nil {
			return listed(r.Users, r.Chats)
		}
	case *tg.UpdatesCombined:
		if r != nil {
			return listed(r.Users, r.Chats)
		}
	case *tg.UpdateShort, *tg.UpdateShortMessage, *tg.UpdateShortChatMessage:
		return nil
	}
	if list, ok := result.([]any); ok {
		for _, v := range list {
			addPeer(v, &peers)
		}
		return peers
	}
	collect(reflect.ValueOf(result), collectDepth, &peers)
	return peers
}

func listed(users []tg.UserClass, chats []tg.ChatClass) []Peer {
	if len(users)+len(chats) == 0 {
		return nil
	}
	peers := make([]Peer, 0, len(users)+len(chats))
	for _, u := range users {
		addPeer(u, &peers)
	}
	for _, c := range chats {
		addPeer(c, &peers)
	}
	return peers
}

// renamed are the users whose names have changed, and the channels whose names may have.
func renamed(updates []tg.UpdateClass) (peers []Peer) {
	for _, u := range updates {
		switch u := u.(type) {
		case *tg.UpdateUserName:
			peers = append(peers, Peer{
				Kind: PeerUser, ID: u.UserID, Username: mainUsername("", u.Usernames), Usernames: activeNames(u.Usernames), Renamed: true,
			})
		case *tg.UpdateChannel:
			peers = append(peers, Peer{Kind: PeerChannel, ID: u.ChannelID, Changed: true})
		}
	}
	return peers
}

// Decoded is the value inside a decoder that an answer was read into: what a box of package tg
// holds, what a raw call decoded (a value of package tg, []any for vectors, nil for what the
// schema does not know), else the decoder itself.
func Decoded(out any) any {
	if raw, ok := out.(interface{ Decoded() any }); ok {
		return raw.Decoded()
	}
	v := reflect.ValueOf(out)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct || v.Elem().NumField() != 1 {
		return out
	}
	if f := v.Elem().Field(0); f.Kind() == reflect.Interface && strings.HasSuffix(v.Elem().Type().Name(), "Box") {
		return f.Interface()
	}
	return out
}

func collect(v reflect.Value, depth int, peers *[]Peer) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		switch v.Type() {
		case userValue, chatValue:
			addPeer(v.Interface(), peers)
			return
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || depth == 0 || !v.CanInterface() {
		return
	}
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Type() {
		case userSlice, chatSlice:
			for j := range f.Len() {
				addPeer(f.Index(j).Interface(), peers)
			}
			continue
		}
		switch f.Kind() {
		case reflect.Interface, reflect.Struct, reflect.Pointer:
			collect(f, depth-1, peers)
		}
	}
}

func addPeer(v any, peers *[]Peer) {
	var p Peer
	var ok bool
	switch v := v.(type) {
	case tg.UserClass:
		p, ok = PeerOfUser(v)
	case tg.ChatClass:
		p, ok = PeerOfChat(v)
	}
	if ok {
		*peers = append(*peers, p)
	}
}

// PeerOfUser is the peer of a user; false for userEmpty.
func PeerOfUser(u tg.UserClass) (Peer, bool) {
	user, ok := u.(*tg.User)
	if !ok {
		return Peer{}, false
	}
	p := Peer{
		Kind: PeerUser, ID: user.ID, AccessHash: user.AccessHash,
		Username: mainUsername(user.Username, user.Usernames), Usernames: activeNames(user.Usernames),
		Title: strings.TrimSpace(user.FirstName + " " + user.LastName),
		Phone: user.Phone, Self: user.Self, Bot: user.Bot, Min: user.Min,
	}
	if p.Self && !p.Min && user.Restricted {
		p.Restricted, p.Restriction = true, restrictionOf(user.RestrictionReason)
	}
	return p, true
}

// restrictionOf is why Telegram restricts a user: what it says for all platforms, or first of all.
func restrictionOf(reasons []tg.RestrictionReason) (text string) {
	for i, r := range reasons {
		if i == 0 || r.Platform == "all" {
			text = r.Reason + ": " + r.Text
		}
	}
	return text
}

// PeerOfChat is the peer of a basic group, channel or supergroup; false for chatEmpty.
func PeerOfChat(c tg.ChatClass) (Peer, bool) {
	switch c := c.(type) {
	case *tg.Chat:
		return Peer{Kind: PeerChat, ID: c.ID, Title: c.Title}, true
	case *tg.ChatForbidden:
		return Peer{Kind: PeerChat, ID: c.ID, Title: c.Title}, true
	case *tg.Channel:
		return Peer{
			Kind: PeerChannel, ID: c.ID, AccessHash: c.AccessHash, Title: c.Title,
			Username: mainUsername(c.Username, c.Usernames), Usernames: activeNames(c.Usernames), Megagroup: c.Megagroup, Min: c.Min,
		}, true
	case *tg.ChannelForbidden:
		return Peer{
			Kind: PeerChannel, ID: c.ID, AccessHash: c.AccessHash, Title: c.Title, Megagroup: c.Megagroup,
		}, true
	}
	return Peer{}, false
}

func mainUsername(name string, all []tg.Username) string {
	if name != "" {
		return name
	}
	for _, u := range all {
		if u.Active {
			return u.Username
		}
	}
	return ""
}

// activeNames are all active ones of several names.
func activeNames(all []tg.Username) (names []string) {
	for _, u := range all {
		if u.Active {
			names = append(names, u.Username)
		}
	}
	return names
}

// PeerRef splits a TL peer into kind and bare id.
func PeerRef(p tg.PeerClass) (PeerKind, int64, bool) {
	switch p := p.(type) {
	case *tg.PeerUser:
		return PeerUser, p.UserID, true
	case *tg.PeerChat:
		return PeerChat, p.ChatID, true
	case *tg.PeerChannel:
		return PeerChannel, p.ChannelID, true
	}
	return 0, 0, false
}

// Notices are what updates say must be asked for again.
type Notices struct {
	// Self: what is known of the account's own user (updateUser). DCs: the list of DCs
	// (updateDcOptions). Scanned: the login by QR code, whose code was scanned (updateLoginToken).
	Self, DCs, Scanned bool
}

// NoticesOf are those in a push that nobody is signed in for.
func NoticesOf(push []byte) Notices {
	u, err := tg.DecodeUpdates(&bin.Buffer{Buf: push})
	if err != nil {
		return Notices{}
	}
	return NoticesIn(u, 0)
}

// NoticesIn finds them in updates of the user self.
func NoticesIn(u tg.UpdatesClass, self int64) (n Notices) {
	look := func(u tg.UpdateClass) {
		switch u := u.(type) {
		case *tg.UpdateUser:
			n.Self = n.Self || u.UserID == self
		case *tg.UpdateDCOptions:
			n.DCs = true
		case *tg.UpdateLoginToken:
			n.Scanned = true
		}
	}
	switch u := u.(type) {
	case *tg.UpdateShort:
		look(u.Update)
	case *tg.Updates:
		for _, inner := range u.Updates {
			look(inner)
		}
	case *tg.UpdatesCombined:
		for _, inner := range u.Updates {
			look(inner)
		}
	}
	return n
}

// AuthorizationOf finds the user that an answer logged in: the answer of auth.signIn,
// auth.checkPassword, auth.importBotAuthorization, auth.sendCode (signed in at once) or
// auth.exportLoginToken. An Env persists it: user id, bot flag, home DC.
func AuthorizationOf(result any) (*tg.User, bool) {
	switch r := Decoded(result).(type) {
	case *tg.AuthSentCodeSuccess:
		return AuthorizationOf(r.Authorization)
	case *tg.AuthLoginTokenSuccess:
		return AuthorizationOf(r.Authorization)
	case *tg.AuthAuthorization:
		user, ok := r.User.(*tg.User)
		return user, ok
	}
	return nil, false
}

// LoggedOut reports whether an answer ended the login, and gives its future auth token, which
// lets a later login skip the password.
func LoggedOut(result any) (token []byte, ok bool) {
	if r, is := Decoded(result).(*tg.AuthLoggedOut); is {
		return r.FutureAuthToken, true
	}
	return nil, false
}
