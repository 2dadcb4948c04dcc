package copier

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sys/unix"
)

func TestHash(t *testing.T) {
	base := func() string { return tree(t, t.TempDir(), "d/f=F", "d/s/g=G", "d/l->f") }
	hash := func(dir string, o HashOptions, p string, r Request) string {
		from, err := rootfs.OpenDir(dir)
		must(t, err)
		defer from.Close()
		r.Path = p
		sel, err := Select(from, r)
		must(t, err)
		h, err := Hash(context.Background(), sel, o)
		must(t, err)
		return h
	}
	plain := HashOptions{Owner: true}
	want := hash(base(), plain, "d", Request{})
	same := map[string]func(dir string){
		"mtime":      func(d string) { must(t, os.Chtimes(d+"/d/f", time.Unix(1, 0), time.Unix(1, 0))) },
		"other file": func(d string) { must(t, os.WriteFile(d+"/other", nil, 0o644)) },
	}
	for name, change := range same {
		dir := base()
		change(dir)
		if hash(dir, plain, "d", Request{}) != want {
			t.Errorf("%s counts", name)
		}
	}
	differ := map[string]func(dir string){
		"content":    func(d string) { must(t, os.WriteFile(d+"/d/f", []byte("f"), 0o644)) },
		"mode":       func(d string) { must(t, os.Chmod(d+"/d/f", 0o600)) },
		"dir mode":   func(d string) { must(t, os.Chmod(d+"/d/s", 0o700)) },
		"link":       func(d string) { must(t, os.Remove(d+"/d/l")); must(t, os.Symlink("g", d+"/d/l")) },
		"name":       func(d string) { must(t, os.Rename(d+"/d/f", d+"/d/F")) },
		"empty dir":  func(d string) { must(t, os.Mkdir(d+"/d/e", 0o755)) },
		"hard link":  func(d string) { must(t, os.Remove(d+"/d/s/g")); must(t, os.Link(d+"/d/f", d+"/d/s/g")) },
		"attribute":  func(d string) { must(t, unix.Setxattr(d+"/d/f", "user.x", []byte("1"), 0)) },
		"moved file": func(d string) { must(t, os.Rename(d+"/d/s/g", d+"/d/g")) },
	}
	seen := map[string]string{want: "unchanged"}
	for name, change := range differ {
		dir := base()
		change(dir)
		h := hash(dir, plain, "d", Request{})
		if with, ok := seen[h]; ok {
			t.Errorf("%s is like %s", name, with)
		}
		seen[h] = name
	}
	dir := base()
	must(t, os.Chmod(dir+"/d/f", 0o600))
	noMode := HashOptions{Owner: true, Mode: true}
	if hash(dir, noMode, "d", Request{}) != hash(base(), noMode, "d", Request{}) {
		t.Error("--chmod: the mode counts")
	}
	must(t, os.Rename(dir+"/d", dir+"/dir"))
	if hash(dir, noMode, "dir", Request{}) != hash(base(), noMode, "d", Request{}) {
		t.Error("the name of a directory whose content is copied counts")
	}
	if hash(dir, plain, "dir/f", Request{}) == hash(dir, plain, "dir/l", Request{}) {
		t.Error("the name of a file does not count")
	}
}

func TestHashReadsNothingTwice(t *testing.T) {
	src := tree(t, t.TempDir(), "f=F", "g=G")
	for _, f := range []string{"f", "g"} {
		must(t, os.Chtimes(filepath.Join(src, f), time.Unix(1, 1), time.Unix(1, 1)))
	}
	time.Sleep(30 * time.Millisecond) // older than the tick of the clock that Digests does not trust
	c, err := cache.Open(t.TempDir())
	must(t, err)
	d := c.Digests(src)
	var hashes []string
	for round := range 2 {
		from, err := rootfs.OpenDir(src)
		must(t, err)
		sel, err := Select(from, Request{Path: "."})
		must(t, err)
		h, err := Hash(context.Background(), sel, HashOptions{Digests: d})
		must(t, err)
		hashes = append(hashes, h)
		if read := sel[0].Entries[1].Data != nil; read != (round == 0) {
			t.Errorf("round %d: read %v", round, read)
		}
		from.Close()
	}
	if hashes[0] != hashes[1] {
		t.Error("the remembered digest gives another hash")
	}
}

