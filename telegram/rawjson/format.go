package rawjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/gotd/td/tg"
)

// Format writes a value of the schema as JSON: a constructor, a method call, a slice of either,
// or a bare value.
func Format(v any) ([]byte, error) {
	var out bytes.Buffer
	if err := format(&out, reflect.ValueOf(v)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func format(out *bytes.Buffer, v reflect.Value) error {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			out.WriteString("null")
			return nil
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		out.WriteString("null")
		return nil
	}
	switch v.Type() {
	case bytesType:
		return formatBytes(out, v.Bytes())
	case boolTrueType, boolFalseType:
		out.WriteString(strconv.FormatBool(v.Type() == boolTrueType))
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return formatObject(out, v)
	case reflect.Slice:
		return formatVector(out, v)
	case reflect.Array:
		data := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(data), v)
		return formatBytes(out, data)
	case reflect.Int64:
		fmt.Fprintf(out, `"%d"`, v.Int())
	case reflect.Int:
		fmt.Fprintf(out, "%d", v.Int())
	case reflect.Bool:
		out.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%v has no form in JSON", f)
		}
		return formatJSON(out, v.Float())
	case reflect.String:
		return formatJSON(out, v.String())
	default:
		return fmt.Errorf("%s is no type of the schema", v.Type())
	}
	return nil
}

func formatObject(out *bytes.Buffer, v reflect.Value) error {
	p, err := planOf(v.Type())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `{"_":%q`, p.name)
	for _, f := range p.fields {
		if f.flags >= 0 && v.Field(f.flags).Uint()&(1<<f.bit) == 0 && (v.Field(f.index).IsZero()) {
			continue
		}
		fmt.Fprintf(out, `,%q:`, f.name)
		if err := format(out, v.Field(f.index)); err != nil {
			return fmt.Errorf("%s.%s: %w", p.name, f.name, err)
		}
	}
	out.WriteByte('}')
	return nil
}

func formatVector(out *bytes.Buffer, v reflect.Value) error {
	out.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := format(out, v.Index(i)); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	return nil
}

func formatBytes(out *bytes.Buffer, data []byte) error {
	out.WriteByte('"')
	out.WriteString(base64.StdEncoding.EncodeToString(data))
	out.WriteByte('"')
	return nil
}

func formatJSON(out *bytes.Buffer, v any) error {
	data, err := json.Marshal(v)
	out.Write(data)
	return err
}

var (
	boolTrueType  = reflect.TypeFor[tg.BoolTrue]()
	boolFalseType = reflect.TypeFor[tg.BoolFalse]()
)
