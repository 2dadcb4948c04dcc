package wire

import (
	"errors"
	"reflect"
	"testing"
)

type inner struct {
	Name string
	N    *int
}

type outer struct {
	Yes, No bool
	I       int64
	U       uint16
	P       uintptr
	S       string
	B       []byte
	L       []string
	In      []inner
	Deep    *inner
	Nil     *inner
	Empty   []string
}

func sample() outer {
	n := -5
	return outer{true, false, -1 << 40, 65535, 1 << 30, "text\x00with", []byte{0, 1, 255}, []string{"a", ""}, []inner{{"x", &n}, {}}, &inner{Name: "d"}, nil, nil}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	var got outer
	if err := Unmarshal(Marshal(want), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMalformed(t *testing.T) {
	good := Marshal(sample())
	for n := range good {
		var v outer
		if err := Unmarshal(good[:n], &v); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d of %d bytes: %v", n, len(good), err)
		}
	}
	var v outer
	if err := Unmarshal(append(good, 0), &v); !errors.Is(err, ErrMalformed) {
		t.Errorf("a byte too many: %v", err)
	}
	var small struct{ U uint8 }
	if err := Unmarshal(Marshal(struct{ U uint16 }{300}), &small); !errors.Is(err, ErrMalformed) {
		t.Errorf("overflow: %v", err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(Marshal(sample()))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v outer
		if Unmarshal(data, &v) == nil {
			var again outer
			if err := Unmarshal(Marshal(v), &again); err != nil || !reflect.DeepEqual(v, again) {
				t.Errorf("%+v becomes %+v: %v", v, again, err)
			}
		}
	})
}
