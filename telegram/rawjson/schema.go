package rawjson

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/gotd/td/tg"
)

// Definition is what the schema says of a name.
type Definition struct {
	// Name is that of a method (messages.sendMessage), constructor (inputPeerUser) or type (InputPeer).
	Name string
	// Kind is "method", "constructor" or "type".
	Kind string
	// ID is the constructor's or method's; 0 for a type.
	ID uint32
	// Fields are those of a method or constructor, in order.
	Fields []FieldInfo
	// Result is the type of a method's answer or of a constructor.
	Result string
	// Constructors are those of a type.
	Constructors []string
}

// FieldInfo is one field.
type FieldInfo struct {
	// Name is the schema's.
	Name string
	// Type is the schema's: int, long, string, bytes, double, true, Bool, a type, or Vector of one.
	Type string
	// Optional fields may be absent.
	Optional bool
}

// Names are all names of the schema that have this kind ("method", "constructor", "type"; empty =
// all), sorted.
func Names(kind string) []string {
	var out []string
	for name, k := range kinds() {
		if kind == "" || k == kind {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// kinds are the kinds of all names.
var kinds = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for name, id := range schema().ids {
		obj, ok := byID(id)
		switch {
		case !ok:
		case isMethod(obj):
			out[name] = "method"
		default:
			out[name] = "constructor"
		}
	}
	for class := range tg.ClassConstructorsMap() {
		out[class] = "type"
	}
	return out
})

// classOf gives the type of each constructor that shares it with others.
var classOf = sync.OnceValue(func() map[uint32]string {
	out := map[uint32]string{}
	for class, ids := range tg.ClassConstructorsMap() {
		for _, id := range ids {
			out[id] = class
		}
	}
	return out
})

// Describe says what the schema knows of a name; false when it does not know it.
func Describe(name string) (Definition, bool) {
	d := Definition{Name: name, Kind: kinds()[name]}
	switch d.Kind {
	case "":
		return d, false
	case "type":
		for _, id := range tg.ClassConstructorsMap()[name] {
			if obj, ok := byID(id); ok {
				d.Constructors = append(d.Constructors, obj.TypeInfo().Name)
			}
		}
		slices.Sort(d.Constructors)
		return d, true
	}
	obj, ok := byName(name)
	if !ok {
		return d, false
	}
	t := reflect.TypeOf(obj).Elem()
	p, err := planOf(t)
	if err != nil {
		return d, false
	}
	d.ID = obj.TypeInfo().ID
	for _, f := range p.fields {
		info := FieldInfo{Name: f.name, Type: typeName(t.Field(f.index).Type), Optional: f.flags >= 0}
		if f.trueFlag {
			info.Type = "true"
		}
		d.Fields = append(d.Fields, info)
	}
	d.Result = resultOf(t, d.ID)
	return d, true
}

// resultOf is the type of a constructor, or of a method's answer.
func resultOf(t reflect.Type, id uint32) string {
	if class := classOf()[id]; class != "" {
		return class
	}
	method, ok := reflect.TypeFor[*tg.Client]().MethodByName(strings.TrimSuffix(t.Name(), "Request"))
	if !ok {
		return typeName(t)
	}
	if method.Type.NumOut() == 1 {
		return "Bool" // answers that say nothing but yes
	}
	return typeName(method.Type.Out(0))
}

// typeName is a Go type of the schema by its schema name.
func typeName(t reflect.Type) string {
	switch {
	case t == bytesType:
		return "bytes"
	case t.Kind() == reflect.Slice:
		return "Vector<" + typeName(t.Elem()) + ">"
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t.Kind() == reflect.Interface:
		return schemaType(t)
	}
	switch t.Kind() {
	case reflect.Int:
		return "int"
	case reflect.Int64:
		return "long"
	case reflect.Float64:
		return "double"
	case reflect.Bool:
		return "Bool"
	case reflect.String:
		return "string"
	case reflect.Array:
		return fmt.Sprint("int", t.Len()*8)
	}
	if obj, ok := reflect.New(t).Interface().(object); ok {
		return obj.TypeInfo().Name
	}
	return t.Name()
}

// schemaType is the schema name of one of tg's interfaces: the type whose constructors have it.
func schemaType(t reflect.Type) string {
	for class, ids := range tg.ClassConstructorsMap() {
		if obj, ok := byID(ids[0]); ok && reflect.TypeOf(obj).Implements(t) && strings.EqualFold(strings.ReplaceAll(class, ".", "")+"Class", t.Name()) {
			return class
		}
	}
	return strings.TrimSuffix(t.Name(), "Class")
}

// Nearest are the names that are most like one that the schema does not know, at most n.
func Nearest(name string, n int) []string {
	type near struct {
		name     string
		distance int
	}
	var all []near
	wanted := strings.ToLower(name)
	for _, have := range Names("") {
		d := distance(wanted, strings.ToLower(have))
		if _, last, ok := strings.Cut(strings.ToLower(have), "."); ok { // the room may be forgotten
			d = min(d, distance(wanted, last)+1)
		}
		all = append(all, near{have, d})
	}
	slices.SortStableFunc(all, func(a, b near) int { return a.distance - b.distance })
	var out []string
	for _, c := range all[:min(n, len(all))] {
		if c.distance <= len(name)/2+1 {
			out = append(out, c.name)
		}
	}
	return out
}

// distance counts the letters that differ (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
