package runtime_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/runtime"
	"golang.org/x/sys/unix"
)

// box is a container's files in a temporary directory: a busybox image and an empty upper directory.
type box struct {
	t          testing.TB
	dir, image string
	plan       *child.Plan
}

const (
	dockerCaps = 0xa80425fb // Docker's fourteen
	allSpaces  = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
)

// inside skips a test that needs root, or root of a user namespace.
func inside(t testing.TB) {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Skip("runs as root of a user namespace")
	}
}

func rootless() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && !strings.Contains(string(data), "4294967295")
}

// newBox makes a box. It checks at the end of the test that no mount and no child process is left.
func newBox(t testing.TB) *box {
	t.Helper()
	inside(t)
	dir := t.TempDir()
	if t, ok := t.(*testing.T); ok {
		noTraces(t)
	}
	b := &box{t: t, dir: dir, image: filepath.Join(dir, "image")}
	for _, d := range []string{"image/bin", "image/etc", "image/tmp", "image/root", "upper", "work", "empty"} {
		b.mkdir(d)
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs /bin/busybox (busybox-static)")
	}
	b.write("image/bin/busybox", string(busybox))
	must(t, os.Chmod(filepath.Join(b.image, "bin/busybox"), 0o755))
	for _, name := range strings.Fields("sh true false cat ls id echo sleep mount stat readlink touch env pwd kill hostname test grep stty tty head ps dd wc trap") {
		must(t, os.Symlink("busybox", filepath.Join(b.image, "bin", name)))
	}
	b.write("image/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\nbob:x:1002:100::/tmp:/bin/sh\n")
	b.write("image/etc/group", "root:x:0:\nusers:x:100:ann\nann:x:1001:\nstaff:x:50:ann,bob\n")
	must(t, os.Chmod(dir, 0o755))
	b.plan = defaultPlan(b)
	return b
}

// defaultPlan is what oci makes of an empty Config, by hand.
func defaultPlan(b *box) *child.Plan {
	const safe = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	p := &child.Plan{
		Hostname: "box", Clone: allSpaces, Rootless: rootless(),
		Rootfs: child.Rootfs{
			Lower: []string{b.image, filepath.Join(b.dir, "empty")}, Upper: filepath.Join(b.dir, "upper"), Work: filepath.Join(b.dir, "work"), Volatile: true,
		},
		Mounts: []child.Mount{
			{Type: "proc", Target: "/proc", Flags: safe},
			{Type: "tmpfs", Target: "/dev", Flags: unix.MOUNT_ATTR_NOSUID, Data: "mode=755,size=65536k"},
			{Type: "devpts", Target: "/dev/pts", Flags: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, Data: "newinstance,ptmxmode=0666,mode=0620,gid=5"},
			{Type: "sysfs", Target: "/sys", Flags: safe | unix.MOUNT_ATTR_RDONLY},
			{Type: "tmpfs", Target: "/dev/shm", Flags: safe, Data: "mode=1777,size=64m"},
			{Type: "mqueue", Target: "/dev/mqueue", Flags: safe},
		},
		Masked:   []string{"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"},
		ReadOnly: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		Caps:     child.Caps{Bounding: dockerCaps, Effective: dockerCaps, Permitted: dockerCaps},
		Args:     []string{"true"},
		Env:      []string{"PATH=/usr/local/bin:/bin", "TERM=xterm"},
		Cwd:      "/",
	}
	for _, d := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		p.Devices = append(p.Devices, child.Device{Path: "/dev/" + d.name, Type: "c", Major: d.major, Minor: d.minor, Mode: 0o666})
	}
	return p
}

func (b *box) mkdir(name string) string {
	b.t.Helper()
	p := filepath.Join(b.dir, name)
	must(b.t, os.MkdirAll(p, 0o755))
	return p
}

func (b *box) write(name, data string) {
	b.t.Helper()
	must(b.t, os.MkdirAll(filepath.Dir(filepath.Join(b.dir, name)), 0o755))
	must(b.t, os.WriteFile(filepath.Join(b.dir, name), []byte(data), 0o644))
}

func (b *box) link(to, name string) {
	b.t.Helper()
	must(b.t, os.Symlink(to, filepath.Join(b.image, name)))
}

// result is what a container printed and how it ended.
type result struct {
	out, errOut string
	status      runtime.ExitStatus
	err         error // of Start or Go
}

