package carry

import (
	"errors"
	"path"
	"strings"
)

// The errors of a copy whose ends do not fit, in Docker's words (moby, pkg/archive/copy.go).
var (
	ErrNotDirectory  = errors.New("not a directory")
	ErrDirNotExists  = errors.New("no such directory")
	ErrCannotCopyDir = errors.New("cannot copy directory")
)

// end is one end of a copy.
type end struct {
	path   string // as given, cleaned but for a slash or "/." at the end
	rename string // the name to show instead of the path's last, when a link was followed
	exists bool
	dir    bool
}

// target says in which directory a copy of src to dst is unpacked, and what its first entry is called there: "." when what is in
// a directory goes straight into another. The rules are those of `docker cp`.
func target(src, dst end) (dir, name string, err error) {
	dstDir, dstBase := split(dst.path)
	switch {
	case dst.exists && dst.dir:
		return dst.path, src.name(), nil
	case dst.exists && src.dir:
		return "", "", ErrCannotCopyDir
	case !dst.exists && !src.dir && assertsDir(dst.path):
		return "", "", ErrDirNotExists
	}
	return dstDir, dstBase, nil
}

// name is what the end's file is called in an archive.
func (e end) name() string {
	if e.rename != "" {
		return e.rename
	}
	_, base := split(e.path)
	if base == "/" {
		return "."
	}
	return base
}

// split gives the directory and the last name of a path; "/." at the end is a name, a slash is none.
func split(p string) (dir, base string) {
	clean := path.Clean(p)
	if currentDir(p) {
		return clean, "."
	}
	return path.Dir(clean), path.Base(clean)
}

// currentDir says whether a path ends in ".": then a directory's content is meant.
func currentDir(p string) bool { return path.Base(p) == "." || strings.HasSuffix(p, "/.") }

// assertsDir says whether a path says of itself that it names a directory.
func assertsDir(p string) bool { return strings.HasSuffix(p, "/") || currentDir(p) }

// Clean brings a path into its shortest form by its text alone, and keeps a slash or "/." at its end: they say what is meant.
func Clean(p string) string {
	clean := path.Clean(p)
	switch {
	case currentDir(p) && !currentDir(clean):
		return strings.TrimSuffix(clean, "/") + "/."
	case strings.HasSuffix(p, "/") && clean != "/":
		return clean + "/"
	}
	return clean
}
