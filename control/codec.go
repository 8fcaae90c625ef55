package control

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/telefleet/orchestrator/fleet"
)

// payload is a request as it came. It is read inside the handler and not by Connect, so that
// what is wrong with it is reported like any other error, with reason and remedy.
type payload struct {
	data []byte
	json bool
}

// reply is an answer of any type.
type reply struct{ message proto.Message }

// codec takes requests as they are and writes replies. Its names are Connect's own, so it
// replaces the codecs that accept unknown JSON fields.
type codec struct {
	name string
	json bool
}

// codecs replace Connect's own ones.
var codecs = []codec{{"proto", false}, {"json", true}, {"json; charset=utf-8", true}}

// Name implements connect.Codec.
func (c codec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (c codec) Marshal(v any) ([]byte, error) {
	var message proto.Message
	switch v := v.(type) {
	case *reply:
		message = v.message
	case proto.Message: // gRPC's own status
		message = v
	default:
		return nil, fmt.Errorf("encode reply: unknown type %T", v)
	}
	if c.json {
		return protojson.Marshal(message)
	}
	return proto.Marshal(message)
}

// Unmarshal implements connect.Codec.
func (c codec) Unmarshal(data []byte, v any) error {
	p, ok := v.(*payload)
	if !ok {
		return fmt.Errorf("decode request: unknown type %T", v)
	}
	p.data, p.json = bytes.Clone(data), c.json
	return nil
}

// into reads the request strictly: an unknown JSON field is an error.
func (p *payload) into(message proto.Message) error {
	name := message.ProtoReflect().Descriptor().FullName()
	if !p.json {
		if err := proto.Unmarshal(p.data, message); err != nil {
			return fleet.Errorf(fleet.CodeInvalidArgument, "REQUEST_INVALID", "request: is no serialized %s: %w", name, err).
				WithRemedy("generate the client from the server's reflection or its .proto files")
		}
		return nil
	}
	if len(bytes.TrimSpace(p.data)) == 0 {
		return nil
	}
	if err := protojson.Unmarshal(p.data, message); err != nil {
		return fleet.Errorf(fleet.CodeInvalidArgument, "REQUEST_INVALID", "request: %s", jsonProblem(err)).
			WithRemedy(fmt.Sprintf("see the fields of %s in the .proto files or by reflection", name))
	}
	return nil
}

var (
	// protojson separates its prefix by a space or by a no-break space, at random.
	jsonPrefix = regexp.MustCompile(`^proto:[\s\x{00a0}]+`)
	// secretValue finds the value of a field that must not come back in an error.
	secretValue = regexp.MustCompile(`(?i)((?:password|code|token|bot_?token|phone_?number)\b[^:]*): .*$`)
)

// jsonProblem is protojson's message without prefix and without secrets.
func jsonProblem(err error) string {
	text := strings.ReplaceAll(jsonPrefix.ReplaceAllString(err.Error(), ""), "\u00a0", " ")
	return secretValue.ReplaceAllString(text, "$1: (redacted)")
}
