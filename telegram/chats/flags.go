package chats

import (
	"reflect"

	"github.com/gotd/td/tg"
)

// The rights of the schema are structs of flags; what concerns all of them goes over their fields, so
// that a right of a later layer is not forgotten.

func allBannedRights() tg.ChatBannedRights { return all[tg.ChatBannedRights]() }

func allAdminRights() tg.ChatAdminRights { return all[tg.ChatAdminRights]() }

// all has every flag set.
func all[T any]() T {
	var out T
	v := reflect.ValueOf(&out).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Bool {
			f.SetBool(true)
		}
	}
	return out
}

// union has the flags of either.
func union(a, b tg.ChatBannedRights) tg.ChatBannedRights {
	out, from := reflect.ValueOf(&a).Elem(), reflect.ValueOf(b)
	for i := range out.NumField() {
		if f := out.Field(i); f.Kind() == reflect.Bool {
			f.SetBool(f.Bool() || from.Field(i).Bool())
		}
	}
	return a
}
