package rawjson

import (
	"slices"
	"testing"
)

func TestSchemaIsDescribed(t *testing.T) {
	d, ok := Describe("messages.sendMessage")
	if !ok || d.Kind != "method" || d.ID == 0 || d.Result != "Updates" {
		t.Fatalf("got %+v", d)
	}
	for _, want := range []FieldInfo{
		{"peer", "InputPeer", false}, {"message", "string", false}, {"random_id", "long", false}, {"silent", "true", true},
		{"entities", "Vector<MessageEntity>", true}, {"schedule_date", "int", true}, {"reply_markup", "ReplyMarkup", true},
	} {
		if !slices.Contains(d.Fields, want) {
			t.Errorf("%+v is missing in %+v", want, d.Fields)
		}
	}
	if d, ok := Describe("InputPeer"); !ok || d.Kind != "type" || !slices.Contains(d.Constructors, "inputPeerSelf") {
		t.Errorf("got %+v", d)
	}
	if d, ok := Describe("inputPeerUser"); !ok || d.Kind != "constructor" || d.Result != "InputPeer" || len(d.Fields) != 2 {
		t.Errorf("got %+v", d)
	}
	if d, ok := Describe("help.getNearestDc"); !ok || d.Result != "nearestDc" {
		t.Errorf("got %+v", d)
	}
}

// TestEveryNameIsDescribed: with types for all fields.
func TestEveryNameIsDescribed(t *testing.T) {
	methods := 0
	for _, name := range Names("") {
		d, ok := Describe(name)
		if !ok || d.Kind != "type" && d.Result == "" || d.Kind == "type" && len(d.Constructors) == 0 {
			t.Errorf("%s: %+v", name, d)
		}
		for _, f := range d.Fields {
			if f.Name == "" || f.Type == "" {
				t.Errorf("%s: field %+v", name, f)
			}
		}
		if d.Kind == "method" {
			methods++
		}
	}
	if methods < 700 {
		t.Errorf("only %d methods", methods)
	}
}

func TestMistypedNamesAreNear(t *testing.T) {
	for name, want := range map[string]string{
		"messages.sendMesage": "messages.sendMessage", "sendMessage": "messages.sendMessage", "getconfig": "help.getConfig", "inputPerUser": "inputPeerUser",
	} {
		if got := Nearest(name, 5); !slices.Contains(got, want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := Nearest("zzzzzzzzzzzz", 5); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}
