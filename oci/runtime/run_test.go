package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/runtime"
	"golang.org/x/sys/unix"
)

func TestCommandErrors(t *testing.T) {
	tests := []struct {
		args []string
		path string
		code int
		text string
	}{
		{[]string{"foo"}, "/bin", 127, `exec: "foo": executable file not found in $PATH`},
		{[]string{"foo"}, "", 127, `exec: "foo": executable file not found in $PATH`},
		{[]string{""}, "/bin", 127, `exec: "": executable file not found in $PATH`},
		{[]string{"plain"}, "/bin:/etc", 127, `exec: "plain": executable file not found in $PATH`},
		{[]string{"/bin/foo"}, "/bin", 127, `exec: "/bin/foo": no such file or directory`},
		{[]string{"/etc"}, "/bin", 126, `exec: "/etc": is a directory: permission denied`},
		{[]string{"/etc/plain"}, "/bin", 126, `exec: "/etc/plain": permission denied`},
		{[]string{"/bin/garbage"}, "/bin", 126, `exec: "/bin/garbage": exec format error`},
		{[]string{"noshell"}, "/bin", 127, `exec: "noshell": its interpreter is missing: no such file or directory`},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			b := newBox(t)
			b.write("image/etc/plain", "")
			b.write("image/bin/garbage", "\x01\x02\x03")
			b.write("image/bin/noshell", "#!/no/such/shell\n")
			must(t, os.Chmod(filepath.Join(b.image, "bin/garbage"), 0o755))
			must(t, os.Chmod(filepath.Join(b.image, "bin/noshell"), 0o755))
			b.plan.Args, b.plan.Env = tt.args, []string{"PATH=" + tt.path}
			for _, init := range []bool{false, true} {
				b.plan.Init = init
				err := b.run().err
				var e *runtime.StepError
				if !errors.As(err, &e) || e.ExitCode() != tt.code || e.Error() != tt.text {
					t.Errorf("init %v: got %v, want %s (exit code %d)", init, err, tt.text, tt.code)
				}
			}
		})
	}
}

func TestExitStatus(t *testing.T) {
	b := newBox(t)
	for _, tt := range []struct {
		script string
		want   runtime.ExitStatus
	}{
		{"exit 0", runtime.ExitStatus{}},
		{"exit 42", runtime.ExitStatus{Code: 42}},
	} {
		if r := b.sh(tt.script); r.err != nil || r.status != tt.want {
			t.Errorf("%s: %+v, %v", tt.script, r.status, r.err)
		}
	}
}

func TestSignals(t *testing.T) {
	b := newBox(t)
	b.plan.Args = []string{"sleep", "1000"}
	p, err := runtime.Start(b.plan, runtime.StartOptions{})
	must(t, err)
	must(t, p.Go())
	ref := p.Ref()
	if !ref.Alive() {
		t.Error("not alive while it runs")
	}
	for _, wrong := range []runtime.Ref{{}, {ref.Pid, ref.StartTime + 1, ref.BootID}, {ref.Pid, ref.StartTime, "another"}} {
		if wrong.Alive() || wrong.Signal(syscall.SIGKILL) != unix.ESRCH {
			t.Errorf("%+v passes for %+v", wrong, ref)
		}
	}
	must(t, ref.Signal(syscall.SIGKILL))
	status, err := p.Wait()
	must(t, err)
	if status != (runtime.ExitStatus{Code: 137, Signal: syscall.SIGKILL}) {
		t.Errorf("status %+v", status)
	}
	if ref.Alive() {
		t.Error("alive after its end")
	}
}

