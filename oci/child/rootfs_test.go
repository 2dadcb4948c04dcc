package child

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// isolated runs the calling test again in a mount namespace of its own, for an ordinary user in a user namespace too, and says whether this is that run.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv("CHILD_TEST") != "" {
		return true
	}
	args := []string{"--mount", "--user", "--map-root-user", "--map-auto", os.Args[0], "-test.run", "^" + t.Name() + "$"}
	if os.Geteuid() == 0 {
		args = append(args[:1], args[4:]...)
	}
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), "CHILD_TEST=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// TestOverlayByNumbers mounts as kernels before 6.7 need it: many layers, at long paths, through mount(2).
func TestOverlayByNumbers(t *testing.T) {
	if !isolated(t) {
		return
	}
	dir := t.TempDir()
	mkdir := func(name string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	r := Rootfs{Upper: mkdir("upper,a:b"), Work: mkdir("work")}
	for i := range 400 {
		r.Lower = append(r.Lower, mkdir(strings.Repeat("deep/", 50)+string(rune('a'+i%26))+strings.Repeat("x", i/26)))
	}
	if err := os.WriteFile(filepath.Join(r.Lower[399], "file"), []byte("last"), 0o644); err != nil {
		t.Fatal(err)
	}
	userns, err := selfInUserns()
	if err != nil {
		t.Fatal(err)
	}
	m, err := overlayByNumbers(r, overlayOptions(r, userns))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(r.Lower[0], unix.MNT_DETACH)
	if !m.attached || !isOn(m.fd, unix.OVERLAYFS_SUPER_MAGIC) {
		t.Errorf("%+v is not an attached overlay", m)
	}
	if data, err := os.ReadFile(filepath.Join(r.Lower[0], "file")); string(data) != "last" {
		t.Errorf("read %q, %v", data, err)
	}
	if err := os.Chdir("/"); err != nil {
		t.Fatal(err)
	}
}

func TestOverlayErrors(t *testing.T) {
	if !isolated(t) {
		return
	}
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		r    Rootfs
		want string
	}{
		{"too many", Rootfs{Lower: make([]string, 501), Upper: dir}, "501 layers; the kernel mounts 500 at most"},
		{"no layer", Rootfs{Lower: []string{dir + "/none", dir}, Upper: dir, Work: dir}, "no such file or directory"},
		{"no upper", Rootfs{Lower: []string{dir, "/usr"}, Upper: dir + "/none", Work: dir}, "upperdir=" + dir + "/none"},
	} {
		fd, err := PrepareRootfs(&Plan{Rootfs: tt.r}, nil)
		if err == nil {
			unix.Close(fd)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestMappedRootBefore615 shows a root's directories with other owners as older kernels need it, attached in a mount namespace, and as newer ones can:
// overlays and a directory.
func TestMappedRootBefore615(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root of the host, who alone may map ids")
	}
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ids := []userns.Range{{Inside: 0, Outside: 20000, Count: 1000}}
	p := &Plan{Userns: &Userns{Map: userns.Map{UIDs: ids, GIDs: ids}}}
	ns, err := userns.New(&p.Userns.Map)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, r := range map[string]Rootfs{
		"overlay":     {Lower: []string{in("a"), in("b")}, Upper: in("upper"), Work: in("work")},
		"read-only":   {Lower: []string{in("a"), in("b")}},
		"one layer":   {Lower: []string{in("a")}},
		"a directory": {Bind: in("a")},
	} {
		p.Rootfs, p.Rootfs.Mapped = r, true
		for way, make := range map[string]func(*Plan, *os.File) (mounted, error){"attached": attachedRoot, "detached": detachedRoot} {
			onThread(func() {
				m, err := make(p, ns)
				if err != nil {
					t.Errorf("%s, %s: %v", name, way, err)
					return
				}
				defer m.close()
				if st, err := fstat(m.fd); err != nil || st.Uid != 20000 {
					t.Errorf("%s, %s: owner %d, %v", name, way, st.Uid, err)
				}
			})
		}
	}
}