// A file that changes between Hash and Copy must not be found by the name that Hash gave it.
func TestCopyNoticesAChange(t *testing.T) {
	src := tree(t, t.TempDir(), "big="+strings.Repeat("x", keepFile+1))
	from, err := rootfs.OpenDir(src)
	must(t, err)
	defer from.Close()
	sel, err := Select(from, Request{Path: "big"})
	must(t, err)
	_, err = Hash(context.Background(), sel, HashOptions{})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(src, "big"), []byte(strings.Repeat("y", keepFile+1)), 0o644))
	w, err := rootfs.NewWriter(t.TempDir(), nil, rootfs.Options{})
	must(t, err)
	defer w.Close()
	if err := Copy(context.Background(), Target{Writer: w, Dest: "/", Root: true}, sel); err != ErrChanged {
		t.Errorf("got %v", err)
	}
}

// Files whose digests are remembered are read by Copy alone, which keeps what they hold; one that has changed meanwhile is copied as it is, is not
// kept, and is noticed.
func TestCopyOfRememberedFiles(t *testing.T) {
	src := tree(t, t.TempDir(), "a=text", "b=", "big="+strings.Repeat("x", keepFile+1), "changed=before", "grown=before")
	time.Sleep(30 * time.Millisecond) // older than the tick of the clock that Digests does not trust
	c, err := cache.Open(t.TempDir())
	must(t, err)
	d := c.Digests(src)
	from, err := rootfs.OpenDir(src)
	must(t, err)
	defer from.Close()
	var sel []Selection
	for range 2 {
		sel, err = Select(from, Request{Path: "."})
		must(t, err)
		_, err = Hash(context.Background(), sel, HashOptions{Digests: d})
		must(t, err)
	}
	must(t, os.WriteFile(filepath.Join(src, "changed"), []byte("behind"), 0o644))
	must(t, os.WriteFile(filepath.Join(src, "grown"), []byte(strings.Repeat("y", keepFile+1)), 0o644))
	upper := t.TempDir()
	w, err := rootfs.NewWriter(upper, nil, rootfs.Options{})
	must(t, err)
	defer w.Close()
	known := map[string][]byte{"d/changed": nil}
	if err := Copy(context.Background(), Target{Writer: w, Dest: "/d", Root: true, Known: known}, sel); err != ErrChanged {
		t.Errorf("got %v", err)
	}
	if got, want := list(t, upper+"/d"), list(t, src); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(known) != 2 || string(known["d/a"]) != "text" || known["d/b"] == nil {
		t.Errorf("known: %q", known)
	}
}

// A context's directory that becomes a link out of it while it is being read must not be followed.
func TestSourceSwappedForALink(t *testing.T) {
	canary := tree(t, t.TempDir(), "f=secret")
	src := tree(t, t.TempDir(), "d/f="+strings.Repeat("x", keepFile+1))
	from, err := rootfs.OpenDir(src)
	must(t, err)
	defer from.Close()
	sel, err := Select(from, Request{Path: "."})
	must(t, err)
	must(t, os.Rename(src+"/d", src+"/moved"))
	must(t, os.Symlink(canary, src+"/d"))
	if _, err := Hash(context.Background(), sel, HashOptions{}); err == nil {
		t.Error("the link was followed")
	}
}

// What takes a file's place and is not a file is not waited for.
func TestSourceSwappedForAPipe(t *testing.T) {
	for _, size := range []int{10, keepFile + 1} {
		src := tree(t, t.TempDir(), "f="+strings.Repeat("x", size))
		from, err := rootfs.OpenDir(src)
		must(t, err)
		defer from.Close()
		sel, err := Select(from, Request{Path: "."})
		must(t, err)
		must(t, os.Remove(src+"/f"))
		must(t, unix.Mkfifo(src+"/f", 0o644))
		const want = "/f: not a regular file any more"
		if _, err := Hash(context.Background(), sel, HashOptions{}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("hash: %v", err)
		}
		w, err := rootfs.NewWriter(t.TempDir(), nil, rootfs.Options{})
		must(t, err)
		defer w.Close()
		if err := Copy(context.Background(), Target{Writer: w, Dest: "/"}, sel); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("copy: %v", err)
		}
	}
}
