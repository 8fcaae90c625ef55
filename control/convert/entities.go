package convert

import (
	"fmt"
	"strconv"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// maxEntities is how many entities one message may have (core.telegram.org/api/entities).
const maxEntities = 100

// Entities converts formatting from TL.
func Entities(list []tg.MessageEntityClass) []*v1.Entity {
	out := make([]*v1.Entity, 0, len(list))
	for _, e := range list {
		entity := &v1.Entity{Type: entityType(e), Offset: int32(e.GetOffset()), Length: int32(e.GetLength())}
		switch e := e.(type) {
		case *tg.MessageEntityPre:
			entity.Language = e.Language
		case *tg.MessageEntityTextURL:
			entity.Url = e.URL
		case *tg.MessageEntityMentionName:
			entity.UserId = e.UserID
		case *tg.MessageEntityCustomEmoji:
			entity.CustomEmojiId = e.DocumentID
		case *tg.MessageEntityBlockquote:
			entity.Collapsed = e.Collapsed
		}
		out = append(out, entity)
	}
	return out
}

// plainEntities pairs the types that have no field of their own with an empty TL value.
var plainEntities = map[v1.EntityType]func(offset, length int) tg.MessageEntityClass{
	v1.EntityType_ENTITY_TYPE_MENTION:     func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityMention{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_HASHTAG:     func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityHashtag{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_CASHTAG:     func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityCashtag{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_BOT_COMMAND: func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityBotCommand{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_URL:         func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityURL{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_EMAIL:       func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityEmail{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_PHONE:       func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityPhone{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_BOLD:        func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityBold{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_ITALIC:      func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityItalic{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_UNDERLINE:   func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityUnderline{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_STRIKE:      func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityStrike{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_SPOILER:     func(o, l int) tg.MessageEntityClass { return &tg.MessageEntitySpoiler{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_CODE:        func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityCode{Offset: o, Length: l} },
	v1.EntityType_ENTITY_TYPE_BANK_CARD:   func(o, l int) tg.MessageEntityClass { return &tg.MessageEntityBankCard{Offset: o, Length: l} },
}

// entityTypes is plainEntities and the rest, by constructor.
var entityTypes = func() map[uint32]v1.EntityType {
	types := map[uint32]v1.EntityType{
		tg.MessageEntityPreTypeID: v1.EntityType_ENTITY_TYPE_PRE, tg.MessageEntityBlockquoteTypeID: v1.EntityType_ENTITY_TYPE_BLOCKQUOTE,
		tg.MessageEntityTextURLTypeID: v1.EntityType_ENTITY_TYPE_TEXT_URL, tg.MessageEntityMentionNameTypeID: v1.EntityType_ENTITY_TYPE_MENTION_NAME,
		tg.MessageEntityCustomEmojiTypeID: v1.EntityType_ENTITY_TYPE_CUSTOM_EMOJI,
	}
	for t, make := range plainEntities {
		types[make(0, 0).TypeID()] = t
	}
	return types
}()

func entityType(e tg.MessageEntityClass) v1.EntityType { return entityTypes[e.TypeID()] }

// InputEntities converts formatting to TL; field names it in errors.
func InputEntities(field string, list []*v1.Entity, peers telegram.Peers) ([]tg.MessageEntityClass, error) {
	if len(list) > maxEntities {
		return nil, Invalid(field, "drop some", "must be at most %d (got %d)", maxEntities, len(list))
	}
	out := make([]tg.MessageEntityClass, 0, len(list))
	for i, e := range list {
		field := fmt.Sprintf("%s[%d]", field, i)
		offset, length := int(e.GetOffset()), int(e.GetLength())
		if offset < 0 || length <= 0 {
			return nil, Invalid(field, "give offset and length in UTF-16 code units", "must have offset >= 0 and length > 0 (got %d, %d)", offset, length)
		}
		if plain, ok := plainEntities[e.GetType()]; ok {
			out = append(out, plain(offset, length))
			continue
		}
		entity, err := inputEntity(field, e, offset, length, peers)
		if err != nil {
			return nil, err
		}
		out = append(out, entity)
	}
	return out, nil
}

func inputEntity(field string, e *v1.Entity, offset, length int, peers telegram.Peers) (tg.MessageEntityClass, error) {
	switch e.GetType() {
	case v1.EntityType_ENTITY_TYPE_PRE:
		return &tg.MessageEntityPre{Offset: offset, Length: length, Language: e.GetLanguage()}, nil
	case v1.EntityType_ENTITY_TYPE_BLOCKQUOTE:
		return &tg.MessageEntityBlockquote{Offset: offset, Length: length, Collapsed: e.GetCollapsed()}, nil
	case v1.EntityType_ENTITY_TYPE_TEXT_URL:
		if e.GetUrl() == "" {
			return nil, Invalid(field+".url", "give the link's target", "is empty")
		}
		return &tg.MessageEntityTextURL{Offset: offset, Length: length, URL: e.GetUrl()}, nil
	case v1.EntityType_ENTITY_TYPE_CUSTOM_EMOJI:
		return &tg.MessageEntityCustomEmoji{Offset: offset, Length: length, DocumentID: e.GetCustomEmojiId()}, nil
	case v1.EntityType_ENTITY_TYPE_MENTION_NAME:
		p, ok := peers.Get(telegram.PeerUser, e.GetUserId())
		if !ok || !p.Usable() {
			return nil, fleet.Errorf(fleet.CodeNotFound, "PEER_UNKNOWN", "%s.user_id: the account has not met user %s",
				field, strconv.FormatInt(e.GetUserId(), 10)).WithRemedy("resolve the user by name first")
		}
		return &tg.InputMessageEntityMentionName{
			Offset: offset, Length: length, UserID: &tg.InputUser{UserID: p.ID, AccessHash: p.AccessHash},
		}, nil
	}
	return nil, Invalid(field+".type", "give one of the types that EntityType lists", "cannot be sent (got %s)", e.GetType())
}
