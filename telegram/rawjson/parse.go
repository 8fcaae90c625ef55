package rawjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gotd/td/bin"
)

// Call is one method call read from JSON. It encodes as the method does.
type Call struct {
	object
	// Name is the method's schema name.
	Name string
}

// TypeName is the method's schema name.
func (c *Call) TypeName() string { return c.Name }

// TypeID is the method's constructor id.
func (c *Call) TypeID() uint32 { return schema().ids[c.Name] }

// ParseCall reads a method call.
func ParseCall(data []byte) (*Call, error) {
	obj, err := parse(data)
	if err != nil {
		return nil, err
	}
	name := obj.TypeInfo().Name
	if !isMethod(obj) {
		return nil, &Error{Path: "_", Problem: fmt.Sprintf("names a constructor, not a method (got %q)", name)}
	}
	return &Call{object: obj, Name: name}, nil
}

// isMethod tells methods from constructors: a method's Go type is its schema name and Request,
// and a few constructors have a schema name that ends in Request.
func isMethod(obj object) bool {
	const suffix = "Request"
	goName, found := strings.CutSuffix(reflect.TypeOf(obj).Elem().Name(), suffix)
	return found && strings.HasSuffix(goName, suffix) == strings.HasSuffix(obj.TypeInfo().Name, suffix)
}

// Parse reads any value of the schema: a constructor or a method call.
func Parse(data []byte) (bin.Object, error) {
	obj, err := parse(data)
	if err != nil {
		return nil, err
	}
	return obj, nil
}

func parse(data []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, &Error{Problem: "is not JSON: " + jsonProblem(err)}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &Error{Problem: "has more than one JSON value"}
	}
	v, err := parseObject("", tree, nil)
	if err != nil {
		return nil, err
	}
	return v.Interface().(object), nil
}

func jsonProblem(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("%v at byte %d", syntax, syntax.Offset)
	}
	return err.Error()
}

// parseObject reads an object into a new value; want is the interface or the struct type that
// it must fit, nil for any.
func parseObject(path string, tree any, want reflect.Type) (reflect.Value, error) {
	m, ok := tree.(map[string]any)
	if !ok {
		return reflect.Value{}, wrong(path, "an object with \"_\"", tree)
	}
	obj, err := construct(path, m, want)
	if err != nil {
		return reflect.Value{}, err
	}
	v := reflect.ValueOf(obj)
	p, err := planOf(v.Type().Elem())
	if err != nil {
		return reflect.Value{}, err
	}
	for name := range m {
		if _, known := p.byName[name]; !known && name != "_" {
			return reflect.Value{}, &Error{Path: join(path, name), Problem: fmt.Sprintf("unknown field of %s (it has %s)", p.name, p.names())}
		}
	}
	return v, p.fill(path, m, v.Elem())
}

// construct makes the empty value that an object names.
func construct(path string, m map[string]any, want reflect.Type) (object, error) {
	single := want != nil && want.Kind() == reflect.Struct
	raw, given := m["_"]
	name, isString := raw.(string)
	if given && !isString {
		return nil, wrong(join(path, "_"), "a constructor's name", raw)
	}
	if single {
		obj, ok := reflect.New(want).Interface().(object)
		if !ok {
			return nil, fmt.Errorf("%s is no type of the schema", want)
		}
		if wants := obj.TypeInfo().Name; given && name != wants {
			return nil, &Error{Path: join(path, "_"), Problem: fmt.Sprintf("must be %s (got %q)", wants, name)}
		}
		return obj, nil
	}
	if !given {
		return nil, &Error{Path: join(path, "_"), Problem: "is missing: it names the constructor"}
	}
	obj, ok := byName(name)
	if !ok {
		return nil, &Error{Path: join(path, "_"), Problem: fmt.Sprintf("is not in the schema (got %q)", name) + spelled(name)}
	}
	if want != nil && !reflect.TypeOf(obj).Implements(want) {
		return nil, &Error{Path: join(path, "_"), Problem: fmt.Sprintf("%s is no %s", name, className(want))}
	}
	return obj, nil
}

