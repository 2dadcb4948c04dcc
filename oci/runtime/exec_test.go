package runtime_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/runtime"
	"golang.org/x/sys/unix"
)

// running is a container that waits, and what is executed in it.
type running struct {
	t    testing.TB
	pid  int
	plan runtime.ExecPlan
}

// start starts the box's container with a command that stays until the end of the test.
func (b *box) start(script string) *running {
	b.t.Helper()
	b.plan.Args = []string{"sh", "-c", script + "; exec sleep 1000"}
	p, err := runtime.Start(b.plan, runtime.StartOptions{})
	must(b.t, err)
	must(b.t, p.Go())
	b.t.Cleanup(p.Kill)
	for !strings.Contains(script, "while") && strings.TrimSpace(readFile(b.t, "/proc/"+itoa(p.Pid)+"/comm")) != "sleep" {
		time.Sleep(time.Millisecond)
	}
	return newRunning(b.t, p.Pid)
}

func newRunning(t testing.TB, pid int) *running {
	return &running{t: t, pid: pid, plan: runtime.ExecPlan{
		Pid: pid, Env: []string{"PATH=/bin"}, Caps: child.Caps{Bounding: dockerCaps, Effective: dockerCaps, Permitted: dockerCaps},
	}}
}

func (r *running) sh(script string) result {
	r.plan.Args = []string{"sh", "-c", script}
	return r.run()
}

func (r *running) run() result {
	r.t.Helper()
	var o output
	var opt runtime.StartOptions
	opt.Stdout, opt.Stderr = o.pipes(r.t)
	p, err := runtime.Exec(&r.plan, opt)
	o.close()
	if err != nil {
		o.wait()
		return result{err: err}
	}
	return o.finish(r.t, p)
}

func TestExec(t *testing.T) {
	b := newBox(t)
	b.plan.Env = append(b.plan.Env, "SECRET=1")
	testExec(t, b.start("echo inside > /tmp/file"), b.image)
}

// testExec is what must hold from inside and from outside of the user namespace.
func testExec(t *testing.T, r *running, image string) {
	for _, tt := range []struct{ script, want string }{
		{"cat /tmp/file", "inside"},
		{"hostname", "box"},
		{"cat /proc/1/comm", "sleep"},
		{"for n in user mnt pid uts ipc net cgroup; do test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n; done", ""},
		{"pwd; echo $HOME $SECRET", "/\n/root"},
		{"ls /proc/self/fd", "0\n1\n2\n3"},
		{"echo $(id -u) $(id -g) $(id -G)", "0 0 0"},
		{"grep Cap /proc/self/status | head -3", "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb"},
		{"touch /proc/sys/kernel/x 2>/dev/null || echo no", "no"},
		{"ls /sys/class/net", "lo"},
		{"set -- $(cat /proc/self/stat); test $6 != 0 && echo $7", "0"},
		{"echo x > /dev/stdout", "x"},
	} {
		r.sh(tt.script).want(t, tt.want)
	}
	if s := r.sh("exit 7"); s.status.Code != 7 {
		t.Errorf("exit code %d, want 7", s.status.Code)
	}
	if s := r.sh("kill -TERM $$"); s.status != (runtime.ExitStatus{Code: 143, Signal: syscall.SIGTERM}) {
		t.Errorf("status %+v", s.status)
	}
	execUsers(t, r)
	execErrors(t, r)
	execTerminal(t, r)
}

func execUsers(t *testing.T, r *running) {
	for _, tt := range []struct{ user, want string }{
		{"ann", "1000 1001 1001 50 100 /home/ann"},
		{"1000:staff", "1000 50 50 /home/ann"},
		{"1", "1 0 0 /"},
		{":2", "0 2 2 /root"},
	} {
		r.plan.User = tt.user
		r.sh("echo $(id -u) $(id -g) $(id -G) $HOME").want(t, tt.want)
	}
	r.plan.User, r.plan.GroupAdd, r.plan.NoNewPrivileges = "ann", []string{"77"}, true
	r.sh("id -G; grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNew' /proc/self/status; echo x > /dev/stdout").want(t, "1001 50 77 100\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"+
		"CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nx")
	r.plan.User, r.plan.GroupAdd, r.plan.NoNewPrivileges = "", nil, false
	mask := uint32(0o027)
	r.plan.Umask, r.plan.Rlimits = &mask, []child.Rlimit{{Resource: unix.RLIMIT_NOFILE, Soft: 99, Hard: 99}}
	r.sh("umask; ulimit -n").want(t, "0027\n99")
	r.plan.Umask, r.plan.Rlimits = nil, nil
}

