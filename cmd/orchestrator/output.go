package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func (g *globals) checkOutput() error {
	switch g.output {
	case "table", "json", "yaml":
		return nil
	}
	return usageError{fmt.Errorf("--output: must be table, json or yaml (got %q)", g.output), "for example -o json"}
}

// table is how a value looks to a person: a header and rows.
type table struct {
	header []string
	rows   [][]string
}

// print writes a message in the chosen form; human makes the table.
func (g *globals) print(w io.Writer, m proto.Message, human func() table) error {
	if g.output == "table" {
		return human().write(w)
	}
	b, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: false}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	return g.printJSON(w, b)
}

// printJSON writes JSON as indented JSON or as YAML; protojson's own spacing is random.
func (g *globals) printJSON(w io.Writer, b []byte) error {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return fmt.Errorf("read reply: %w", err)
	}
	if g.output == "yaml" {
		out, err := yaml.Marshal(plainNumbers(v))
		if err != nil {
			return fmt.Errorf("encode reply: %w", err)
		}
		_, err = w.Write(out)
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// plainNumbers turns json.Number into what YAML writes without quotes.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	}
	return v
}

func (t table) write(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(t.header) > 0 {
		fmt.Fprintln(tw, strings.Join(t.header, "\t"))
	}
	for _, r := range t.rows {
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	return tw.Flush()
}
