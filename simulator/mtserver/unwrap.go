package mtserver

import (
	"errors"
	"fmt"

	"github.com/gotd/td/bin"
)

// Constructor ids of the API that belong to the protocol: the wrappers of a query, what
// they carry, and what an unbound temporary key may call.
const (
	idInvokeWithLayer       = 0xda9b0d0d
	idInitConnection        = 0xc1cd5ea9
	idInvokeWithoutUpdates  = 0xbf9459b7
	idInvokeAfterMsg        = 0xcb9f372d
	idInvokeAfterMsgs       = 0x3dc4b4f0
	idInvokeMessagesRange   = 0x365275f2
	idInvokeTakeout         = 0xaca9fd2e
	idInvokeBusiness        = 0xdd289f8e
	idInvokeGoogleIntegrity = 0x1df92984
	idInvokeApnsSecret      = 0x0dae54f8
	idInvokeReCaptcha       = 0xadbb0f94
	idInputClientProxy      = 0x75588b3f
	idMessageRange          = 0x0ae30253
	idJSONObjectValue       = 0xc0de1bd9
	idJSONNull              = 0x3f6d7b68
	idJSONBool              = 0xc7345e6a
	idJSONNumber            = 0x2be0dfa4
	idJSONString            = 0xb71e767a
	idJSONArray             = 0xf7444763
	idJSONObject            = 0x99c1d49d
	idBindTempKey           = 0xcdd42a05
	idGetConfig             = 0xc4f9186b
	idGetNearestDC          = 0x1fb33026
	wrappersDeep            = 16
	jsonDeep                = 16
)

var errWrapper = errors.New("malformed wrapper of a query")

// wrapped is a query without its wrappers.
type wrapped struct {
	body           []byte
	layer          int
	init           *Init
	withoutUpdates bool
	takeoutID      int64
	businessID     string
}

// unwrap takes the wrappers off a query. What invokeAfterMsg asks for holds anyway: the
// calls of a session run in order.
func unwrap(body []byte) (wrapped, error) {
	b := &bin.Buffer{Buf: body}
	var w wrapped
	for range wrappersDeep {
		id, err := b.PeekID()
		if err != nil {
			return w, errWrapper
		}
		step, ok := wrappers[id]
		if !ok {
			w.body = b.Buf
			return w, nil
		}
		b.Skip(4)
		if err := step(b, &w); err != nil {
			return w, fmt.Errorf("%w: %#08x: %w", errWrapper, id, err)
		}
	}
	return w, errWrapper
}

var wrappers = map[uint32]func(*bin.Buffer, *wrapped) error{
	idInvokeWithLayer: func(b *bin.Buffer, w *wrapped) (err error) {
		w.layer, err = b.Int()
		return err
	},
	idInvokeWithoutUpdates: func(_ *bin.Buffer, w *wrapped) error {
		w.withoutUpdates = true
		return nil
	},
	idInvokeAfterMsg: func(b *bin.Buffer, _ *wrapped) error {
		_, err := b.Long()
		return err
	},
	idInvokeAfterMsgs: func(b *bin.Buffer, _ *wrapped) error {
		n, err := b.VectorHeader()
		for range n {
			if _, err := b.Long(); err != nil {
				return err
			}
		}
		return err
	},
	idInvokeMessagesRange: func(b *bin.Buffer, _ *wrapped) error {
		if err := b.ConsumeID(idMessageRange); err != nil {
			return err
		}
		_, err := b.Long() // two ints
		return err
	},
	idInvokeTakeout: func(b *bin.Buffer, w *wrapped) (err error) {
		w.takeoutID, err = b.Long()
		return err
	},
	idInvokeBusiness: func(b *bin.Buffer, w *wrapped) (err error) {
		w.businessID, err = b.String()
		return err
	},
	idInvokeGoogleIntegrity: skipStrings(2),
	idInvokeApnsSecret:      skipStrings(2),
	idInvokeReCaptcha:       skipStrings(1),
	idInitConnection:        initConnection,
}

func skipStrings(n int) func(*bin.Buffer, *wrapped) error {
	return func(b *bin.Buffer, _ *wrapped) error {
		for range n {
			if _, err := b.String(); err != nil {
				return err
			}
		}
		return nil
	}
}

func initConnection(b *bin.Buffer, w *wrapped) error {
	flags, err := b.Uint32()
	if err != nil {
		return err
	}
	i := &Init{}
	if i.APIID, err = b.Int(); err != nil {
		return err
	}
	for _, field := range []*string{&i.DeviceModel, &i.SystemVersion, &i.AppVersion, &i.SystemLangCode, &i.LangPack, &i.LangCode} {
		if *field, err = b.String(); err != nil {
			return err
		}
	}
	if flags&1 != 0 {
		if err := b.ConsumeID(idInputClientProxy); err != nil {
			return err
		}
		if _, err := b.String(); err != nil {
			return err
		}
		if _, err := b.Int(); err != nil {
			return err
		}
	}
	if flags&2 != 0 {
		if err := skipJSON(b, jsonDeep); err != nil {
			return err
		}
	}
	w.init = i
	return nil
}

// skipJSON reads one JSONValue.
func skipJSON(b *bin.Buffer, depth int) error {
	if depth == 0 {
		return errWrapper
	}
	id, err := b.ID()
	if err != nil {
		return err
	}
	switch id {
	case idJSONNull:
		return nil
	case idJSONBool:
		_, err = b.Bool()
	case idJSONNumber:
		_, err = b.Double()
	case idJSONString:
		_, err = b.String()
	case idJSONArray, idJSONObject:
		var n int
		if n, err = b.VectorHeader(); err != nil {
			return err
		}
		for range n {
			if id == idJSONObject {
				if err := b.ConsumeID(idJSONObjectValue); err != nil {
					return err
				}
				if _, err := b.String(); err != nil {
					return err
				}
			}
			if err := skipJSON(b, depth-1); err != nil {
				return err
			}
		}
	default:
		return errWrapper
	}
	return err
}