// fill sets the fields of v from an object.
func (p *plan) fill(path string, m map[string]any, v reflect.Value) error {
	given := map[[2]int]string{} // bit -> a field that set it
	for _, f := range p.fields {
		tree, ok := m[f.name]
		if ok && tree == nil && f.flags >= 0 {
			ok = false // null stands for absent
		}
		switch {
		case !ok && f.flags < 0:
			return &Error{Path: join(path, f.name), Problem: "is missing in " + p.name}
		case !ok:
			continue
		}
		if err := parseValue(join(path, f.name), tree, v.Field(f.index)); err != nil {
			return err
		}
		if f.flags >= 0 && (!f.trueFlag || v.Field(f.index).Bool()) {
			flags := v.Field(f.flags)
			flags.SetUint(flags.Uint() | 1<<f.bit)
			given[[2]int{f.flags, f.bit}] = f.name
		}
	}
	for _, f := range p.fields { // fields that share a bit come together
		other, set := given[[2]int{f.flags, f.bit}]
		if f.flags < 0 || !set || f.trueFlag {
			continue
		}
		if tree, ok := m[f.name]; !ok || tree == nil {
			return &Error{Path: join(path, f.name), Problem: fmt.Sprintf("is missing in %s: it goes with %s", p.name, other)}
		}
	}
	return nil
}

// parseValue reads a value into v.
func parseValue(path string, tree any, v reflect.Value) error {
	switch t := v.Type(); {
	case t == bytesType:
		return parseBytes(path, tree, v)
	case t.Kind() == reflect.Slice:
		return parseVector(path, tree, v)
	case t.Kind() == reflect.Array:
		return parseFixed(path, tree, v)
	case t.Kind() == reflect.Interface:
		obj, err := parseObject(path, tree, t)
		if err == nil {
			v.Set(obj)
		}
		return err
	case t.Kind() == reflect.Struct:
		obj, err := parseObject(path, tree, t)
		if err == nil {
			v.Set(obj.Elem())
		}
		return err
	case t.Kind() == reflect.String:
		s, ok := tree.(string)
		if !ok {
			return wrong(path, "a string", tree)
		}
		v.SetString(s)
	case t.Kind() == reflect.Bool:
		b, ok := tree.(bool)
		if !ok {
			return wrong(path, "true or false", tree)
		}
		v.SetBool(b)
	default:
		return parseNumber(path, tree, v)
	}
	return nil
}

func parseNumber(path string, tree any, v reflect.Value) error {
	text, quoted := tree.(string)
	if number, ok := tree.(json.Number); ok {
		text = number.String()
	} else if !quoted || v.Kind() != reflect.Int64 {
		return wrong(path, kindName(v.Kind()), tree)
	}
	if v.Kind() == reflect.Float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return wrong(path, kindName(v.Kind()), tree)
		}
		v.SetFloat(f)
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v.Kind() == reflect.Int && (n < math.MinInt32 || n > math.MaxInt32) {
		return wrong(path, kindName(v.Kind()), tree)
	}
	v.SetInt(n)
	return nil
}

func parseBytes(path string, tree any, v reflect.Value) error {
	s, ok := tree.(string)
	if !ok {
		return wrong(path, "base64", tree)
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return wrong(path, "standard base64", tree)
	}
	v.SetBytes(data)
	return nil
}

func parseFixed(path string, tree any, v reflect.Value) error {
	s, _ := tree.(string)
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(data) != v.Len() {
		return wrong(path, fmt.Sprintf("base64 of %d bytes", v.Len()), tree)
	}
	reflect.Copy(v, reflect.ValueOf(data))
	return nil
}

func parseVector(path string, tree any, v reflect.Value) error {
	list, ok := tree.([]any)
	if !ok {
		return wrong(path, "an array", tree)
	}
	out := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, item := range list {
		if err := parseValue(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func (p *plan) names() string {
	names := make([]string, 0, len(p.fields))
	for _, f := range p.fields {
		names = append(names, f.name)
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// wrong says that a value is of the wrong type. Long values are cut.
func wrong(path, want string, got any) *Error {
	text, err := json.Marshal(got)
	if err != nil {
		text = fmt.Append(nil, got)
	}
	const most = 60
	if len(text) > most {
		text = append(text[:most], "..."...)
	}
	return &Error{Path: path, Problem: fmt.Sprintf("must be %s (got %s)", want, text)}
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "a 32-bit integer"
	case reflect.Int64:
		return "a 64-bit integer, as a number or a string"
	}
	return "a number"
}

func className(t reflect.Type) string { return strings.TrimSuffix(t.Name(), "Class") }
