package inroot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tree makes a directory with a "root" to look into and a "canary" beside it that must never be reached.
func tree(t *testing.T) (Root, string) {
	t.Helper()
	top := t.TempDir()
	for _, d := range []string{"root/dir/sub", "root/etc", "canary"} {
		if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, top, "canary/passwd", "host")
	write(t, top, "root/etc/passwd", "container")
	for name, to := range map[string]string{
		"abs":       filepath.Join(top, "canary"),
		"up":        "../canary",
		"far":       "../../../../../../../.." + filepath.Join(top, "canary"),
		"twice":     "abs",
		"inner":     "/dir/sub",
		"dangling":  "/made/later",
		"dangling2": "dangling",
		"relative":  "dir/new",
		"loop":      "loop",
		"passwd":    "/etc/passwd",
		"magic":     "/proc/self/cwd",
		"zero":      "/dev/zero",
	} {
		if err := os.Symlink(to, filepath.Join(top, "root", name)); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(filepath.Join(top, "root"), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return Root(fd), top
}

func write(t *testing.T, top, name, data string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(top, name), []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// names lists a directory of the test's tree.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var n []string
	for _, e := range entries {
		n = append(n, e.Name())
	}
	return n
}

func TestMkdirAll(t *testing.T) {
	r, top := tree(t)
	tests := []struct {
		path, made string // made: where the directory is then, below the root
		err        error
	}{
		{"etc/passwd/x", "", unix.ENOTDIR},
		{"loop/x", "", unix.ELOOP},
		{"passwd", "", unix.ENOTDIR},
		{"/", "", nil},
		{"../../..", "", nil},
		{"dir/sub", "dir/sub", nil},
		{"a/b/c", "a/b/c", nil},
		{"inner/x", "dir/sub/x", nil},
		{"dangling/y", "made/later/y", nil},
		{"dangling2", "made/later", nil},
		{"relative/z", "dir/new/z", nil},
		{"dir/../q", "q", nil},
	}
	for _, tt := range tests {
		fd, err := r.MkdirAll(tt.path, 0o755)
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, want %v", tt.path, err, tt.err)
		}
		if err == nil {
			unix.Close(fd)
			if _, err := os.Stat(filepath.Join(top, "root", tt.made)); err != nil {
				t.Errorf("%s: %v", tt.path, err)
			}
		}
	}
	for _, p := range []string{"abs/x", "up/x", "far/x", "twice/x"} { // T-A6: made inside, whatever the link says
		if fd, err := r.MkdirAll(p, 0o755); err == nil {
			unix.Close(fd)
		}
		if fd, err := r.Create(p+"/file", 0o644); err == nil {
			unix.Close(fd)
		}
	}
	if got := names(t, filepath.Join(top, "canary")); len(got) != 1 {
		t.Errorf("something was made outside of the root: %v", got)
	}
}

func TestOpenStaysInside(t *testing.T) {
	r, top := tree(t)
	for _, p := range []string{"abs/passwd", "up/passwd", "far/passwd", "twice/passwd", "../canary/passwd", "magic/passwd"} {
		if fd, err := r.Open(p, unix.O_PATH); err == nil {
			unix.Close(fd)
			t.Errorf("%s was opened", p)
		}
	}
	if _, err := r.OpenNoLinks("passwd", unix.O_PATH); err != unix.ELOOP {
		t.Errorf("a link was followed: %v", err)
	}
	fd, err := r.Create("abs/made", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if _, err := os.Stat(filepath.Join(top, "root", top, "canary", "made")); err != nil {
		t.Errorf("not made below the root: %v", err)
	}
}

func TestReadFile(t *testing.T) {
	r, top := tree(t)
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(proc)
	if err := unix.Mkfifo(filepath.Join(top, "root/fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	write(t, top, "root/sparse", "")
	if err := os.Truncate(filepath.Join(top, "root/sparse"), 10<<30); err != nil {
		t.Fatal(err)
	}
	write(t, top, "root/big", strings.Repeat("x", 1001))
	tests := []struct {
		path string
		want string
		err  error
	}{
		{"missing", "", unix.ENOENT},
		{"dir", "", ErrNotRegular},
		{"fifo", "", ErrNotRegular},
		{"zero", "", unix.ENOENT},
		{"sparse", "", ErrTooBig},
		{"big", "", ErrTooBig},
		{"abs/passwd", "", unix.ENOENT},
		{"passwd", "container", nil},
		{"/etc/../etc/passwd", "container", nil},
	}
	for _, tt := range tests {
		got, err := r.ReadFile(proc, tt.path, 1000)
		if !errors.Is(err, tt.err) || string(got) != tt.want {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.path, got, err, tt.want, tt.err)
		}
	}
}
