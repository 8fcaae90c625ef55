package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// filler makes values of any type of the schema.
type filler struct {
	rand    *rand.Rand
	classes map[reflect.Type][]uint32 // interface -> constructors, found on first use
}

func (g *filler) class(t reflect.Type) []uint32 {
	if ids, ok := g.classes[t]; ok {
		return ids
	}
	var ids []uint32
	for id, construct := range schema().make {
		if obj, ok := construct().(object); ok && reflect.TypeOf(obj).Implements(t) && !isMethod(obj) {
			ids = append(ids, id)
		}
	}
	// the order of a map is random: the generated values must not be
	for i := range ids {
		for j := i + 1; j < len(ids); j++ {
			if ids[j] < ids[i] {
				ids[i], ids[j] = ids[j], ids[i]
			}
		}
	}
	g.classes[t] = ids
	return ids
}

// fill gives v a value; false when it goes too deep.
func (g *filler) fill(v reflect.Value, depth int) bool {
	switch v.Kind() {
	case reflect.Interface:
		ids := g.class(v.Type())
		if v.Type() == objectType {
			v.Set(reflect.ValueOf(&tg.HelpGetConfigRequest{}))
			return true
		}
		for range 20 {
			if depth > 8 || len(ids) == 0 {
				return false
			}
			obj, _ := byID(ids[g.rand.IntN(len(ids))])
			if g.object(reflect.ValueOf(obj).Elem(), depth+1) {
				v.Set(reflect.ValueOf(obj))
				return true
			}
		}
		return false
	case reflect.Struct:
		return g.object(v, depth+1)
	case reflect.Slice:
		n := g.rand.IntN(3)
		if v.Type() == bytesType {
			v.SetBytes([]byte("bytes")[:n+1])
			return true
		}
		if depth > 5 {
			n = 0
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			if !g.fill(v.Index(i), depth+1) {
				v.Set(reflect.MakeSlice(v.Type(), 0, 0))
				break
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(g.rand.IntN(256)))
		}
	case reflect.Bool:
		v.SetBool(g.rand.IntN(2) == 0)
	case reflect.String:
		v.SetString([]string{"", "text", "\"<é😀\n"}[g.rand.IntN(3)])
	case reflect.Int:
		v.SetInt([]int64{0, -1, math.MaxInt32, math.MinInt32, 77}[g.rand.IntN(5)])
	case reflect.Int64:
		v.SetInt([]int64{0, -1, math.MaxInt64, math.MinInt64, 1 << 53}[g.rand.IntN(5)])
	case reflect.Float64:
		v.SetFloat([]float64{0, -1.5, 1e300}[g.rand.IntN(3)])
	}
	return true
}

func (g *filler) object(v reflect.Value, depth int) bool {
	p, err := planOf(v.Type())
	if err != nil {
		return false
	}
	bits := map[[2]int]bool{}
	for _, f := range p.fields {
		bit := [2]int{f.flags, f.bit}
		if _, drawn := bits[bit]; f.flags >= 0 && !drawn {
			bits[bit] = g.rand.IntN(2) == 0 && depth < 6
		}
		if f.flags >= 0 && !bits[bit] {
			continue
		}
		if f.trueFlag {
			v.Field(f.index).SetBool(true)
		} else if !g.fill(v.Field(f.index), depth) {
			return false
		}
		if f.flags >= 0 {
			flags := v.Field(f.flags)
			flags.SetUint(flags.Uint() | 1<<f.bit)
		}
	}
	return true
}

func TestEveryConstructorRoundTrips(t *testing.T) {
	var made, values int
	g := &filler{classes: map[reflect.Type][]uint32{}}
	for name, id := range schema().ids {
		h := fnv.New64a()
		h.Write([]byte(name))
		g.rand = rand.New(rand.NewPCG(h.Sum64(), 1)) // one seed a constructor: failures repeat
		filled := false
		for range 8 {
			obj, ok := byID(id)
			if !ok {
				t.Fatalf("%s cannot be made", name)
			}
			if !g.object(reflect.ValueOf(obj).Elem(), 0) {
				continue
			}
			filled = true
			values++
			roundTrip(t, obj)
		}
		if filled {
			made++
		} else {
			t.Logf("%s: no value generated", name)
		}
	}
	t.Logf("%d values of %d of %d constructors and methods", values, made, len(schema().ids))
	if made < len(schema().ids)-20 {
		t.Errorf("only %d constructors were tried", made)
	}
}

