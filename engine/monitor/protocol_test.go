package monitor

import (
	"errors"
	"strings"
	"testing"
)

func TestHello(t *testing.T) {
	s, z, err := parseHello(helloFrame(Stdin|Stderr, Size{Rows: 300, Cols: 5}))
	if err != nil || s != Stdin|Stderr || z != (Size{300, 5}) {
		t.Errorf("%v %v %v", s, z, err)
	}
	for _, bad := range []string{"", "h", "hxxxxxx", "xxxxxx"} {
		if _, _, err := parseHello([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a hello", bad)
		}
	}
}

func TestEvents(t *testing.T) {
	if e, err := parseEvent(exitFrame(255)); err != nil || !e.Exited || e.Code != 255 {
		t.Errorf("exit: %v %v", e, err)
	}
	if e, err := parseEvent([]byte("eabc")); err != nil || e.Stream != Stderr || string(e.Data) != "abc" {
		t.Errorf("stderr: %v %v", e, err)
	}
	for _, bad := range []string{"x", "x12345", "?", "f{"} {
		if _, err := parseEvent([]byte(bad)); err == nil {
			t.Errorf("%q was taken for an event", bad)
		}
	}
}

func TestFailureFrame(t *testing.T) {
	long := strings.Repeat("\x01", 2*maxFrame)
	for _, want := range []*Failure{{127, "exec: /x: no such file"}, {125, long}} {
		frame := failureFrame(want)
		if len(frame) > maxFrame+1 {
			t.Errorf("a frame of %d bytes", len(frame))
		}
		_, err := parseEvent(frame)
		var got *Failure
		if !errors.As(err, &got) || got.Code != want.Code || !strings.HasPrefix(want.Text, got.Text) || got.Text == "" {
			t.Errorf("%v", err)
		}
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte("x1234"))
	f.Add([]byte(`f{"code":1}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 0 {
			parseEvent(frame)
			parseHello(frame)
		}
	})
}
