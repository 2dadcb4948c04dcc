package cli

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseExtraHost(t *testing.T) {
	for in, want := range map[string]string{
		"x": "", "=1.2.3.4": "", "h:": "", "h:1.2.3": "", "h:1.2.3.4:5": "",
		"h:1.2.3.4": "h:1.2.3.4", "h=1.2.3.4": "h:1.2.3.4", "h:::1": "h:::1", "h=[::1]": "h:::1", "h:[::1]": "h:::1",
		"h:host-gateway": "h:host-gateway",
	} {
		got, err := parseExtraHost(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestParseExpose(t *testing.T) {
	for in, want := range map[string]string{
		"x": "", "80:90": "", "80/foo": "", "90-80": "", "70000": "", "-": "", "": "",
		"80": "80/tcp", "80/UDP": "80/udp", "80-82/sctp": "80/sctp 81/sctp 82/sctp", "80-80": "80/tcp",
	} {
		got, err := parseExpose(in)
		if strings.Join(got, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, in := range []string{"x", "2013-13-01", "12.x", "1.1234567890", "2013-01-02T25:00:00Z"} {
		if got, err := parseTime(in, now); err == nil {
			t.Errorf("%s: %v, want an error", in, got)
		}
	}
	for in, want := range map[string]time.Time{
		"":                               {},
		"42m":                            now.Add(-42 * time.Minute),
		"1h30m":                          now.Add(-90 * time.Minute),
		"2013-01-02T13:23:37Z":           time.Date(2013, 1, 2, 13, 23, 37, 0, time.UTC),
		"2013-01-02T13:23:37.5+01:00":    time.Date(2013, 1, 2, 12, 23, 37, 500_000_000, time.UTC),
		"2013-01-02T13:23:37.000000001Z": time.Date(2013, 1, 2, 13, 23, 37, 1, time.UTC),
		"2013-01-02":                     time.Date(2013, 1, 2, 0, 0, 0, 0, time.Local),
		"2013-01-02T13:23":               time.Date(2013, 1, 2, 13, 23, 0, 0, time.Local),
		"1136073600":                     time.Unix(1136073600, 0),
		"1136073600.000000001":           time.Unix(1136073600, 1),
		"1136073600.5":                   time.Unix(1136073600, 500_000_000),
	} {
		if got, err := parseTime(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", in, got, err, want)
		}
	}
}

func TestBuildValues(t *testing.T) {
	t.Setenv("TOKEN", "x")
	for _, in := range []string{"x", "src=/a", "id=a,foo=b", "id=a,type=foo"} {
		if err := new(buildOptions).secret(in); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
	for in, want := range map[string][2]string{ // path, variable
		"id=a,src=/b":              {"/b", ""},
		"id=a":                     {"a", ""},
		"id=TOKEN":                 {"", "TOKEN"},
		"id=TOKEN,type=file":       {"TOKEN", ""},
		"id=a,env=TOKEN":           {"", "TOKEN"},
		"id=a,type=env,src=TOKEN":  {"", "TOKEN"},
		"type=env,id=TOKEN":        {"", "TOKEN"},
		"id=a,type=file,source=/b": {"/b", ""},
	} {
		var o buildOptions
		if err := o.secret(in); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		for _, s := range o.Secrets {
			if got := [2]string{s.Path, s.Env}; got != want {
				t.Errorf("%s: %q, want %q", in, got, want)
			}
		}
	}
	one := "1"
	if got := buildArgs([]string{"A=1", "B"}); !reflect.DeepEqual(got, map[string]*string{"A": &one, "B": nil}) {
		t.Errorf("build args %v", got)
	}
}

func TestSplitTag(t *testing.T) {
	for in, want := range map[string][2]string{
		"busybox:latest":     {"busybox", "latest"},
		"localhost:5000/a":   {"localhost:5000/a", "<none>"},
		"localhost:5000/a:b": {"localhost:5000/a", "b"},
		"a":                  {"a", "<none>"},
	} {
		if repository, tag := splitTag(in); [2]string{repository, tag} != want {
			t.Errorf("%s: %q %q", in, repository, tag)
		}
	}
}
