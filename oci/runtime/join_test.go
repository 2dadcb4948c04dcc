package runtime_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/child"
	hoy "codeberg.org/hoy/hoy/oci/runtime"
	"golang.org/x/sys/unix"
)

// TestJoin starts a container in the namespaces of another, as --network, --pid and --ipc container:NAME do.
func TestJoin(t *testing.T) {
	b, other := newBox(t), newBox(t)
	r := b.start("true")
	for name, flag := range map[string]uintptr{"net": unix.CLONE_NEWNET, "pid": unix.CLONE_NEWPID, "ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS} {
		other.plan.Clone &^= flag
		other.plan.Join = append(other.plan.Join, child.NamespaceJoin{Type: flag, Path: "/proc/" + itoa(r.pid) + "/ns/" + name})
	}
	other.plan.Hostname = "ignored"
	other.sh("hostname; for n in net pid ipc uts; do readlink /proc/self/ns/$n; readlink /proc/1/ns/$n; done | uniq | wc -l; cat /proc/1/comm").want(t, "box\n4\nsleep")
	if pid := other.sh("echo $$").out; pid == "1" {
		t.Error("a joined pid namespace gave pid 1")
	}
	other.plan.Join = []child.NamespaceJoin{{Type: unix.CLONE_NEWNET, Path: "/no/such/namespace"}}
	other.run().refused(t, "namespaces")
	other.plan.Join = []child.NamespaceJoin{{Type: unix.CLONE_NEWNET, Path: "/proc/" + itoa(r.pid) + "/ns/uts"}}
	other.run().refused(t, "namespaces")
}

// TestHostNamespaces keeps the host's, as --network, --pid, --ipc and --uts host do.
func TestHostNamespaces(t *testing.T) {
	b := newBox(t)
	host, err := os.Hostname()
	must(t, err)
	b.plan.Clone = unix.CLONE_NEWNS
	b.plan.Mounts[len(b.plan.Mounts)-1].Optional = true // mqueue
	b.sh("hostname; test $$ != 1 && ls -d /proc/"+itoa(os.Getpid())+" /sys/class/net/lo; touch /sys/x 2>/dev/null || echo no").want(t, host+"\n/proc/"+itoa(os.Getpid())+"\n/sys/class/net/lo\nno")
}

func TestOOMScore(t *testing.T) {
	b := newBox(t)
	for _, tt := range []struct {
		score int
		want  string
	}{{500, "500"}, {5000, "1000"}} {
		b.plan.OOMScore = &tt.score
		b.sh("cat /proc/1/oom_score_adj").want(t, tt.want)
	}
	low := -1000
	b.plan.OOMScore, b.plan.Keyring = &low, "_ses.test"
	if r := b.sh("cat /proc/1/oom_score_adj"); r.err != nil {
		t.Error("a score that could not be lowered is an error:", r.err)
	}
}

// filter is a seccomp program that refuses ftruncate(2) with EXDEV, in struct sock_filter.
func filter(t *testing.T) []byte {
	t.Helper()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the filter knows two architectures")
	}
	var b bytes.Buffer
	for _, i := range []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_FTRUNCATE},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x00050000 | uint32(unix.EXDEV)},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000},
	} {
		binary.Write(&b, binary.NativeEndian, i)
	}
	return b.Bytes()
}

func TestSeccomp(t *testing.T) {
	b := newBox(t)
	b.plan.Seccomp = filter(t)
	must(t, os.Symlink("busybox", filepath.Join(b.image, "bin/truncate")))
	for _, user := range []string{"", "ann"} {
		for _, nnp := range []bool{false, true} {
			b.plan.User, b.plan.NoNewPrivileges = user, nnp
			if r := b.sh("truncate -s 1 /dev/shm/$(id -u); grep Seccomp: /proc/self/status"); r.err != nil || r.out != "Seccomp:\t2" || !strings.Contains(r.errOut, "ross-device") {
				t.Errorf("user %q, no_new_privs %v: %+v", user, nnp, r)
			}
		}
	}
	b.plan.User, b.plan.Init = "ann", true
	b.sh("grep Seccomp: /proc/1/status").want(t, "Seccomp:\t2")
	b.plan.Init, b.plan.Seccomp = false, nil
	r := b.start("true")
	for _, user := range []string{"", "ann"} {
		for _, nnp := range []bool{false, true} {
			r.plan.User, r.plan.NoNewPrivileges, r.plan.Seccomp = user, nnp, filter(t)
			if r := r.sh("truncate -s 1 /dev/shm/$(id -u); grep Seccomp: /proc/self/status"); r.err != nil || r.out != "Seccomp:\t2" || !strings.Contains(r.errOut, "ross-device") {
				t.Errorf("exec, user %q, no_new_privs %v: %+v", user, nnp, r)
			}
		}
	}
}

// TestCgroups puts containers into groups of both versions; it needs a machine's root.
func TestCgroups(t *testing.T) {
	inside(t)
	if rootless() {
		t.Skip("needs root to make cgroups")
	}
	for _, top := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		dir := filepath.Join(top, "hoy-test-"+itoa(os.Getpid()))
		if _, err := os.Stat(top + "/cgroup.procs"); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Run(top, func(t *testing.T) {
			defer os.Remove(dir)
			testCgroup(t, dir)
		})
	}
}

func testCgroup(t *testing.T, dir string) {
	b := newBox(t)
	b.plan.Args = []string{"cat", "/proc/self/cgroup"}
	run := func(opt hoy.StartOptions) string {
		var o output
		p, err := o.start(t, b.plan, opt)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EBADF) {
			t.Skip("not a group of version 2 that takes processes:", err)
		}
		must(t, err)
		return o.finish(t, p).out
	}
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	for _, own := range []bool{false, true} {
		for _, opt := range []hoy.StartOptions{{CgroupProcs: []string{dir + "/cgroup.procs"}}, {CgroupFD: f}} {
			if own {
				b.plan.Clone |= unix.CLONE_NEWCGROUP
			} else {
				b.plan.Clone &^= unix.CLONE_NEWCGROUP
			}
			got := run(opt)
			if strings.Contains(got, filepath.Base(dir)) == own || strings.Contains(got, "..") {
				t.Errorf("own namespace %v, %+v: %s", own, opt, got)
			}
		}
	}
}

func TestZeroBytes(t *testing.T) {
	b := newBox(t)
	b.plan.Args = []string{"echo", "a\x00b"}
	b.run().refused(t, "plan")
	b.plan.Args, b.plan.Env = []string{"true"}, []string{"A=\x00"}
	b.run().refused(t, "plan")
}

// TestLargePlan is T-B7 (CVE-2021-43784): an environment of a megabyte, and options of 70 KB.
func TestLargePlan(t *testing.T) {
	b := newBox(t)
	for i := range 16 {
		b.plan.Env = append(b.plan.Env, "E"+itoa(i)+"="+strings.Repeat("x", 64<<10))
	}
	b.sh("env | wc -c").want(t, itoa(len("PATH=/usr/local/bin:/bin\nTERM=xterm\nHOME=/root\nSHLVL=1\nPWD=/\n")+16*(64<<10)+10*4+6*5))
	b.add(child.Mount{Type: "tmpfs", Target: "/x", Data: strings.Repeat("size=64k,", 8000)})
	b.sh("echo fits").want(t, "fits")
	b.add(child.Mount{Type: "tmpfs", Target: "/y", Data: "mpol=" + strings.Repeat("x", 70<<10)})
	b.run().refused(t, "sources")
}
