package runtime_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// TestBindIDMap shows a directory with other owners, and writes through it. Only the host's root may on the host's disks.
func TestBindIDMap(t *testing.T) {
	b := newBox(t)
	b.write("source/file", "text")
	source := filepath.Join(b.dir, "source")
	swap := []userns.Range{{Inside: 0, Outside: 1000, Count: 1}, {Inside: 1000, Outside: 0, Count: 1}}
	b.add(child.Mount{Type: "bind", Source: source, Target: "/m", IDMap: &userns.Map{UIDs: swap, GIDs: swap}})
	b.plan.Args = []string{"sh", "-c", "stat -c %u:%g /m/file; touch /m/made"}
	r := b.run()
	if rootless() {
		r.refused(t, "sources")
		return
	}
	r.want(t, "1000:1000")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(source, "made"), &st); err != nil || st.Uid != 1000 || st.Gid != 1000 {
		t.Errorf("made: %d:%d %v", st.Uid, st.Gid, err)
	}
	os.Remove(filepath.Join(source, "made"))
}

// usernsMap gives a container ids of its own: the ten thousand from base on, of which root of the host has all and of a user namespace some.
func usernsMap(base uint32) userns.Map {
	ids := []userns.Range{{Inside: 0, Outside: base, Count: 10000}}
	return userns.Map{UIDs: ids, GIDs: ids}
}

// newStranger makes a box whose container has a user namespace of its own. As root the image is shown with its ids; else its files would have to be shifted.
func newStranger(t *testing.T) *box {
	b := newBox(t)
	b.plan.Userns, b.plan.Rootless = &child.Userns{Map: usernsMap(20000)}, true
	b.plan.Rootfs.Mapped = !rootless()
	b.plan.Mounts[2].Data = "newinstance,ptmxmode=0666,mode=0620"
	return b
}

// shift gives the image and the upper directory the container's ids, where they cannot be shown with them.
func (b *box) shift() *box {
	if !rootless() {
		return b
	}
	for _, dir := range []string{b.image, filepath.Join(b.dir, "upper")} {
		must(b.t, filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
			var st unix.Stat_t
			if err == nil {
				err = unix.Lstat(name, &st)
			}
			if err == nil && st.Uid < 20000 {
				err = os.Lchown(name, int(st.Uid)+20000, int(st.Gid)+20000)
			}
			return err
		}))
	}
	return b
}

func TestOwnUserns(t *testing.T) {
	b := newStranger(t).shift()
	b.sh("id -u; id -g; cat /proc/self/uid_map; hostname; grep CapEff /proc/self/status; ls /proc/self/fd").
		want(t, "0\n0\n         0      20000      10000\nbox\nCapEff:\t00000000a80425fb\n0\n1\n2\n3")
	b.sh("stat -c '%u:%g %n' /dev /dev/shm /dev/pts /proc /sys; echo x > /dev/null; echo y > /dev/shm/y; stat -c %u /dev/shm/y").
		want(t, "0:0 /dev\n0:0 /dev/shm\n0:0 /dev/pts\n65534:65534 /proc\n65534:65534 /sys\n0")
	b.plan.User = "ann"
	b.sh("id -u; echo out > /dev/stdout; cat /etc/passwd >/dev/null && echo read").want(t, "1000\nout\nread")
}

// TestMappedRoot writes into a root whose image and upper directory are shown with other owners: on disk they are as without.
func TestMappedRoot(t *testing.T) {
	b := newStranger(t)
	if rootless() {
		b.plan.Rootfs.Mapped = true
		b.run().refused(t, "rootfs")
		return
	}
	must(t, os.Lchown(filepath.Join(b.image, "tmp"), 1000, 100))
	b.sh("stat -c %u:%g /tmp /bin/busybox; touch /tmp/new; chown 5:6 /tmp/new; chown 7 /bin/busybox; mkdir /made").want(t, "1000:100\n0:0")
	for name, want := range map[string]uint32{"tmp/new": 5, "bin/busybox": 7, "made": 0, "tmp": 1000} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(b.dir, "upper", name), &st); err != nil || st.Uid != want {
			t.Errorf("%s: owner %d on disk, want %d (%v)", name, st.Uid, want, err)
		}
	}
}

// TestStrangersSources mounts what the container's root could not reach itself, fills a volume, and gives it away.
func TestStrangersSources(t *testing.T) {
	b := newStranger(t)
	b.write("closed/dir/file", "secret")
	must(t, os.Chmod(filepath.Join(b.dir, "closed"), 0o700))
	b.write("image/data/a", "A")
	must(t, os.Lchown(filepath.Join(b.image, "data/a"), 33, 33))
	b.mkdir("closed/vol/data")
	b.mkdir("closed/empty/data")
	volume := child.Mount{Type: "bind", Source: filepath.Join(b.dir, "closed/vol/data"), Target: "/data", CopyUp: true}
	empty := child.Mount{Type: "bind", Source: filepath.Join(b.dir, "closed/empty/data"), Target: "/empty"}
	if ids := b.plan.Userns.Map; rootless() {
		volume.Adopt, empty.Adopt = true, true
	} else {
		volume.IDMap, empty.IDMap = &ids, &ids
	}
	b.add(volume)
	b.add(empty)
	b.add(child.Mount{Type: "bind", Source: filepath.Join(b.dir, "closed/dir"), Target: "/dir", Flags: unix.MOUNT_ATTR_RDONLY, Recursive: true})
	b.shift().sh("cat /dir/file; stat -c %u /data/a | tr '\\n' ' '; cat /data/a; echo; touch /empty/x; stat -c %u:%g /empty/x; touch /data/b; chown 33 /data/b; stat -c %u /data/b; touch /dir/no 2>/dev/null || true").
		want(t, "secret33 A\n0:0\n33")
}

func TestStrangersTerminal(t *testing.T) {
	b := newStranger(t)
	if got := strings.TrimSpace(b.shift().tty(t, "tty; stat -c %u:%a $(tty); echo x > /dev/tty")); got != "/dev/pts/0\r\n0:620\r\nx" {
		t.Errorf("got %q", got)
	}
}
