// Package format prints tables, Go templates and JSON as Docker's commands do.
package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template"
)

// JSON is the template that `--format json` stands for.
const JSON = "{{json .}}"

// Parse makes a template with Docker's functions: json, split, join, title, lower, upper, pad, truncate.
// Source: docker/cli, templates/templates.go.
func Parse(text string) (*template.Template, error) {
	t, err := template.New("").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template parsing error: %w", err)
	}
	return t, nil
}

func functions() template.FuncMap {
	return template.FuncMap{
		"json":     compact,
		"split":    strings.Split,
		"join":     join,
		"title":    title,
		"lower":    strings.ToLower,
		"upper":    strings.ToUpper,
		"pad":      pad,
		"truncate": truncate,
	}
}

// headerFunctions leave the names of columns as they are, where functions would change what the columns hold.
func headerFunctions() template.FuncMap {
	same := func(s string) string { return s }
	sameOf2 := func(s, _ string) string { return s }
	return template.FuncMap{
		"json": same, "title": same, "lower": same, "upper": same, "split": sameOf2, "join": sameOf2,
		"truncate": func(s string, _ int) string { return s },
	}
}

// compact is v in JSON on one line, without the escapes for HTML.
func compact(v any) (string, error) {
	raw, err := marshal(v)
	return string(raw), err
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// join takes strings, and as Docker since 28 any other list, and a map's values in order.
func join(list any, sep string) (string, error) {
	if list == nil {
		return "", nil
	}
	v := reflect.ValueOf(list)
	var parts []string
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			parts = append(parts, fmt.Sprint(v.Index(i).Interface()))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			parts = append(parts, fmt.Sprint(v.MapIndex(key).Interface()))
		}
		slices.Sort(parts)
	default:
		return "", fmt.Errorf("expected slice, got %T", list)
	}
	return strings.Join(parts, sep), nil
}

// title makes the first letter of every word a capital; only ASCII matters here.
func title(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' && (i == 0 || b[i-1] == ' ') {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", before) + s + strings.Repeat(" ", after)
}

func truncate(s string, length int) string {
	if len(s) < length {
		return s
	}
	return s[:length]
}