func execErrors(t *testing.T, r *running) {
	for _, tt := range []struct {
		change func(p *runtime.ExecPlan)
		code   int
		text   string
	}{
		{func(p *runtime.ExecPlan) { p.Args = []string{"foo"} }, 127, `exec: "foo": executable file not found in $PATH`},
		{func(p *runtime.ExecPlan) { p.Args = []string{"/foo"} }, 127, `exec: "/foo": no such file or directory`},
		{func(p *runtime.ExecPlan) { p.Args = []string{"/etc"} }, 126, `exec: "/etc": is a directory: permission denied`},
		{func(p *runtime.ExecPlan) { p.Cwd = "/nowhere" }, 127, `cwd: /nowhere: no such file or directory`},
		{func(p *runtime.ExecPlan) { p.User = "nobody-here" }, 125, `user: nobody-here: unable to find user nobody-here: no matching entries in passwd file`},
		{func(p *runtime.ExecPlan) { p.User = "4294967296" }, 125, `user: 4294967296: uids and gids must be in range 0-2147483647`},
	} {
		plan := r.plan
		plan.Args = []string{"true"}
		tt.change(&plan)
		_, err := runtime.Exec(&plan, runtime.StartOptions{})
		var e *runtime.StepError
		if !errors.As(err, &e) || e.ExitCode() != tt.code || e.Error() != tt.text {
			t.Errorf("got %v, want %s (exit code %d)", err, tt.text, tt.code)
		}
	}
	plan := r.plan
	plan.Args, plan.StartTime = []string{"true"}, 1
	if _, err := runtime.Exec(&plan, runtime.StartOptions{}); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a reused pid was joined: %v", err)
	}
}

func execTerminal(t *testing.T, r *running) {
	r.plan.Terminal, r.plan.Rows, r.plan.Cols = true, 12, 34
	defer func() { r.plan.Terminal = false }()
	r.plan.Args = []string{"sh", "-c", "tty; stty size; ls -1 /proc/self/fd; echo x > /dev/tty"}
	for _, user := range []string{"", "ann"} {
		r.plan.User = user
		p, err := runtime.Exec(&r.plan, runtime.StartOptions{})
		must(t, err)
		out := drain(p.Console)
		status, err := p.Wait()
		must(t, err)
		if got, want := <-out, "/dev/pts/0\r\n12 34\r\n0\r\n1\r\n2\r\n3\r\nx\r\n"; got != want || status.Code != 0 {
			t.Errorf("user %q: got %q, want %q", user, got, want)
		}
		p.Console.Close()
	}
	r.plan.User = ""
}

// TestExecKeepFDs hands descriptors over to a process that is executed.
func TestExecKeepFDs(t *testing.T) {
	b := newBox(t)
	p := b.start("true")
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	w.WriteString("handed over")
	w.Close()
	p.plan.KeepFDs, p.plan.Args = 2, []string{"sh", "-c", "ls /proc/self/fd | wc -l; cat <&4"}
	var o output
	opt := runtime.StartOptions{ExtraFiles: []*os.File{r, r}, KillWithParent: true}
	opt.Stdout, opt.Stderr = o.pipes(t)
	x, err := runtime.Exec(&p.plan, opt)
	o.close()
	must(t, err)
	o.finish(t, x).want(t, "6\nhanded over")
}

