package runtime_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/child"
	"golang.org/x/sys/unix"
)

func (b *box) add(m child.Mount) {
	b.plan.Mounts = append(b.plan.Mounts, m)
}

func TestBinds(t *testing.T) {
	b := newBox(t)
	b.write("source/file", "from the host")
	source := filepath.Join(b.dir, "source")
	b.add(child.Mount{Type: "bind", Source: source, Target: "/rw"})
	b.add(child.Mount{Type: "bind", Source: source, Target: "/ro", Flags: unix.MOUNT_ATTR_RDONLY, Recursive: true})
	b.add(child.Mount{Type: "bind", Source: source + "/file", Target: "/new/place/file"})
	b.add(child.Mount{Type: "bind", Source: "/no/such/thing", Target: "/x", Optional: true})
	b.add(child.Mount{Type: "tmpfs", Target: "/t", Data: "size=64k,mode=700", Flags: unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOATIME})
	b.sh("cat /rw/file /ro/file /new/place/file").want(t, "from the hostfrom the hostfrom the host")
	b.sh("touch /ro/x 2>/dev/null || touch /rw/made").want(t, "")
	b.sh("stat -c %a /t; grep ' /t ' /proc/self/mountinfo | grep -o 'rw,noexec,noatime'").want(t, "700\nrw,noexec,noatime")
	if _, err := os.Stat(source + "/made"); err != nil {
		t.Error(err)
	}
}

func TestMountErrors(t *testing.T) {
	for _, tt := range []struct {
		mount child.Mount
		step  string
		text  string
	}{
		{child.Mount{Source: "/no/such/thing", Target: "/x"}, "sources", "/no/such/thing: bind source: no such file or directory"},
		{child.Mount{Source: "/etc", Target: "/bin/busybox"}, "mounts", "vice-versa"},
		{child.Mount{Source: "/etc/passwd", Target: "/etc"}, "mounts", "vice-versa"},
		{child.Mount{Source: "/etc", Target: "/etc/passwd/x"}, "mounts", "not a directory"},
		{child.Mount{Source: "/etc", Target: "/"}, "mounts", "cannot replace the root"},
		{child.Mount{Source: "/etc", Target: "/x/.."}, "mounts", "cannot replace the root"},
		{child.Mount{Type: "tmpfs", Target: "/x", Data: "size=many"}, "sources", "size=many"},
		{child.Mount{Type: "nosuchfs", Target: "/x"}, "sources", "no file system nosuchfs"},
	} {
		b := newBox(t)
		b.add(tt.mount)
		r := b.run()
		r.refused(t, tt.step)
		if r.err != nil && !strings.Contains(r.err.Error(), tt.text) {
			t.Errorf("got %v, want it to say %q", r.err, tt.text)
		}
	}
}

// TestPropagation mounts in the container what must, or must not, be seen outside; the test's own mounts are shared.
func TestPropagation(t *testing.T) {
	b := newBox(t)
	b.plan.Caps.Bounding |= 1 << unix.CAP_SYS_ADMIN
	b.plan.Caps.Permitted, b.plan.Caps.Effective = b.plan.Caps.Bounding, b.plan.Caps.Bounding
	dir := b.mkdir("tree/sub")
	tree := filepath.Dir(dir)
	b.add(child.Mount{Source: tree, Target: "/tree", Recursive: true})
	b.sh("mount -t tmpfs none /tree/sub && touch /tree/sub/x").want(t, "")
	if _, err := os.Stat(dir + "/x"); err == nil {
		t.Error("a mount in a private bind is seen outside")
	}
	b.plan.Mounts[len(b.plan.Mounts)-1].Propagation = unix.MS_SHARED
	b.plan.Propagation = unix.MS_SLAVE | unix.MS_REC
	b.sh("mount -t tmpfs none /tree/sub && touch /tree/sub/x").want(t, "")
	if _, err := os.Stat(dir + "/x"); err == nil {
		t.Error("a mount in a slave is seen outside")
	}
	mounts := mountPoints(t)
	b.plan.Propagation = unix.MS_SHARED | unix.MS_REC
	b.sh("mount -t tmpfs none /tree/sub").want(t, "")
	for _, m := range mounts {
		if strings.HasPrefix(m, "/dev") && !slices.Contains(mountPoints(t), m) {
			t.Errorf("the host has lost its mount on %s", m)
		}
	}
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Error("a mount in a shared bind is not seen outside:", err)
	}
}