func roundTrip(t *testing.T, obj object) {
	t.Helper()
	var want bin.Buffer
	if err := obj.Encode(&want); err != nil {
		t.Fatalf("encode %s: %v", obj.TypeInfo().Name, err)
	}
	text, err := Format(obj)
	if err != nil {
		t.Fatalf("format %s: %v", obj.TypeInfo().Name, err)
	}
	if string(text) == "true" || string(text) == "false" {
		return // Bool has no object
	}
	if !json.Valid(text) {
		t.Fatalf("not JSON: %s", text)
	}
	back, err := Parse(text)
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	var got bin.Buffer
	if err := back.Encode(&got); err != nil {
		t.Fatalf("encode %s: %v", text, err)
	}
	if !bytes.Equal(got.Buf, want.Buf) {
		t.Fatalf("%s changed:\n got %x\nwant %x", text, got.Buf, want.Buf)
	}
}

func TestProblemsNameThePath(t *testing.T) {
	for text, want := range map[string]Error{
		`{`:                          {"", "is not JSON: unexpected EOF"},
		`{} {}`:                      {"", "has more than one JSON value"},
		`[]`:                         {"", `must be an object with "_" (got [])`},
		`{}`:                         {"_", "is missing: it names the constructor"},
		`{"_":7}`:                    {"_", "must be a constructor's name (got 7)"},
		`{"_":"messages.getHistry"}`: {"_", `is not in the schema (got "messages.getHistry")`},
		`{"_":"help.getNearestDC"}`:  {"_", `is not in the schema (got "help.getNearestDC"): it is spelled help.getNearestDc`},
		`{"_":"users.getUsers","id":[{"_":"inputUserSelf"}],"extra":1}`:                 {"extra", "unknown field of users.getUsers (it has id)"},
		`{"_":"users.getUsers","id":[{"_":"inputUserSelf"},{"_":"inputUser"}]}`:         {"id[1].user_id", "is missing in inputUser"},
		`{"_":"users.getUsers","id":[{"_":"inputUser","user_id":1.5,"access_hash":1}]}`: {"id[0].user_id", "must be a 64-bit integer, as a number or a string (got 1.5)"},
		`{"_":"users.getUsers","id":[{"_":"inputPeerSelf"}]}`:                           {"id[0]._", "inputPeerSelf is no InputUser"},
		`{"_":"users.getUsers","id":{}}`:                                                {"id", "must be an array (got {})"},
		`{"_":"users.getUsers"}`:                                                        {"id", "is missing in users.getUsers"},
		`{"_":"messages.getHistory","peer":{"_":"inputPeerSelf"},"offset_id":3000000000,"offset_date":0,"add_offset":0,"limit":1,"max_id":0,"min_id":0,"hash":0}`: {"offset_id", "must be a 32-bit integer (got 3000000000)"},
		`{"_":"messages.getHistory","peer":{"_":"inputPeerSelf"},"offset_id":"1"}`:                                                                                {"offset_id", `must be a 32-bit integer (got "1")`},
		`{"_":"contacts.resolveUsername","username":5}`:                                                                                                           {"username", "must be a string (got 5)"},
		`{"_":"upload.saveFilePart","file_id":"1","file_part":0,"bytes":"?"}`:                                                                                     {"bytes", `must be standard base64 (got "?")`},
		`{"_":"account.updateStatus","offline":"yes"}`:                                                                                                            {"offline", `must be true or false (got "yes")`},
		`{"_":"contacts.resolveUsername","flags":1,"username":"x"}`:                                                                                               {"flags", "unknown field of contacts.resolveUsername (it has referer, username)"},
	} {
		_, err := Parse([]byte(text))
		var got *Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%s:\n got %v\nwant %v", text, err, want)
		}
	}
}

func TestCallsAreMethods(t *testing.T) {
	for _, text := range []string{`{"_":"inputPeerSelf"}`, `{"_":"communityPeerRequest","peer":{"_":"peerUser","user_id":1},"requested_by":1,"date":1}`} {
		if _, err := ParseCall([]byte(text)); err == nil || !strings.Contains(err.Error(), "not a method") {
			t.Errorf("%s: %v", text, err)
		}
	}
	call, err := ParseCall([]byte(`{"_":"help.getConfig"}`))
	if err != nil || call.TypeName() != "help.getConfig" || call.TypeID() != tg.HelpGetConfigRequestTypeID {
		t.Fatal(call, err)
	}
	methods := 0
	for name := range schema().ids {
		if obj, _ := byName(name); isMethod(obj) {
			methods++
		}
	}
	if methods < 800 || methods > 820 {
		t.Errorf("%d methods", methods)
	}
}

