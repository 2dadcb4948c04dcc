package storage

import (
	"errors"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/storage/records"
)

func TestNames(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	for _, c := range []struct{ in, full, familiar string }{
		{"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"busybox:1", "docker.io/library/busybox:1", "busybox:1"},
		{"a/b", "docker.io/a/b:latest", "a/b:latest"},
		{"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"localhost/x", "localhost/x:latest", "localhost/x:latest"},
		{"reg:5000/x:y", "reg:5000/x:y", "reg:5000/x:y"},
		{"x@" + digest, "docker.io/library/x@" + digest, "x@" + digest},
		{"x:y@" + digest, "docker.io/library/x@" + digest, "x@" + digest},
	} {
		full, err := NormalName(c.in)
		if err != nil || full != c.full {
			t.Errorf("NormalName(%s) = %s, %v", c.in, full, err)
		}
		if got := FamiliarName(full); got != c.familiar {
			t.Errorf("FamiliarName(%s) = %s", full, got)
		}
	}
	for _, bad := range []string{"", "A", "a:", ":a", "a b", "a@sha256:12", "-a", "a//b", "http://x", strings.Repeat("a", 300)} {
		if full, err := NormalName(bad); !errors.Is(err, ErrBadReference) {
			t.Errorf("NormalName(%q) = %q, %v", bad, full, err)
		}
	}
}

func FuzzNormalName(f *testing.F) {
	f.Add("reg.example:5000/a/b:c@sha256:00")
	f.Fuzz(func(t *testing.T, in string) {
		full, err := NormalName(in)
		if err != nil {
			return
		}
		if again, err := NormalName(full); err != nil || again != full {
			t.Errorf("%q → %q → %q, %v", in, full, again, err)
		}
	})
}

func TestFind(t *testing.T) {
	a := &records.Image{ID: "aa" + strings.Repeat("0", 62), Names: []string{"docker.io/library/x:latest", "docker.io/library/beef:latest"}}
	b := &records.Image{
		ID: "aa" + strings.Repeat("1", 62), Names: []string{"docker.io/reg/y:1"},
		BigDataDigests: map[string]string{"manifest": "sha256:" + strings.Repeat("d", 64), "manifest-x": "sha256:" + strings.Repeat("e", 64)},
	}
	c := &records.Image{ID: "beef" + strings.Repeat("2", 60)}
	snap := &records.Snapshot{Images: []*records.Image{a, b, c}}
	for _, k := range []struct {
		ref  string
		want *records.Image
		err  error
	}{
		{"x", a, nil},
		{"x:2", nil, ErrNoImage},
		{"aa0", a, nil},
		{"sha256:aa1", b, nil},
		{"aa", nil, ErrAmbiguousID},
		{"beef", a, nil}, // a name comes before the beginning of an id
		{"beef2", c, nil},
		{"bad", nil, ErrNoImage},
		{a.ID, a, nil},
		{"sha256:" + a.ID, a, nil},
		{strings.Repeat("0", 64), nil, ErrNoImage},
		{"sha256:" + strings.Repeat("d", 64), b, nil},
		{"reg/y@sha256:" + strings.Repeat("d", 64), b, nil},
		{"reg/y@sha256:" + strings.Repeat("e", 64), b, nil},
		{"reg/z@sha256:" + strings.Repeat("d", 64), nil, ErrNoImage},
		{"", nil, ErrBadReference},
		{"UP:x:y", nil, ErrBadReference},
		{"sha256:", nil, ErrBadReference},
	} {
		got, err := find(snap, k.ref)
		if got != k.want || !errors.Is(err, k.err) {
			t.Errorf("find(%q) = %v, %v", k.ref, got, err)
		}
	}
}

func TestParsePlatform(t *testing.T) {
	for in, want := range map[string]platform{
		"": {}, "linux/amd64": {"linux", "amd64", ""}, "linux/arm/v7": {"linux", "arm", "v7"}, "arm64": {"linux", "arm64", ""},
		"linux/x86_64": {"linux", "amd64", ""}, "aarch64": {"linux", "arm64", ""},
	} {
		if got, err := parsePlatform(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"/", "linux/", "/amd64", "a/b/c/d"} {
		if _, err := parsePlatform(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
