// Package rawjson reads and writes any value of the TL schema as JSON, checked against the
// schema: the form of RawService.
//
// # Usage
//
//	call, err := rawjson.ParseCall([]byte(`{"_":"messages.getHistory","peer":{"_":"inputPeerSelf"},...}`))
//	answer := rawjson.NewAnswer(call)
//	err = env.Invoke(ctx, call, answer)
//	out, err := answer.JSON()
//
// An object names its constructor or method in "_" and its fields as the schema does; the flags
// fields themselves are derived and never given. Conditional fields may be absent, all others
// are required. long is a number or a decimal string and is written as a string; bytes are
// standard base64; int128 and int256 are base64 too; Bool and conditional true are true or
// false; vectors are arrays.
//
// # Concurrency
//
// All functions may be called at the same time. What they know of a type is learnt once.
//
// # Errors
//
// *Error names the path of the value (peer.user_id, entities[2]) and what is wrong with it.
package rawjson

// Error says which value does not fit the schema.
type Error struct {
	// Path leads to the value: field names and [indexes] from the outermost object; empty for
	// the object itself.
	Path string
	// Problem says what is wrong, with the value where that helps.
	Problem string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Problem
	}
	return e.Path + ": " + e.Problem
}