// TestCopyUp is Docker's first use of a volume, and T-A10 (CVE-2020-1726): a volume with content is left alone.
func TestCopyUp(t *testing.T) {
	b := newBox(t)
	b.write("image/data/dir/file", "from the image")
	b.write("image/data/setuid", "x")
	must(t, unix.Chmod(filepath.Join(b.image, "data/setuid"), 0o4755))
	must(t, os.Link(filepath.Join(b.image, "data/setuid"), filepath.Join(b.image, "data/dir/second")))
	must(t, os.Symlink("/etc/shadow", filepath.Join(b.image, "data/link")))
	must(t, unix.Mkfifo(filepath.Join(b.image, "data/fifo"), 0o640))
	must(t, os.Chmod(filepath.Join(b.image, "data"), 0o751))
	must(t, os.Chown(filepath.Join(b.image, "data"), 12, 34))
	must(t, os.Chown(filepath.Join(b.image, "data/dir/file"), 56, 78))
	must(t, unix.Setxattr(filepath.Join(b.image, "data/dir/file"), "user.note", []byte("kept"), 0))
	volume := func(name string) string {
		b.plan.Mounts = append(defaultPlan(b).Mounts, child.Mount{Source: b.mkdir(name + "/data"), Target: "/data", CopyUp: true, Flags: unix.MOUNT_ATTR_RDONLY})
		return filepath.Join(b.dir, name, "data")
	}
	v := volume("one")
	b.sh("cat /data/dir/file; cat /data/second /data/dir/second 2>/dev/null; stat -c '%n %a %u %g %h' /data /data/* /data/dir/*; readlink /data/link").want(t, strings.Join([]string{
		"from the imagex/data 751 12 34 3",
		"/data/dir 755 0 0 2",
		"/data/fifo 640 0 0 1",
		"/data/link 777 0 0 1",
		"/data/setuid 4755 0 0 2",
		"/data/dir/file 644 56 78 1",
		"/data/dir/second 4755 0 0 2",
		"/etc/shadow"}, "\n"))
	note := make([]byte, 16)
	if n, err := unix.Getxattr(v+"/dir/file", "user.note", note); err != nil || string(note[:n]) != "kept" {
		t.Errorf("attribute %q, %v", note[:max(n, 0)], err)
	}

	// What was emptied stays empty.
	must(t, os.RemoveAll(v))
	volume("one")
	b.sh("ls /data").want(t, "")

	// What holds something is not touched.
	v = volume("two")
	must(t, os.WriteFile(v+"/file", []byte("the user's"), 0o600))
	b.sh("ls /data; stat -c %a /data").want(t, "file\n755")

	// What was cut short is filled up.
	v = volume("three")
	must(t, os.WriteFile(filepath.Join(b.dir, "three/copyup"), []byte("f"), 0o600))
	must(t, os.WriteFile(v+"/.hoy-copyup", []byte("half a fi"), 0o600))
	b.sh("ls -A /data | wc -l; cat /data/dir/file").want(t, "4\nfrom the image")

	// Nothing in the image: an empty volume.
	b.plan.Mounts = append(defaultPlan(b).Mounts, child.Mount{Source: b.mkdir("four/data"), Target: "/nowhere", CopyUp: true})
	b.sh("ls /nowhere").want(t, "")
}

// TestVolatileAgain mounts one upper directory twice, as a container that is started again does.
func TestVolatileAgain(t *testing.T) {
	b := newBox(t)
	b.sh("echo kept > /file").want(t, "")
	b.sh("cat /file").want(t, "kept")
}

// TestManyLayers has as many layers as an overlay takes, at paths that are too long for a mount option.
func TestManyLayers(t *testing.T) {
	b := newBox(t)
	deep := strings.Repeat("deep/", 60)
	b.plan.Rootfs.Lower = nil
	for i := range 499 {
		d := b.mkdir("layers/" + deep + itoa(i))
		if i%100 == 0 {
			must(t, os.WriteFile(filepath.Join(d, "layer"+itoa(i)), nil, 0o644))
		}
		b.plan.Rootfs.Lower = append(b.plan.Rootfs.Lower, d)
	}
	b.plan.Rootfs.Lower = append(b.plan.Rootfs.Lower, b.image)
	b.sh("ls -d /layer*").want(t, "/layer0\n/layer100\n/layer200\n/layer300\n/layer400")
	b.plan.Rootfs.Lower = append(b.plan.Rootfs.Lower, b.image)
	b.run().refused(t, "rootfs")
}

// TestOddPaths has signs in its paths that overlay's options give a meaning to.
func TestOddPaths(t *testing.T) {
	b := newBox(t)
	for _, s := range []string{"a:b", "a,b", `a\b`, "a b"} {
		b.plan.Rootfs.Lower[1] = b.mkdir(s + "/lower")
		b.plan.Rootfs.Upper = b.mkdir(s + "/upper")
		b.plan.Rootfs.Work = b.mkdir(s + "/work")
		b.sh("touch /made").want(t, "")
		if _, err := os.Stat(b.plan.Rootfs.Upper + "/made"); err != nil {
			t.Error(err)
		}
	}
}

func TestOtherRoots(t *testing.T) {
	b := newBox(t)
	for _, d := range []string{"proc", "dev", "sys"} {
		b.mkdir("image/" + d)
	}
	for _, r := range []child.Rootfs{
		{Bind: b.image},
		{Lower: []string{b.image}},
		{Lower: b.plan.Rootfs.Lower},
		{Lower: []string{b.image}, Upper: b.plan.Rootfs.Upper, Work: b.plan.Rootfs.Work},
	} {
		b.plan.Rootfs = r
		b.sh("ls -d /bin").want(t, "/bin")
		writable := r.Bind != "" || r.Upper != ""
		if got := b.sh("touch /etc/x 2>/dev/null && echo w").out == "w"; got != writable {
			t.Errorf("%+v: writable %v, want %v", r, got, writable)
		}
	}
	for _, r := range []child.Rootfs{
		{Lower: []string{b.dir + "/nowhere", b.image}, Upper: b.plan.Rootfs.Upper},
		{Bind: b.dir + "/nowhere"},
		{Bind: b.image + "/etc/passwd"},
	} {
		b.plan.Rootfs = r
		b.run().refused(t, "rootfs")
	}
}

// mountPoints lists where something is mounted.
func mountPoints(t *testing.T) []string {
	t.Helper()
	var points []string
	for _, line := range strings.Split(strings.TrimSpace(readFile(t, "/proc/self/mountinfo")), "\n") {
		points = append(points, strings.Fields(line)[4])
	}
	return points
}