func TestFieldsOfOneBitComeTogether(t *testing.T) {
	_, err := Parse([]byte(`{"_":"account.password","has_password":true,"new_algo":{"_":"passwordKdfAlgoUnknown"},"new_secure_algo":{"_":"securePasswordKdfAlgoUnknown"},"secure_random":""}`))
	if err == nil || !strings.Contains(err.Error(), "it goes with has_password") {
		t.Errorf("got %v", err)
	}
}

func answer(t *testing.T, call, tl bin.Encoder) string {
	t.Helper()
	var b bin.Buffer
	if err := tl.Encode(&b); err != nil {
		t.Fatal(err)
	}
	raw := bytes.Clone(b.Buf)
	a := NewAnswer(call)
	if err := a.Decode(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.TL, raw) || b.Len() != 0 {
		t.Error("bytes were lost")
	}
	text, err := a.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnswersOfAllForms(t *testing.T) {
	for want, got := range map[string]string{
		`true`:                         answer(t, &tg.AccountUpdateStatusRequest{}, &tg.BoolBox{Bool: &tg.BoolTrue{}}),
		`[1,-2]`:                       answer(t, &tg.ContactsGetContactIDsRequest{}, &tg.IntVector{Elems: []int{1, -2}}),
		`["5"]`:                        answer(t, &tg.PhotosDeletePhotosRequest{}, &tg.LongVector{Elems: []int64{5}}),
		`[]`:                           answer(t, &tg.UsersGetUsersRequest{}, &tg.UserClassVector{}),
		`[{"_":"userEmpty","id":"3"}]`: answer(t, &tg.UsersGetUsersRequest{}, &tg.UserClassVector{Elems: []tg.UserClass{&tg.UserEmpty{ID: 3}}}),
		`[7]`:                          answer(t, &tg.InvokeAfterMsgRequest{Query: &tg.ContactsGetContactIDsRequest{}}, &tg.IntVector{Elems: []int{7}}),
		`{"_":"contacts.resolvedPeer","peer":{"_":"peerUser","user_id":"3"},"chats":[],"users":[]}`: answer(t, Bytes(nil), &tg.ContactsResolvedPeer{Peer: &tg.PeerUser{UserID: 3}}),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestUnknownAnswersKeepTheirBytes(t *testing.T) {
	a := NewAnswer(&tg.HelpGetConfigRequest{})
	if err := a.Decode(&bin.Buffer{Buf: []byte{1, 2, 3, 4, 5, 6, 7, 8}}); err != nil {
		t.Fatal(err)
	}
	if len(a.TL) != 8 || a.Value != nil {
		t.Errorf("got %+v", a)
	}
	if _, err := a.JSON(); err == nil || !strings.Contains(err.Error(), "0x04030201") {
		t.Errorf("got %v", err)
	}
	for _, broken := range [][]byte{nil, {1}, {0x15, 0xc4, 0xb5, 0x1c, 255, 255, 255, 127}} {
		if err := NewAnswer(nil).Decode(&bin.Buffer{Buf: broken}); err == nil {
			t.Errorf("%x was read", broken)
		}
	}
}

func TestBytesAreChecked(t *testing.T) {
	var b bin.Buffer
	_ = (&tg.HelpGetConfigRequest{}).Encode(&b)
	if err := Bytes(b.Buf).Check(); err != nil || Bytes(b.Buf).TypeName() != "help.getConfig" {
		t.Error(err)
	}
	b.Reset()
	_ = (&tg.InputPeerSelf{}).Encode(&b)
	for _, bad := range [][]byte{nil, {1, 2, 3}, b.Buf} {
		if err := Bytes(bad).Check(); err == nil {
			t.Errorf("%x was accepted", bad)
		}
	}
	if got := Name([]byte{1, 2, 3, 4}); got != "0x04030201" {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"_":"users.getUsers","id":[{"_":"inputUserSelf"}]}`)
	f.Add(`{"_":"messages.sendMessage","peer":{"_":"inputPeerSelf"},"message":"x","random_id":"1","entities":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		obj, err := Parse([]byte(text))
		if err != nil {
			return
		}
		var b bin.Buffer
		if err := obj.Encode(&b); err != nil {
			t.Fatalf("%s: accepted, and not encodable: %v", text, err)
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	u := &tg.Updates{Updates: []tg.UpdateClass{&tg.UpdateNewMessage{Message: &tg.Message{PeerID: &tg.PeerUser{UserID: 1}, Message: "hi"}}}, Users: []tg.UserClass{&tg.User{ID: 1}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Format(u); err != nil {
			b.Fatal(err)
		}
	}
}