// sh runs a shell script in the box.
func (b *box) sh(script string) result {
	b.plan.Args = []string{"sh", "-c", script}
	return b.run()
}

// run runs the plan with pipes for its output.
func (b *box) run() result {
	b.t.Helper()
	var o output
	p, err := o.start(b.t, b.plan, runtime.StartOptions{})
	if err != nil {
		return result{err: err}
	}
	return o.finish(b.t, p)
}

// output collects what a process prints.
type output struct {
	out, errOut bytes.Buffer
	done        chan struct{}
	ends        []*os.File
}

// pipes gives the ends for the process.
func (o *output) pipes(t testing.TB) (stdout, stderr *os.File) {
	t.Helper()
	r1, w1, err := os.Pipe()
	must(t, err)
	r2, w2, err := os.Pipe()
	must(t, err)
	o.ends = []*os.File{w1, w2}
	o.done = make(chan struct{}, 2)
	for _, c := range []struct {
		to   *bytes.Buffer
		from *os.File
	}{{&o.out, r1}, {&o.errOut, r2}} {
		go func() {
			io.Copy(c.to, c.from)
			c.from.Close()
			o.done <- struct{}{}
		}()
	}
	return w1, w2
}

func (o *output) start(t testing.TB, plan *child.Plan, opt runtime.StartOptions) (*runtime.Process, error) {
	t.Helper()
	opt.Stdout, opt.Stderr = o.pipes(t)
	defer o.close()
	p, err := runtime.Start(plan, opt)
	if err == nil {
		err = p.Go()
	}
	if err != nil {
		o.close()
		o.wait()
	}
	return p, err
}

// wait waits until everything was read.
func (o *output) wait() {
	for range o.ends {
		<-o.done
	}
	o.ends = nil
}

func (o *output) close() {
	for _, f := range o.ends {
		f.Close()
	}
}

func (o *output) finish(t testing.TB, p *runtime.Process) result {
	t.Helper()
	status, err := p.Wait()
	must(t, err)
	o.wait()
	return result{strings.TrimSpace(o.out.String()), strings.TrimSpace(o.errOut.String()), status, nil}
}

// want fails the test when a container did not print exactly this, or did not exit with 0.
func (r result) want(t testing.TB, out string) {
	t.Helper()
	if r.err != nil || r.status.Code != 0 || r.out != out {
		t.Errorf("got %q (stderr %q, exit code %d, error %v), want %q", r.out, r.errOut, r.status.Code, r.err, out)
	}
}

// refused fails the test when a container was born all the same.
func (r result) refused(t testing.TB, step string) {
	t.Helper()
	e, ok := r.err.(*runtime.StepError)
	if !ok || e.Step != step {
		t.Errorf("got %q (stderr %q, error %v), want a failure of step %s", r.out, r.errOut, r.err, step)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noTraces checks at the end of the test that it left no mount, no child and no descriptor.
func noTraces(t testing.TB) {
	t.Helper()
	mounts, fds := strings.Split(readFile(t, "/proc/self/mountinfo"), "\n"), openFDs(t)
	t.Cleanup(func() {
		for _, m := range strings.Split(readFile(t, "/proc/self/mountinfo"), "\n") {
			if !slices.Contains(mounts, m) && !strings.Contains(m, " /run/netns/") { // ip-netns(8) of another package's tests
				t.Errorf("a mount was left behind: %s", m)
			}
		}
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
			t.Errorf("a child was left behind: %d, %v", pid, err)
		}
		now := openFDs(t)
		for end := time.Now().Add(time.Second); now > fds && time.Now().Before(end); now = openFDs(t) { // Sealed.Close does not wait
			time.Sleep(time.Millisecond)
		}
		if now > fds {
			t.Errorf("%d descriptors were left open", now-fds)
		}
	})
}

func openFDs(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	return string(data)
}

// canary makes a tree beside the image that no container may touch, and checks it at the end.
func (b *box) canary() string {
	b.t.Helper()
	dir := b.mkdir("canary")
	b.write("canary/file", "untouched")
	b.write("canary/ptmx", "untouched")
	before := listing(b.t, dir)
	b.t.Cleanup(func() {
		if now := listing(b.t, dir); now != before {
			b.t.Errorf("the host was changed:\n%s\nbefore:\n%s", now, before)
		}
	})
	return dir
}

func listing(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-printf", `%P %y %m %u %g %s %T@\n`).Output()
	must(t, err)
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