// TestOneID runs containers where the user's own id is the only one.
func TestOneID(t *testing.T) {
	if os.Getenv("ONE_ID_TEST") == "" {
		if os.Getenv(insideEnv) != "" || os.Geteuid() == 0 {
			t.Skip("runs as an ordinary user")
		}
		cmd := exec.Command("unshare", "--mount", "--user", "--map-root-user", os.Args[0], "-test.run", "^TestOneID$")
		cmd.Env = append(os.Environ(), insideEnv+"=1", "ONE_ID_TEST=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	b := newBox(t)
	b.sh("id -u; touch /x; stat -c %u:%g /x").want(t, "0\n0:0")
	if got := strings.TrimSpace(b.tty(t, "tty")); got != "/dev/pts/0" {
		t.Errorf("terminal %q", got)
	}
	b.plan.Terminal = false
	r := b.start("true")
	r.sh("id -u").want(t, "0")
	b.plan.User = "ann"
	result := b.run()
	result.refused(t, "user")
	if result.err != nil && !strings.Contains(result.err.Error(), "no such id") {
		t.Error(result.err)
	}
}

// TestExecFDs is T-B2 for exec: no descriptor is there to be entered.
func TestExecFDs(t *testing.T) {
	b := newBox(t)
	r := b.start("true")
	for n := 3; n < 65; n++ {
		r.plan.Cwd, r.plan.Args = "/proc/self/fd/"+itoa(n), []string{"true"}
		if got := r.run(); got.err == nil {
			t.Errorf("a process was born in descriptor %d", n)
		}
		r.plan.Cwd, r.plan.Args = "", []string{"/proc/self/fd/" + itoa(n) + "/../../bin/sh", "-c", "true"}
		if got := r.run(); got.err == nil {
			t.Errorf("something was executed by descriptor %d", n)
		}
	}
	for _, cwd := range []string{"/proc/self/cwd", "/proc/self/exe"} {
		r.plan.Cwd, r.plan.Args = cwd, []string{"pwd"}
		if got := r.run(); got.err == nil && !strings.HasPrefix(got.out, "/") {
			t.Errorf("%s: %q", cwd, got.out)
		}
	}
}

// TestExecOwnBinary is T-B1 for exec.
func TestExecOwnBinary(t *testing.T) {
	own, err := os.Readlink("/proc/self/exe")
	must(t, err)
	before := sum(t, own)
	b := newBox(t)
	testExecOwnBinary(t, b.start("while :; do for p in /proc/[0-9]*; do echo evil 2>/dev/null > $p/exe && echo written > /tmp/written; done; done"))
	if sum(t, own) != before {
		t.Fatal("the executable was changed")
	}
}

func testExecOwnBinary(t *testing.T, r *running) {
	for range 50 {
		r.plan.Args = []string{"/proc/self/exe", "-test.run", "XXX"} // whatever that is at the moment of execve: the sealed hoy
		r.run()
		r.plan.Args = []string{"true"}
		r.run()
	}
	r.sh("cat /tmp/written 2>/dev/null; true").want(t, "")
}

// TestExecWatched is T-B4 (CVE-2016-9962): a process in the container that may trace any other looks at everything that is executed there.
func TestExecWatched(t *testing.T) {
	b := newBox(t)
	b.plan.Caps.Bounding |= 1 << unix.CAP_SYS_PTRACE
	b.plan.Caps.Effective, b.plan.Caps.Permitted = b.plan.Caps.Bounding, b.plan.Caps.Bounding
	canary := "host-" + strconv.Itoa(os.Getpid())
	dir := b.mkdir(canary)
	must(t, os.Chdir(dir))
	defer os.Chdir("/")
	r := b.start(`while :; do for p in /proc/[0-9]*; do
		for l in exe cwd root fd/0 fd/1 fd/2 fd/3 fd/4 fd/5 fd/6 fd/7 fd/8; do readlink $p/$l; done
		grep -E 'Cap(Prm|Eff|Bnd)' $p/status; ls $p/cwd/ $p/root/
		done >> /tmp/seen 2>/dev/null; done`)
	for range 500 {
		r.plan.Args = []string{"true"}
		r.run().want(t, "")
	}
	seen := readFile(t, filepath.Join(b.dir, "upper/tmp/seen"))
	if !strings.Contains(seen, "busybox") {
		t.Fatal("nothing was seen")
	}
	watchedCaps := strconv.FormatUint(b.plan.Caps.Bounding, 16)
	for _, line := range strings.Split(seen, "\n") {
		if strings.Contains(line, canary) || strings.Contains(line, b.dir) && !strings.Contains(line, "runtime.test") ||
			strings.HasPrefix(line, "Cap") && !strings.HasSuffix(line, "a80425fb") && !strings.HasSuffix(line, watchedCaps) && !strings.HasSuffix(line, "0000") {
			t.Fatalf("the container has seen %q", line)
		}
	}
}

// TestExecOutside joins an ordinary user's container from outside of the user namespace, as the user.
func TestExecOutside(t *testing.T) {
	if os.Getenv("OUTSIDE_TEST") != "" {
		outsideContainer(t)
		return
	}
	if os.Getenv(insideEnv) != "" || os.Geteuid() == 0 {
		t.Skip("runs as an ordinary user")
	}
	cmd := exec.Command("unshare", "--mount", "--user", "--map-root-user", "--map-auto", os.Args[0], "-test.run", "^TestExecOutside$")
	cmd.Env = append(os.Environ(), insideEnv+"=1", "OUTSIDE_TEST=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	buf := make([]byte, 32)
	n, err := stdout.Read(buf)
	must(t, err)
	r := newRunning(t, atoi(t, strings.TrimSpace(string(buf[:n]))))
	own, err := os.Readlink("/proc/self/exe")
	must(t, err)
	before := sum(t, own)
	testExec(t, r, "")
	testExecOwnBinary(t, r)
	if sum(t, own) != before {
		t.Error("the executable was changed")
	}
	ref := runtime.Ref{Pid: r.pid, BootID: runtime.BootID()}
	if ref.Alive() {
		t.Error("a start time of 0 passes")
	}
	stdin.Close()
	cmd.Wait()
}

// outsideContainer starts a container and keeps it until its input ends.
func outsideContainer(t *testing.T) {
	b := newBox(t)
	r := b.start("echo inside > /tmp/file")
	os.Stdout.WriteString(itoa(r.pid) + "\n")
	os.Stdin.Read(make([]byte, 1))
}
