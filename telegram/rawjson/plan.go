package rawjson

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tdp"
	"github.com/gotd/td/tg"
)

// object is what every generated type of the schema is.
type object interface {
	bin.Object
	TypeInfo() tdp.Type
}

// field is one field of a constructor.
type field struct {
	name  string
	index int // of the Go struct
	// flags is the index of the flags field that tells whether it is present, -1 when it
	// always is; bit is its bit.
	flags, bit int
	// trueFlag marks fields that are nothing but their bit (flags.N?true).
	trueFlag bool
}

// plan is what is known of one Go type of the schema.
type plan struct {
	name   string
	fields []field
	byName map[string]int
}

var (
	fieldsType = reflect.TypeFor[bin.Fields]()
	objectType = reflect.TypeFor[bin.Object]()
	bytesType  = reflect.TypeFor[[]byte]()
)

// schema gives the constructors and methods by name and by id.
var schema = sync.OnceValue(func() (s struct {
	ids  map[string]uint32
	make map[uint32]func() bin.Object
},
) {
	s.ids, s.make = tg.NamesMap(), tg.TypesConstructorMap()
	return s
})

// byName makes an empty value of a constructor or method.
func byName(name string) (object, bool) {
	id, ok := schema().ids[name]
	if !ok {
		return nil, false
	}
	return byID(id)
}

// spelled names what differs from name by capital letters only.
func spelled(name string) string {
	for known := range schema().ids {
		if strings.EqualFold(known, name) {
			return ": it is spelled " + known
		}
	}
	return ""
}

func byID(id uint32) (object, bool) {
	construct, ok := schema().make[id]
	if !ok {
		return nil, false
	}
	obj, ok := construct().(object)
	return obj, ok
}

var plans sync.Map // reflect.Type of the struct -> *plan

// planOf learns a struct type. Which bit stands for which field is found by setting each bit of
// an empty value and asking its TypeInfo what has become present.
func planOf(t reflect.Type) (*plan, error) {
	if p, ok := plans.Load(t); ok {
		return p.(*plan), nil
	}
	empty, ok := reflect.New(t).Interface().(object)
	if !ok {
		return nil, fmt.Errorf("%s is no type of the schema", t)
	}
	info := empty.TypeInfo()
	p := &plan{name: info.Name, byName: map[string]int{}}
	for _, f := range info.Fields {
		sf, ok := t.FieldByName(f.Name)
		if !ok {
			return nil, fmt.Errorf("%s has no field %s", t, f.Name)
		}
		if sf.Type == fieldsType {
			continue
		}
		p.byName[f.SchemaName] = len(p.fields)
		p.fields = append(p.fields, field{name: f.SchemaName, index: sf.Index[0], flags: -1})
	}
	p.findBits(t)
	actual, _ := plans.LoadOrStore(t, p)
	return actual.(*plan), nil
}

func (p *plan) findBits(t reflect.Type) {
	for i := range t.NumField() {
		if t.Field(i).Type != fieldsType {
			continue
		}
		for bit := range 32 {
			v := reflect.New(t)
			v.Elem().Field(i).SetUint(1 << bit)
			for _, f := range v.Interface().(object).TypeInfo().Fields {
				j, known := p.byName[f.SchemaName]
				if !known || f.Null || !conditional(t, f.SchemaName) || p.fields[j].flags >= 0 {
					continue
				}
				pf := &p.fields[j]
				pf.flags, pf.bit = i, bit
				pf.trueFlag = t.Field(pf.index).Type.Kind() == reflect.Bool && !conditionalBools[p.name+"."+pf.name]
			}
		}
	}
}

// conditional reports whether a field is absent from an empty value.
func conditional(t reflect.Type, name string) bool {
	for _, f := range reflect.New(t).Interface().(object).TypeInfo().Fields {
		if f.SchemaName == name {
			return f.Null
		}
	}
	return false
}

// conditionalBools lists the fields of type flags.N?Bool, which Go's types do not tell from
// flags.N?true (telegram.tl of layer 228).
var conditionalBools = set(
	"messageActionTopicEdit.closed", "messageActionTopicEdit.hidden",
	"inputPeerNotifySettings.show_previews", "inputPeerNotifySettings.silent",
	"inputPeerNotifySettings.stories_muted", "inputPeerNotifySettings.stories_hide_sender",
	"peerNotifySettings.show_previews", "peerNotifySettings.silent",
	"peerNotifySettings.stories_muted", "peerNotifySettings.stories_hide_sender",
	"updateWebBrowserException.open_external_browser", "keyboardButtonRequestPoll.quiz",
	"codeSettings.app_sandbox", "requestPeerTypeUser.bot", "requestPeerTypeUser.premium",
	"requestPeerTypeChat.has_username", "requestPeerTypeChat.forum",
	"requestPeerTypeBroadcast.has_username", "payments.savedStarGifts.chat_notifications_enabled",
	"communityPeer.visible", "account.changeAuthorizationSettings.encrypted_requests_disabled",
	"account.changeAuthorizationSettings.call_requests_disabled",
	"account.toggleWebBrowserSettingsException.open_external_browser",
	"messages.editExportedChatInvite.request_needed", "messages.setChatAvailableReactions.paid_enabled",
	"messages.editForumTopic.closed", "messages.editForumTopic.hidden",
	"payments.changeStarsSubscription.canceled", "phone.toggleGroupCallSettings.join_muted",
	"phone.toggleGroupCallSettings.messages_enabled", "phone.toggleGroupCallRecord.video_portrait",
	"phone.editGroupCallParticipant.muted", "phone.editGroupCallParticipant.raise_hand",
	"phone.editGroupCallParticipant.video_stopped", "phone.editGroupCallParticipant.video_paused",
	"phone.editGroupCallParticipant.presentation_paused", "stories.startLive.messages_enabled",
	"aicompose.updateTone.display_author",
)

// bareVectors gives the kind of elements of the answers that are vectors of bare values; all
// other vectors hold values that name their constructor (telegram.tl of layer 228).
var bareVectors = map[string]reflect.Kind{
	"contacts.getContactIDs": reflect.Int, "phone.checkGroupCall": reflect.Int,
	"stories.deleteStories": reflect.Int, "stories.togglePinned": reflect.Int,
	"stories.readStories": reflect.Int, "messages.receivedQueue": reflect.Int64,
	"photos.deletePhotos": reflect.Int64,
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