// TestInside asks the container what it sees.
func TestInside(t *testing.T) {
	b := newBox(t)
	for _, tt := range []struct{ script, want string }{
		{"hostname", "box"},
		{"echo $$", "1"},
		{"pwd", "/"},
		{"echo $HOME", "/root"},
		{"ls /dev", "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero"},
		{"for l in fd ptmx stdin core; do readlink /dev/$l; done", "/proc/self/fd\npts/ptmx\n/proc/self/fd/0\n/proc/kcore"},
		{"echo x > /dev/null && head -c 3 /dev/zero | wc -c", "3"},
		{"ls /proc/self/fd", "0\n1\n2\n3"}, // 3 is ls's own
		{"cat /proc/kcore /proc/keys | wc -c", "0"},
		{"ls /sys/firmware | wc -l", "0"},
		{"touch /sys/firmware/x 2>/dev/null || echo no", "no"},
		{"echo 1 2>/dev/null > /proc/sys/kernel/panic || echo no", "no"},
		{"echo b 2>/dev/null > /proc/sysrq-trigger || echo no", "no"},
		{"cat /sys/class/net/lo/flags", "0x9"},
		{"ls /sys/class/net", "lo"},
		{"cat /proc/self/mountinfo | grep -c ' / / '", "1"},
		{"touch /made && ls /made", "/made"},
		{"umask", "0022"},
		{"cat /proc/1/oom_score_adj", "0"},
	} {
		b.sh(tt.script).want(t, tt.want)
	}
	b.plan.Args = []string{"grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"}
	b.run().want(t, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000")
	if _, err := os.Stat(filepath.Join(b.dir, "upper/made")); err != nil {
		t.Error("written files do not land in the upper directory:", err)
	}
}

// TestCapabilities is T-C1: nothing is inheritable or ambient unless asked for, and a user other than root has nothing.
func TestCapabilities(t *testing.T) {
	b := newBox(t)
	const show = `grep -E 'Cap|NoNewPrivs' /proc/self/status | tr '\t' ' '`
	must(t, os.Symlink("busybox", filepath.Join(b.image, "bin/tr")))
	b.sh(show).want(t, "CapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\nCapBnd: 00000000a80425fb\nCapAmb: 0000000000000000\nNoNewPrivs: 0")
	b.plan.User, b.plan.NoNewPrivileges = "ann", true
	b.sh(show).want(t, "CapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: 00000000a80425fb\nCapAmb: 0000000000000000\nNoNewPrivs: 1")
	b.plan.Caps = child.Caps{Bounding: 1, Effective: 1, Permitted: 1, Inheritable: 1, Ambient: 1}
	b.sh(show).want(t, "CapInh: 0000000000000001\nCapPrm: 0000000000000001\nCapEff: 0000000000000001\nCapBnd: 0000000000000001\nCapAmb: 0000000000000001\nNoNewPrivs: 1")
}

// TestUsers is T-C2 and T-C4 in a real container; the table of forms is beside the resolver.
func TestUsers(t *testing.T) {
	b := newBox(t)
	for _, tt := range []struct{ user, want string }{
		{"", "0 0 0 /root"},
		{"ann", "1000 1001 1001 50 100 /home/ann"},
		{"1000:staff", "1000 50 50 /home/ann"},
		{"4321", "4321 0 0 /"},
	} {
		b.plan.User = tt.user
		b.sh("echo $(id -u) $(id -g) $(id -G) $HOME").want(t, tt.want)
	}
	b.plan.User = "nobody-here"
	b.run().refused(t, "user")
}

func TestLimits(t *testing.T) {
	b := newBox(t)
	var own unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &own))
	b.plan.Rlimits = []child.Rlimit{{Resource: unix.RLIMIT_NOFILE, Soft: 123, Hard: 456}, {Resource: unix.RLIMIT_CORE, Soft: 0, Hard: 0}}
	b.sh("ulimit -Sn; ulimit -Hn; ulimit -c").want(t, "123\n456\n0")
	mask := uint32(0o077)
	b.plan.Umask = &mask
	b.sh("umask").want(t, "0077")
}

// TestNofile starts a container from a shell with a low soft limit, which the Go runtime of hoy raises for itself.
func TestNofile(t *testing.T) {
	if os.Getenv("NOFILE_TEST") == "" {
		inside(t)
		again(t, "ulimit -S -n 321", "NOFILE_TEST=1")
		return
	}
	newBox(t).sh("ulimit -Sn").want(t, "321")
}

