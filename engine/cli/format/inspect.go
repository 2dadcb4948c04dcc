package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/template"
)

// Objects prints what the inspect commands found.
type Objects struct {
	json   bool // on one line
	tmpl   *template.Template
	buffer bytes.Buffer
	values []any
}

// NewObjects prepares for --format text: "" is indented JSON, "json" JSON on one line, else a template.
func NewObjects(text string) (*Objects, error) {
	if text == "" || text == "json" {
		return &Objects{json: text == "json"}, nil
	}
	tmpl, err := Parse(text)
	return &Objects{tmpl: tmpl}, err
}

// Add takes one object. A template that does not fit the type is tried on the object's JSON, where every key can be had
// by its JSON name and a missing one is an error.
func (o *Objects) Add(v any) error {
	if o.tmpl == nil {
		o.values = append(o.values, v)
		return nil
	}
	var b bytes.Buffer
	if err := o.tmpl.Execute(&b, v); err != nil {
		b.Reset()
		if err := o.addRaw(&b, v); err != nil {
			return err
		}
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(&o.buffer)
	return err
}

func (o *Objects) addRaw(b *bytes.Buffer, v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return err
	}
	if err := o.tmpl.Option("missingkey=error").Execute(b, raw); err != nil {
		return fmt.Errorf("template parsing error: %w", err)
	}
	return nil
}

// Print writes all objects: a list in JSON, also when there is none, or a line a template.
func (o *Objects) Print(w io.Writer) error {
	if o.tmpl == nil {
		return o.printJSON(w)
	}
	if o.buffer.Len() == 0 {
		o.buffer.WriteByte('\n') // Docker prints an empty line for no object
	}
	_, err := o.buffer.WriteTo(w)
	return err
}

func (o *Objects) printJSON(w io.Writer) error {
	if len(o.values) == 0 {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	text, err := marshal(o.values)
	if err != nil {
		return err
	}
	if !o.json {
		var b bytes.Buffer
		if err := json.Indent(&b, text, "", "    "); err != nil {
			return err
		}
		text = b.Bytes()
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
