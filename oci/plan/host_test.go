package plan

import (
	"reflect"
	"testing"
)

func TestParseCgroups(t *testing.T) {
	mounts := `tmpfs /sys/fs/cgroup tmpfs ro,nosuid,nodev,noexec,size=4096k,nr_inodes=1024,mode=755 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,nosuid,nodev,noexec,relatime,xattr,name=systemd 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /elsewhere/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids,release_agent=/x 0 0
`
	want := []CgroupMount{
		{Dir: "systemd", Type: "cgroup", Data: "none,name=systemd"},
		{Dir: "cpu,cpuacct", Type: "cgroup", Data: "cpu,cpuacct"},
		{Dir: "pids", Type: "cgroup", Data: "pids"},
	}
	if got := parseCgroups([]byte(mounts), "/sys/fs/cgroup"); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := parseCgroups([]byte("garbage\n\n"), "/sys/fs/cgroup"); got != nil {
		t.Errorf("%v", got)
	}
}

func TestBoundingSet(t *testing.T) {
	if got := BoundingSet([]byte("Name:\tx\nCapBnd:\t000001ffffffffff\nCapAmb:\t0\n")); got != 0x1ffffffffff {
		t.Errorf("%x", got)
	}
	if got := BoundingSet([]byte("Name:\tx\n")); got != 0 {
		t.Errorf("%x", got)
	}
}

func TestReadHost(t *testing.T) {
	h, err := ReadHost(false)
	if err != nil || h.Kernel == "" || h.Caps == 0 {
		t.Errorf("%+v, %v", h, err)
	}
}
