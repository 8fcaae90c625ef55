package convert

import (
	"reflect"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// TestEveryRightOfTheSchemaIsInTheContract, goes there and comes back, and nothing else does.
func TestEveryRightOfTheSchemaIsInTheContract(t *testing.T) {
	flags := func(typ reflect.Type) (names []string) {
		for i := range typ.NumField() {
			if typ.Field(i).Type.Kind() == reflect.Bool {
				names = append(names, typ.Field(i).Name)
			}
		}
		return names
	}
	fields := func(m proto.Message) (names []string) {
		list := m.ProtoReflect().Descriptor().Fields()
		for i := range list.Len() {
			if f := list.Get(i); f.Kind() == protoreflect.BoolKind {
				names = append(names, goName(f))
			}
		}
		return names
	}
	admin, banned := flags(reflect.TypeFor[tg.ChatAdminRights]()), flags(reflect.TypeFor[tg.ChatBannedRights]())
	if got := fields(&v1.AdminRights{}); !reflect.DeepEqual(got, admin) {
		t.Errorf("admin rights %v, the schema has %v", got, admin)
	}
	if got := fields(&v1.BannedRights{}); !reflect.DeepEqual(got, banned) {
		t.Errorf("banned rights %v, the schema has %v", got, banned)
	}
	for _, name := range admin {
		var one tg.ChatAdminRights
		reflect.ValueOf(&one).Elem().FieldByName(name).SetBool(true)
		if got := InputAdminRights(AdminRights(&one)); got != one {
			t.Errorf("%s: %+v", name, got)
		}
	}
	now := time.Unix(1000, 0)
	for _, name := range banned {
		one := tg.ChatBannedRights{UntilDate: 2000}
		reflect.ValueOf(&one).Elem().FieldByName(name).SetBool(true)
		if got, err := InputBannedRights("rights", BannedRights(&one), now); err != nil || got != one {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := InputBannedRights("rights", &v1.BannedRights{Until: timestamppb.New(now)}, now); err == nil || err.Error() == "" {
		t.Error("a ban that is over was accepted")
	}
	if got := BannedRights(&tg.ChatBannedRights{UntilDate: forever}); got.GetUntil() != nil {
		t.Errorf("for ever is %v", got)
	}
}
