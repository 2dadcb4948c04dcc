package carry

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/inroot"
)

// maxLinks is how many symbolic links the kernel follows in one path (MAXSYMLINKS).
const maxLinks = 40

// lstat looks at a path of the container's as lstat(2) does: a link at its end is not followed, unless a slash follows it.
func lstat(root inroot.Root, p string, st *unix.Stat_t) error {
	flags := unix.O_PATH | unix.O_NOFOLLOW
	if assertsDir(p) {
		flags = unix.O_PATH
	}
	fd, err := root.Open(p, flags)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st)
}

// follow follows the links at the end of a path. The path that it gives ends in no link; what is there may not exist (ENOENT).
func follow(root inroot.Root, p string, st *unix.Stat_t) (string, error) {
	for range maxLinks {
		err := lstat(root, p, st)
		if err != nil || kind(st) != unix.S_IFLNK {
			return p, err
		}
		fd, err := root.Open(p, unix.O_PATH|unix.O_NOFOLLOW)
		if err != nil {
			return p, err
		}
		to, err := readlink(fd, "")
		unix.Close(fd)
		if err != nil {
			return p, err
		}
		if !path.IsAbs(to) {
			to = path.Dir(p) + "/" + to // not cleaned: a ".." is meant behind links
		}
		p = to
	}
	return p, unix.ELOOP
}

// source opens the file at the path e in the container, as what Pack packs. The caller closes Dir.
func (e end) source(root inroot.Root, name string) (Source, error) {
	dir, base := path.Clean(e.path), "."
	if !e.dir {
		dir, base = path.Dir(e.path), path.Base(e.path)
	}
	fd, err := root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
	return Source{Dir: fd, Base: base, Name: name}, err
}

// hostSource looks at a path of the host's that is to be copied. The error of a missing one is fs.ErrNotExist.
func hostSource(p string, followLink bool) (end, error) {
	e := end{path: Clean(p), exists: true}
	look := e.path
	if followLink || strings.HasSuffix(e.path, "/") {
		real, err := filepath.EvalSymlinks(e.path)
		if err != nil {
			return e, err
		}
		if _, name := split(e.path); name != "." && name != filepath.Base(real) {
			e.rename = name
		}
		look = real
		if currentDir(e.path) {
			real += "/."
		}
		e.path = real
	}
	info, err := os.Lstat(look)
	if err != nil {
		return e, err
	}
	e.dir = info.IsDir()
	return e, nil
}

// hostSourceDir opens the file at a path of the host's as what Pack packs.
func (e end) hostSourceDir(name string) (Source, error) {
	dir, base := e.path, "."
	if !e.dir {
		dir, base = filepath.Split(e.path)
	}
	if dir == "" {
		dir = "."
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return Source{Dir: fd, Base: base, Name: name}, pathError("open", dir, err)
}

// hostTarget looks at a path of the host's that is to be copied to. Links at its end are followed.
func hostTarget(p string) (end, error) {
	e := end{path: Clean(p)}
	info, err := os.Lstat(e.path)
	for n := 0; err == nil && info.Mode()&fs.ModeSymlink != 0; n++ {
		if n > maxLinks {
			return e, errors.New("too many symlinks in " + p)
		}
		to, err := os.Readlink(e.path)
		if err != nil {
			return e, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(e.path), to)
		}
		e.path = to
		if info, err = os.Lstat(e.path); err != nil {
			break
		}
	}
	info, err = os.Lstat(e.path)
	switch {
	case err == nil:
		e.exists, e.dir = true, info.IsDir()
		return e, outputMode(info.Mode())
	case !errors.Is(err, fs.ErrNotExist):
		return e, err
	}
	dir, _ := split(e.path)
	parent, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return e, &outputError{dir}
	}
	if err == nil && !parent.IsDir() {
		err = ErrNotDirectory
	}
	return e, err
}

// outputError is a target whose directory is missing.
type outputError struct{ dir string }

func (e *outputError) Error() string {
	return `invalid output path: directory "` + e.dir + `" does not exist`
}

// outputMode refuses to copy over what is neither a directory nor a file.
func outputMode(mode fs.FileMode) error {
	if mode&fs.ModeDevice != 0 {
		return errors.New("got a device")
	}
	if mode&fs.ModeIrregular != 0 {
		return errors.New("got an irregular file")
	}
	return nil
}
