package rawjson

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/gotd/td/bin"
)

// maxVector bounds how many elements of a vector are trusted before they are read.
const maxVector = 1 << 20

// Bytes is a method call given as serialized TL.
type Bytes []byte

// Encode implements bin.Encoder.
func (b Bytes) Encode(buf *bin.Buffer) error {
	buf.Put(b)
	return nil
}

// TypeID is the constructor id of the method; 0 when there are less than 4 bytes.
func (b Bytes) TypeID() uint32 {
	id, err := (&bin.Buffer{Buf: b}).PeekID()
	if err != nil {
		return 0
	}
	return id
}

// TypeName is the method's schema name, or its id when the schema does not know it.
func (b Bytes) TypeName() string {
	if obj, ok := byID(b.TypeID()); ok {
		return obj.TypeInfo().Name
	}
	return fmt.Sprintf("0x%08x", b.TypeID())
}

// Check reports whether the bytes are one method call of the schema.
func (b Bytes) Check() error {
	if len(b) < bin.Word || len(b)%bin.Word != 0 {
		return &Error{Path: "tl", Problem: fmt.Sprintf("must be a serialized method: a multiple of 4 bytes (got %d)", len(b))}
	}
	if obj, ok := byID(b.TypeID()); ok && !isMethod(obj) {
		return &Error{Path: "tl", Problem: "holds a constructor, not a method (got " + obj.TypeInfo().Name + ")"}
	}
	return nil
}

// Answer is the answer to any method: its bytes, and its value as far as the schema knows it.
type Answer struct {
	// TL is the answer as it came.
	TL []byte
	// Value is the decoded answer: a value of package tg, []any for vectors, or nil for what
	// the schema does not know.
	Value any

	elem reflect.Kind // of bare vectors, else Invalid
}

// NewAnswer makes the place for the answer to a call.
func NewAnswer(call bin.Encoder) *Answer {
	return &Answer{elem: bareVectors[innermost(call)]}
}

// innermost is the name of the method whose answer a call returns: wrappers such as
// invokeAfterMsg return that of their query.
func innermost(call any) string {
	if c, ok := call.(*Call); ok {
		call = c.object
	}
	if named, ok := call.(interface{ TypeName() string }); ok {
		v := reflect.Indirect(reflect.ValueOf(call))
		if v.Kind() == reflect.Struct {
			if q := v.FieldByName("Query"); q.IsValid() && q.Type() == objectType && !q.IsNil() {
				return innermost(q.Interface())
			}
		}
		return named.TypeName()
	}
	return ""
}

// Decode implements bin.Decoder. It takes all bytes; those that the schema does not know are
// kept without a value.
func (a *Answer) Decode(b *bin.Buffer) error {
	a.TL = slices.Clone(b.Buf)
	v, err := a.decode(b)
	if err != nil && !errors.Is(err, errUnknown) {
		return err
	}
	if err == nil {
		a.Value = v
	}
	b.Skip(b.Len())
	return nil
}

// Decoded is the value that came, for those who observe answers.
func (a *Answer) Decoded() any { return a.Value }

// JSON is the answer in the form of the package.
func (a *Answer) JSON() ([]byte, error) {
	if a.Value == nil {
		id, _ := (&bin.Buffer{Buf: a.TL}).PeekID()
		return nil, &Error{Problem: fmt.Sprintf("the answer 0x%08x is not in the schema: ask with TL bytes", id)}
	}
	return Format(a.Value)
}

var errUnknown = errors.New("constructor is not in the schema")

func (a *Answer) decode(b *bin.Buffer) (any, error) {
	id, err := b.PeekID()
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if id == bin.TypeVector {
		return a.decodeVector(b)
	}
	return decodeObject(b, id)
}

func decodeObject(b *bin.Buffer, id uint32) (any, error) {
	obj, ok := byID(id)
	if !ok {
		return nil, fmt.Errorf("0x%08x: %w", id, errUnknown)
	}
	if err := obj.Decode(b); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	return obj, nil
}

func (a *Answer) decodeVector(b *bin.Buffer) (any, error) {
	n, err := b.VectorHeader()
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if n < 0 || n > maxVector || n > b.Len() {
		return nil, fmt.Errorf("read answer: vector of %d elements in %d bytes", n, b.Len())
	}
	list := make([]any, 0, n)
	for range n {
		var v any
		switch a.elem {
		case reflect.Int:
			v, err = b.Int()
		case reflect.Int64:
			v, err = b.Long()
		default:
			var id uint32
			if id, err = b.PeekID(); err == nil {
				v, err = decodeObject(b, id)
			}
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// FormatTL writes one serialized value of the schema, such as an update, as JSON.
func FormatTL(data []byte) ([]byte, error) {
	var a Answer
	if err := a.Decode(&bin.Buffer{Buf: data}); err != nil {
		return nil, err
	}
	return a.JSON()
}

// Name is the schema name of a serialized value, or its id when the schema does not know it.
func Name(data []byte) string { return Bytes(data).TypeName() }
