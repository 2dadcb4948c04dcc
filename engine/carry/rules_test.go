package carry

import (
	"errors"
	"testing"
)

// TestTarget holds the table of `docker cp`'s documentation: what a copy is called and where it goes.
func TestTarget(t *testing.T) {
	file, dir := end{path: "/s/f", exists: true}, end{path: "/s/d", exists: true, dir: true}
	content := end{path: "/s/d/.", exists: true, dir: true}
	for _, test := range []struct {
		name       string
		src, dst   end
		in, called string
		err        error
	}{
		{"directory over a file", dir, end{path: "/t/f", exists: true}, "", "", ErrCannotCopyDir},
		{"content over a file", content, end{path: "/t/f", exists: true}, "", "", ErrCannotCopyDir},
		{"file to a missing directory", file, end{path: "/t/new/"}, "", "", ErrDirNotExists},
		{"file to a missing directory's content", file, end{path: "/t/new/."}, "", "", ErrDirNotExists},
		{"file to a new name", file, end{path: "/t/new"}, "/t", "new", nil},
		{"file over a file", file, end{path: "/t/g", exists: true}, "/t", "g", nil},
		{"file into a directory", file, end{path: "/t", exists: true, dir: true}, "/t", "f", nil},
		{"directory to a new name", dir, end{path: "/t/new"}, "/t", "new", nil},
		{"directory to a new name with a slash", dir, end{path: "/t/new/"}, "/t", "new", nil},
		{"directory into a directory", dir, end{path: "/t", exists: true, dir: true}, "/t", "d", nil},
		{"content to a new name", content, end{path: "/t/new"}, "/t", "new", nil},
		{"content into a directory", content, end{path: "/t", exists: true, dir: true}, "/t", ".", nil},
		{"root into a directory", end{path: "/", exists: true, dir: true}, end{path: "/t", exists: true, dir: true}, "/t", ".", nil},
		{"followed link into a directory", end{path: "/x/real", rename: "link", exists: true}, end{path: "/t", exists: true, dir: true}, "/t", "link", nil},
	} {
		in, called, err := target(test.src, test.dst)
		if !errors.Is(err, test.err) || in != test.in || called != test.called {
			t.Errorf("%s: %q %q %v, want %q %q %v", test.name, in, called, err, test.in, test.called, test.err)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "//": "/", "/.": "/.", "/a/": "/a/", "/a/.": "/a/.", "/a/b/..": "/a", "/a/../": "/", "/a//b": "/a/b", "/a/./": "/a/.",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}
