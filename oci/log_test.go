package oci

import (
	"maps"
	"testing"
)

func TestLogErrors(t *testing.T) {
	for _, c := range []struct {
		driver string
		opts   map[string]string
		want   string
	}{
		{"nosuch", nil, "logger: no log driver named 'nosuch' is registered"},
		{"none", map[string]string{"max-size": "1m"}, "invalid logging opts for driver none"},
		{"", map[string]string{"foo": "1"}, "unknown log opt 'foo' for json-file log driver"},
		{"journald", map[string]string{"max-size": "1m"}, "unknown log opt 'max-size' for journald log driver"},
		{"", map[string]string{"max-size": "0"}, "max-size must be a positive number"},
		{"", map[string]string{"max-file": "0"}, "max-file cannot be less than 1"},
		{"", map[string]string{"compress": "true"}, "compress cannot be true when max-file is less than 2 or max-size is not set"},
		{"", map[string]string{"mode": "x"}, "logger: logging mode not supported: x"},
		{"", map[string]string{"max-buffer-size": "1m"}, "logger: max-buffer-size option is only supported with 'mode=non-blocking'"},
		{"local", map[string]string{"mode": "non-blocking", "max-buffer-size": "0"}, "error parsing option max-buffer-size: 0: it must be positive"},
		{"none", map[string]string{"mode": "non-blocking"}, "invalid logging opts for driver none"},
	} {
		_, err := (&Config{LogDriver: c.driver, LogOpts: c.opts}).Log()
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %v: %v", c.driver, c.opts, err)
		}
	}
}

func TestLog(t *testing.T) {
	c := &Config{Name: "web", Image: "busybox", ID: "0123456789abcdef", Labels: map[string]string{"a": "1", "b": "2"}, Env: []string{"X=y", "XY=z", "PATH=/"},
		LogOpts: map[string]string{"labels": "a,c", "env-regex": "^X", "tag": "{{.Name}}/{{.ID}}", "max-size": "10m", "max-file": "3", "compress": "true"}}
	l, err := c.Log()
	want := map[string]string{"a": "1", "X": "y", "XY": "z", "tag": "web/0123456789ab"}
	if err != nil || l.MaxSize != 10e6 || l.MaxFiles != 3 || !l.Compress || !maps.Equal(l.Attrs, want) {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = (&Config{LogDriver: LogLocal, LogOpts: map[string]string{"max-file": "1"}}).Log()
	if err != nil || l.MaxSize != 20e6 || l.MaxFiles != 1 || l.Compress {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = (&Config{LogDriver: LogJournal, ID: "0123456789abcdef", LogOpts: map[string]string{"cache-disabled": "true"}}).Log()
	if err != nil || l.MaxFiles != 0 || l.Tag != "0123456789ab" {
		t.Errorf("%+v, %v", l, err)
	}
	for size, want := range map[string]int64{"": 1e6, "2m": 2 << 20} {
		opts := map[string]string{"mode": "non-blocking", "max-buffer-size": size}
		if size == "" {
			delete(opts, "max-buffer-size")
		}
		if l, err = (&Config{LogOpts: opts}).Log(); err != nil || l.Buffer != want {
			t.Errorf("%v: %+v, %v", opts, l, err)
		}
	}
}
