package copier

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/build/rootfs"
	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree makes files: "a/b" a file that holds its own path, "a/" a directory, "a->b" a link, "a=text" a file that holds text.
func tree(t *testing.T, dir string, files ...string) string {
	t.Helper()
	for _, f := range files {
		if p, target, ok := strings.Cut(f, "->"); ok {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o755))
			must(t, os.Symlink(target, filepath.Join(dir, p)))
			continue
		}
		p, text, ok := strings.Cut(f, "=")
		if !ok {
			text = p
		}
		if strings.HasSuffix(p, "/") {
			must(t, os.MkdirAll(filepath.Join(dir, p), 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, p), []byte(text), 0o644))
	}
	return dir
}

// list gives the files of a directory in tree's notation, sorted, directories only when they are empty.
func list(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		must(t, err)
		rel, _ := filepath.Rel(dir, p)
		switch {
		case d.IsDir():
			if left, _ := os.ReadDir(p); len(left) == 0 && rel != "." {
				out = append(out, rel+"/")
			}
		case d.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			out = append(out, rel+"->"+target)
		default:
			data, err := os.ReadFile(p)
			must(t, err)
			if string(data) == rel {
				out = append(out, rel)
			} else {
				out = append(out, rel+"="+string(data))
			}
		}
		return nil
	}))
	slices.Sort(out)
	return strings.Join(out, " ")
}

type step struct {
	src  []string
	dest string
	req  Request
	to   Target
}

// do copies from the directory src into an upper directory over lower, and gives the upper directory.
func do(t *testing.T, src string, lower []string, s step) (string, error) {
	t.Helper()
	from, err := rootfs.OpenDir(src)
	must(t, err)
	defer from.Close()
	upper := t.TempDir()
	w, err := rootfs.NewWriter(upper, lower, rootfs.Options{UserXattr: true})
	must(t, err)
	defer w.Close()
	var all []Selection
	for _, p := range s.src {
		s.req.Path = p
		sel, err := Select(from, s.req)
		if err != nil {
			return upper, err
		}
		all = append(all, sel...)
	}
	if _, err := Hash(context.Background(), all, HashOptions{}); err != nil {
		return upper, err
	}
	s.to.Writer, s.to.Dest, s.to.Root = w, s.dest, true
	return upper, Copy(context.Background(), s.to, all)
}

// The table of Docker's documentation of COPY, and BuildKit's answers where that is silent.
func TestDestination(t *testing.T) {
	src := tree(t, t.TempDir(), "f=F", "g=G", "dir/a=A", "dir/sub/b=B", "empty/", "l->f", "dl->dir", "out->../../../../etc", "wild1.txt=1", "wild2.txt=2", "[x]=X")
	lower := tree(t, t.TempDir(), "have/file=old", "have/sub/old=old", "file=old", "link->have", "loop->loop", "dir/a=old", "abs->/have/sub")
	for _, c := range []struct {
		src  string
		dest string
		want string // what is in the upper directory, or "error: …"
	}{
		{"f", "/x", "x=F"},
		{"f", "/x/", "x/f=F"},
		{"f", "/new/deep/x", "new/deep/x=F"},
		{"f", "/have", "have/f=F"},
		{"f", "/have/", "have/f=F"},
		{"f", "/have/.", "have/f=F"},
		{"f", "/file", "file=F"},
		{"f", "/file/", "error: cannot copy to non-directory: /file: mkdir /file: not a directory"},
		{"f", "/file/x", "error: cannot copy to non-directory: /file/x: stat /file/x: not a directory"},
		{"f", "/link", "have/f=F"},
		{"f", "/link/new/", "have/new/f=F"},
		{"f", "/abs/x", "have/sub/x=F"},
		{"f", "/loop/x", "error: stat /loop/x: too many levels of symbolic links"},
		{"f g", "/both/", "both/f=F both/g=G"},
		{"f g", "/both", "both=G"}, // BuildKit: the last one wins
		{"dir", "/x", "x/a=A x/sub/b=B"},
		{"dir/", "/x", "x/a=A x/sub/b=B"},
		{"dir/.", "/x/", "x/a=A x/sub/b=B"},
		{"dir", "/have", "have/a=A have/sub/b=B"},
		{"dir", "/", "a=A sub/b=B"},
		{"dir", "/file", "error: cannot copy to non-directory: /file"},
		{"empty", "/x", "x/"},
		{"dl", "/x", "x/a=A x/sub/b=B"},
		{"dl/a", "/x", "x=A"},
		{"l", "/x/", "x/l=F"},
		{"out", "/x", `error: "/out": not found`},
		{"../../f", "/x", "x=F"},
		{"/f", "/x", "x=F"},
		{"*.txt", "/x/", "x/wild1.txt=1 x/wild2.txt=2"},
		{"wild?.txt", "/x/", "x/wild1.txt=1 x/wild2.txt=2"},
		{"d*", "/x/", "x/a=A x/sub/b=B"},
		{"*/sub", "/x/", "x/b=B"},
		{"*.none", "/x/", ""},
		{"nowhere/*", "/x/", ""},
		{"[[]x]", "/x/", "x/[x]=X"},
		{"missing", "/x", `error: "/missing": not found`},
		{"f/x", "/x", `error: "/f/x": not found`},
		{"wild[", "/x/", "error: pattern wild[: syntax error in pattern"},
	} {
		upper, err := do(t, src, []string{lower}, step{src: strings.Fields(c.src), dest: c.dest})
		got := list(t, upper)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("COPY %s %s: got %q, want %q", c.src, c.dest, got, c.want)
		}
	}
}

