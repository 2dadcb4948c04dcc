package format

import (
	"strings"
	"testing"
	"time"
)

type row struct {
	ID, Names string
	labels    map[string]string
}

func (r row) Label(name string) string { return r.labels[name] }

var table = Table{
	Default: "table {{.ID}}\t{{.Names}}",
	Quiet:   "{{.ID}}",
	Raw:     "id: {{.ID}}\nnames:{{pad .Names 1 0}}\n",
	Headers: map[string]string{"ID": "CONTAINER ID", "Names": "NAMES"},
}

var rows = []row{{"0123456789ab", "web", map[string]string{"com.example.a-b": "x"}}, {"ba9876543210", "database", nil}}

func TestWriteErrors(t *testing.T) {
	for _, c := range []struct{ format, want string }{
		{"{{", "template parsing error: template: :1: unclosed action"},
		{"{{.Foo}}", `template parsing error: template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type format.row`},
		{"{{nosuch .ID}}", `template parsing error: template: :1: function "nosuch" not defined`},
	} {
		err := Write(new(strings.Builder), table, table.Template(c.format, false), rows)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.format, err, c.want)
		}
	}
}

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name, format string
		quiet        bool
		want         string
	}{
		{"default", "", false, "CONTAINER ID   NAMES\n0123456789ab   web\nba9876543210   database\n"},
		{"table", "table", false, "CONTAINER ID   NAMES\n0123456789ab   web\nba9876543210   database\n"},
		{"quiet", "", true, "0123456789ab\nba9876543210\n"},
		{"quiet wins", "{{.Names}}", true, "0123456789ab\nba9876543210\n"},
		{"template", "{{.Names}}", false, "web\ndatabase\n"},
		{"escapes", `{{.ID}}\t{{.Names}}`, false, "0123456789ab\tweb\nba9876543210\tdatabase\n"},
		{"columns", `table {{.Names}}\t{{.ID}}`, false, "NAMES      CONTAINER ID\nweb        0123456789ab\ndatabase   ba9876543210\n"},
		{"label", `table {{.Label "com.example.a-b"}}`, false, "a b\nx\n\n"},
		{"functions leave headers", `table {{upper .Names}}`, false, "NAMES\nWEB\nDATABASE\n"},
		{"json", "json", false, `{"ID":"0123456789ab","Names":"web"}` + "\n" + `{"ID":"ba9876543210","Names":"database"}` + "\n"},
		{"raw", "raw", false, "id: 0123456789ab\nnames: web\n\nid: ba9876543210\nnames: database\n\n"},
	} {
		var b strings.Builder
		if err := Write(&b, table, table.Template(c.format, c.quiet), rows); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if b.String() != c.want {
			t.Errorf("%s:\n%q, want\n%q", c.name, b.String(), c.want)
		}
	}
}

func TestFunctions(t *testing.T) {
	for text, want := range map[string]string{
		`{{json .}}`:                     `{"A":["<x>","y"],"M":{"k":2,"l":1}}`,
		`{{join .A ","}}`:                "<x>,y",
		`{{join .M ","}}`:                "1,2",
		`{{index (split "a:b" ":") 1}}`:  "b",
		`{{title "hello world"}}`:        "Hello World",
		`{{lower "AbC"}}{{upper "AbC"}}`: "abcABC",
		`{{pad "x" 1 2}}|{{pad "" 1 2}}`: " x  |",
		`{{truncate "hello" 2}}`:         "he",
		`{{truncate "h" 2}}`:             "h",
		`{{println "x"}}`:                "x\n",
	} {
		o, err := NewObjects(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		v := struct {
			A []string
			M map[string]int
		}{[]string{"<x>", "y"}, map[string]int{"k": 2, "l": 1}}
		if err := o.Add(v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		var b strings.Builder
		if err := o.Print(&b); err != nil || b.String() != want+"\n" {
			t.Errorf("%s: %q, %v, want %q", text, b.String(), err, want)
		}
	}
}

func TestObjects(t *testing.T) {
	type object struct {
		ID string `json:"Id"`
	}
	for _, c := range []struct {
		text string
		objs []object
		want string
		fail string
	}{
		{text: "", want: "[]\n"},
		{text: "{{.ID}}", want: "\n"},
		{text: "{{.Nosuch}}", objs: []object{{"1"}}, want: "\n", fail: `template parsing error: template: :1:2: executing "" at <.Nosuch>: map has no entry for key "Nosuch"`},
		{text: "", objs: []object{{"1"}}, want: "[\n    {\n        \"Id\": \"1\"\n    }\n]\n"},
		{text: "json", objs: []object{{"1"}, {"2"}}, want: `[{"Id":"1"},{"Id":"2"}]` + "\n"},
		{text: "{{.ID}}", objs: []object{{"1"}, {"2"}}, want: "1\n2\n"},
		{text: "{{.Id}}", objs: []object{{"1"}}, want: "1\n"},
	} {
		o, err := NewObjects(c.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range c.objs {
			if err := o.Add(v); (err == nil) != (c.fail == "") || err != nil && err.Error() != c.fail {
				t.Errorf("%q: %v, want %q", c.text, err, c.fail)
			}
		}
		var b strings.Builder
		if err := o.Print(&b); err != nil || b.String() != c.want {
			t.Errorf("%q: %q, %v, want %q", c.text, b.String(), err, c.want)
		}
	}
	if _, err := NewObjects("{{"); err == nil {
		t.Error("{{: no error")
	}
}

func TestUnits(t *testing.T) {
	for got, want := range map[string]string{
		Size(0):                                 "0B",
		Size(1239999):                           "1.24MB",
		Size(72_800_000):                        "72.8MB",
		Memory(8 << 30):                         "8GiB",
		ShortID("sha256:" + "0123456789abcdef"): "0123456789ab",
		ShortID("0123"):                         "0123",
		Ellipsis("abcdef", 6):                   "abcdef",
		Ellipsis("abcdefg", 6):                  "abcde…",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0:                "Less than a second ago",
		time.Second:      "1 second ago",
		61 * time.Second: "About a minute ago",
		3 * time.Hour:    "3 hours ago",
		48 * time.Hour:   "2 days ago",
	} {
		if got := Ago(now.Add(-d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