func TestReadOnlyRoot(t *testing.T) {
	b := newBox(t)
	b.plan.Rootfs.ReadOnly, b.plan.Cwd = true, "/new/dir"
	b.sh("touch /x 2>/dev/null || pwd; touch /dev/shm/x && echo shm").want(t, "/new/dir\nshm")
}

func TestInit(t *testing.T) {
	b := newBox(t)
	b.plan.Init = true
	b.sh("test $$ != 1 && cat /proc/1/comm; cat /proc/1/cmdline | head -c 8; echo $HOME; ls /proc/self/fd").want(t, "hoy-init\nhoy-init/root\n0\n1\n2\n3")
	if r := b.sh("exit 9"); r.status.Code != 9 {
		t.Errorf("exit code %d, want 9: %s", r.status.Code, r.errOut)
	}
	if r := b.sh("kill -9 $$"); r.status.Code != 137 {
		t.Errorf("exit code %d, want 137", r.status.Code)
	}
	b.plan.User = "ann"
	b.sh("grep -E 'Uid|CapEff' /proc/1/status | head -2").want(t, "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000")
	// A signal for process 1 reaches the command; orphans are reaped.
	b.plan.User = ""
	b.plan.Args = []string{"sh", "-c", "trap 'sleep 0.1; ls -d /proc/[0-9]* | wc -l; exit 5' TERM; (sleep 0.01 &); sleep 0.05; echo ready; while :; do sleep 0.01; done"}
	var o output
	p, err := o.start(t, b.plan, runtime.StartOptions{})
	must(t, err)
	time.Sleep(200 * time.Millisecond)
	must(t, p.Signal(syscall.SIGTERM))
	if r := o.finish(t, p); r.status.Code != 5 || r.out != "ready\n4" { // 1, the shell, its subshell for $(), ls
		t.Errorf("%+v", r)
	}
}

func TestKeepFDs(t *testing.T) {
	b := newBox(t)
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	w.WriteString("handed over")
	w.Close()
	for _, init := range []bool{false, true} {
		b.plan.Init, b.plan.KeepFDs = init, 2
		b.plan.Args = []string{"sh", "-c", "ls /proc/self/fd"}
		var o output
		p, err := o.start(t, b.plan, runtime.StartOptions{ExtraFiles: []*os.File{r, r}})
		must(t, err)
		o.finish(t, p).want(t, "0\n1\n2\n3\n4\n5")
	}
}

func TestSysctl(t *testing.T) {
	b := newBox(t)
	b.plan.Sysctls = []child.KV{{Key: "net.ipv4.ip_unprivileged_port_start", Value: "7"}}
	b.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start").want(t, "7")
	b.plan.Sysctls = []child.KV{{Key: "net.ipv4.no_such_thing", Value: "7"}}
	b.run().refused(t, "sysctl")
}

// TestWorkdirIsAFile is an error of the container's making, as with Docker.
func TestWorkdirIsAFile(t *testing.T) {
	b := newBox(t)
	b.plan.Cwd = "/etc/passwd"
	b.run().refused(t, "workdir")
	b.plan.Cwd = "/etc/passwd/x"
	b.run().refused(t, "workdir")
}

// TestKillWithParent kills a process that runs a container in the foreground: the container must die.
func TestKillWithParent(t *testing.T) {
	if os.Getenv("KILL_TEST") != "" {
		b := newBox(t)
		b.plan.Args = []string{"sleep", "1000"}
		p, err := runtime.Start(b.plan, runtime.StartOptions{KillWithParent: true})
		must(t, err)
		must(t, p.Go())
		must(t, os.WriteFile(os.Getenv("KILL_TEST"), []byte(itoa(p.Pid)+" "+itoa(int(p.StartTime))), 0o644))
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	inside(t)
	file := filepath.Join(t.TempDir(), "pid")
	runAgain(t, ":", "KILL_TEST="+file)
	var ref runtime.Ref
	fields := strings.Fields(readFile(t, file))
	ref.Pid, ref.StartTime, ref.BootID = atoi(t, fields[0]), uint64(atoi(t, fields[1])), runtime.BootID()
	for range 100 {
		if !ref.Alive() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ref.Signal(syscall.SIGKILL)
	t.Error("the container outlived its parent")
}