func TestCopyConflicts(t *testing.T) {
	src := tree(t, t.TempDir(), "d/x/y=new", "e/x=new", "n/sub/f=new")
	lower := tree(t, t.TempDir(), "to/x=file", "into/x/keep=old", "n/sub->/elsewhere", "elsewhere/")
	for _, c := range []struct{ src, dest, want string }{
		{"d", "/to", "cannot copy to non-directory: /to/x"},
		{"e", "/into", "cannot replace to directory /into/x with file"},
		{"n", "/n", "cannot copy to non-directory: /n/sub"},
	} {
		_, err := do(t, src, []string{lower}, step{src: []string{c.src}, dest: c.dest})
		if err == nil || err.Error() != c.want {
			t.Errorf("COPY %s %s: %v, want %q", c.src, c.dest, err, c.want)
		}
	}
}

func TestIgnoreAndExclude(t *testing.T) {
	src := tree(t, t.TempDir(), "a.txt", "a.md", "dir/b.txt", "dir/b.md", "dir/deep/c.txt", "skip/x", "skip/keep", "skip/more/y", "only/z")
	for _, c := range []struct {
		name, src       string
		ignore, exclude []string
		parents         bool
		want            string
	}{
		{name: "all", src: ".", want: "a.md a.txt dir/b.md dir/b.txt dir/deep/c.txt only/z skip/keep skip/more/y skip/x"},
		{name: "extension", src: ".", ignore: []string{"**/*.md", "skip", "only"}, want: "a.txt dir/b.txt dir/deep/c.txt"},
		{name: "top only", src: ".", ignore: []string{"*.md", "skip", "only"}, want: "a.txt dir/b.md dir/b.txt dir/deep/c.txt"},
		{name: "taken back", src: ".", ignore: []string{"*", "!skip/keep", "!a.txt"}, want: "a.txt skip/keep"},
		{name: "last wins", src: ".", ignore: []string{"skip", "!skip/keep", "skip/keep", "dir", "only", "*.md"}, want: "a.txt"},
		{name: "taken back by a wildcard", src: ".", ignore: []string{"*", "!**/*.txt"}, want: "a.txt dir/b.txt dir/deep/c.txt"},
		{name: "a file of an ignored directory", src: "skip/x", ignore: []string{"skip"}, want: `error: "/skip/x": not found`},
		{name: "an ignored directory", src: "skip", ignore: []string{"skip"}, want: `error: "/skip": not found`},
		{name: "an ignored directory, partly back", src: "skip", ignore: []string{"skip", "!skip/more"}, want: "more/y=skip/more/y"},
		{name: "wildcard skips ignored", src: "*", ignore: []string{"skip", "only", "dir"}, want: "a.md a.txt"},
		{name: "exclude below", src: ".", exclude: []string{"*/*.md", "skip", "only"}, want: "a.md a.txt dir/b.txt dir/deep/c.txt"},
		{name: "exclude is from the source", src: "dir", exclude: []string{"*.md"}, want: "b.txt=dir/b.txt deep/c.txt=dir/deep/c.txt"},
		{name: "exclude a file that a wildcard named", src: "a*", exclude: []string{"*.md"}, want: "a.txt"},
		{name: "exclude everything", src: "d*", exclude: []string{"*"}, want: ""},
		{name: "parents", src: "dir/deep/c.txt", parents: true, want: "dir/deep/c.txt"},
		{name: "parents of a directory", src: "dir/deep", parents: true, want: "dir/deep/c.txt"},
		{name: "parents with a pivot", src: "./dir/./deep/c.txt", parents: true, want: "deep/c.txt=dir/deep/c.txt"},
		{name: "parents with a wildcard", src: "d*/*.txt", parents: true, want: "dir/b.txt"},
		{name: "parents at any depth", src: "**/*.txt", parents: true, want: "a.txt dir/b.txt dir/deep/c.txt"},
		{name: "wildcard before the pivot", src: "d*/./**/*.txt", parents: true, want: "b.txt=dir/b.txt deep/c.txt=dir/deep/c.txt"},
		{name: "parents, missing", src: "dir/nothing", parents: true, want: `error: "/dir/nothing": not found`},
		{name: "parents, nothing matches", src: "dir/n*", parents: true, want: ""},
		{name: "parents and exclude", src: "dir", parents: true, exclude: []string{"dir/deep"}, want: "dir/b.md dir/b.txt"},
	} {
		r := Request{Exclude: c.exclude, Parents: c.parents}
		if c.ignore != nil {
			pm, err := patternmatcher.New(c.ignore)
			must(t, err)
			r.Ignore = pm
		}
		upper, err := do(t, src, nil, step{src: []string{c.src}, dest: "/", req: r})
		got := list(t, upper)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestMetadata(t *testing.T) {
	src := tree(t, t.TempDir(), "d/exec", "d/sub/plain", "d/sub/l->plain")
	when := time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)
	must(t, os.Chmod(filepath.Join(src, "d/exec"), 0o4751))
	must(t, os.Chmod(filepath.Join(src, "d/exec"), 0o751|fs.ModeSetuid))
	must(t, os.Chmod(filepath.Join(src, "d/sub"), 0o700))
	must(t, os.Link(filepath.Join(src, "d/exec"), filepath.Join(src, "d/sub/hard")))
	for _, p := range []string{"d/exec", "d/sub/plain", "d/sub", "d"} {
		must(t, os.Chtimes(filepath.Join(src, p), when, when))
	}
	lower := tree(t, t.TempDir(), "have/sub/")
	upper, err := do(t, src, []string{lower}, step{src: []string{"d"}, dest: "/have"})
	must(t, err)
	for p, mode := range map[string]fs.FileMode{
		"have":           0o755 | fs.ModeDir, // it existed
		"have/exec":      0o751 | fs.ModeSetuid,
		"have/sub":       0o700 | fs.ModeDir, // it existed too, and is given the source's mode
		"have/sub/plain": 0o644,
	} {
		fi, err := os.Lstat(filepath.Join(upper, p))
		must(t, err)
		if fi.Mode() != mode {
			t.Errorf("%s: mode %v, want %v", p, fi.Mode(), mode)
		}
		if p != "have" && !fi.ModTime().Equal(when) {
			t.Errorf("%s: time %v", p, fi.ModTime())
		}
	}
	a, err := os.Stat(filepath.Join(upper, "have/exec"))
	must(t, err)
	b, err := os.Stat(filepath.Join(upper, "have/sub/hard"))
	must(t, err)
	if !os.SameFile(a, b) {
		t.Error("the hard link is a copy")
	}
}

func TestChownAndChmod(t *testing.T) {
	src := tree(t, t.TempDir(), "d/f", "d/s/g", "d/l->f")
	to := Target{Mode: func(m uint32, dir bool) uint32 { return 0o705 }}
	if mapped() {
		to.Owner = &Owner{UID: 12, GID: 34}
	}
	upper, err := do(t, src, nil, step{src: []string{"d"}, dest: "/new/dir", to: to})
	must(t, err)
	for p, mode := range map[string]uint32{"new": 0o755, "new/dir": 0o755, "new/dir/f": 0o705, "new/dir/s": 0o705, "new/dir/l": 0o777} {
		var st unix.Stat_t
		must(t, unix.Lstat(filepath.Join(upper, p), &st))
		if st.Mode&0o7777 != mode {
			t.Errorf("%s: mode %o, want %o", p, st.Mode&0o7777, mode)
		}
		if to.Owner != nil && (st.Uid != 12 || st.Gid != 34) {
			t.Errorf("%s: owner %d:%d", p, st.Uid, st.Gid)
		}
	}
}

// --link sees nothing of what is below: a directory takes the place of a link, and no directory keeps its mode.
func TestLink(t *testing.T) {
	src := tree(t, t.TempDir(), "f=F")
	upper, err := do(t, src, nil, step{src: []string{"f"}, dest: "/bin/"})
	must(t, err)
	lower := tree(t, t.TempDir(), "bin->usr/bin", "usr/bin/sh=old")
	merged, err := rootfs.Open([]string{upper, lower}, rootfs.Options{UserXattr: true})
	must(t, err)
	defer merged.Close()
	if _, err := merged.Lookup("bin/f"); err != nil {
		t.Error(err)
	}
	if _, err := merged.Lookup("bin/sh"); err == nil {
		t.Error("the link is still followed")
	}
}

// A tree of many directories is listed in its order, whoever reads it.
func TestSelectOrder(t *testing.T) {
	src := t.TempDir()
	for i := range 200 {
		tree(t, src, fmt.Sprintf("d%d/e%d/f", i%20, i), fmt.Sprintf("d%d/e%d/g", i%20, i), fmt.Sprintf("d%d/h%d", i%20, i))
	}
	var want []string
	must(t, filepath.WalkDir(src, func(p string, _ fs.DirEntry, err error) error {
		want = append(want, strings.TrimPrefix(strings.TrimPrefix(p, src), "/"))
		return err
	}))
	from, err := rootfs.OpenDir(src)
	must(t, err)
	defer from.Close()
	sel, err := Select(from, Request{Path: "."})
	must(t, err)
	var got []string
	for _, e := range sel[0].Entries {
		got = append(got, e.Rel)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestSparseAndBig(t *testing.T) {
	src := t.TempDir()
	f, err := os.Create(filepath.Join(src, "sparse"))
	must(t, err)
	must(t, f.Truncate(64<<20))
	_, err = f.WriteAt([]byte("in the middle"), 32<<20)
	must(t, err)
	must(t, f.Close())
	big := strings.Repeat("0123456789abcdef", 100<<10)
	must(t, os.WriteFile(filepath.Join(src, "big"), []byte(big), 0o644))
	upper, err := do(t, src, nil, step{src: []string{"."}, dest: "/"})
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(upper, "sparse"), &st))
	if st.Size != 64<<20 || st.Blocks*512 > 1<<20 {
		t.Errorf("size %d, %d blocks", st.Size, st.Blocks)
	}
	data, err := os.ReadFile(filepath.Join(upper, "sparse"))
	must(t, err)
	if string(data[32<<20:32<<20+13]) != "in the middle" {
		t.Error("the middle is lost")
	}
	data, err = os.ReadFile(filepath.Join(upper, "big"))
	must(t, err)
	if string(data) != big {
		t.Error("the big file differs")
	}
}

func TestInline(t *testing.T) {
	w, err := rootfs.NewWriter(t.TempDir(), nil, rootfs.Options{})
	must(t, err)
	defer w.Close()
	sel := []Selection{Inline("file", []byte("hello\n")), Inline("empty", nil)}
	_, err = Hash(context.Background(), sel, HashOptions{})
	must(t, err)
	must(t, Copy(context.Background(), Target{Writer: w, Dest: "/d/"}, sel))
	root, err := w.Root()
	must(t, err)
	if got := list(t, w.Dirs(&root)[0]); got != "d/empty= d/file=hello\n" {
		t.Errorf("got %q", got)
	}
}

// A copy of files into a directory of many layers reads each directory of each layer once, not once a file.
func TestManyFilesInOneDirectory(t *testing.T) {
	src := t.TempDir()
	for i := range 300 {
		must(t, os.WriteFile(filepath.Join(src, fmt.Sprintf("f%03d", i)), []byte{byte(i)}, 0o644))
	}
	lower := tree(t, t.TempDir(), "d/f000=old", "d/f299=old", "d/other=old")
	upper, err := do(t, src, []string{lower}, step{src: []string{"."}, dest: "/d"})
	must(t, err)
	names, err := os.ReadDir(filepath.Join(upper, "d"))
	must(t, err)
	if len(names) != 300 {
		t.Errorf("%d files", len(names))
	}
}
