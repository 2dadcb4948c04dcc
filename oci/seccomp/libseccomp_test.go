package seccomp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestLikeLibseccomp runs random calls through hoy's filter for the default profile and through the one that libseccomp makes for it, read back
// from a process that runc has started. They may differ in nothing but
// the upper halves of arguments that the kernel takes as 32 bits, and in i386's socketcall(2), which is refused here.
func TestLikeLibseccomp(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("compares the filters of amd64")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start runc and to read a filter of its process (ptrace(2))")
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("needs runc, which carries libseccomp")
	}
	profile, err := Default(dockerCaps, Host{Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	withoutNewCalls(profile)
	ours := newMachine(t, profile, "amd64")
	theirs := machine{t, filterOf(t, runc, profile)}
	tries := 1_000_000
	if testing.Short() {
		tries = 50_000
	}
	differ, narrowed := map[string]int{}, 0
	random := rand.New(rand.NewPCG(1, 2))
	for range tries {
		c := randomCall(random)
		got, want := ours.run(c.arch, c.nr, c.args[:]...), theirs.run(c.arch, c.nr, c.args[:]...)
		if got != want {
			if narrow := c.narrowed(); narrow != c && got == theirs.run(c.arch, c.nr, narrow.args[:]...) {
				narrowed++ // bits that the kernel does not look at
				continue
			}
			differ[fmt.Sprintf("%s: %s, libseccomp: %s", c.name(), action(got), action(want))]++
		}
	}
	const known = "i386 socketcall: EPERM, libseccomp: allow" // its arguments are out of a filter's reach
	if differ[known] == 0 {
		t.Error("socketcall(2) is not refused")
	}
	delete(differ, known)
	for _, d := range slices.Sorted(maps.Keys(differ)) {
		t.Errorf("%s (%d calls)", d, differ[d])
	}
	if narrowed == 0 {
		t.Error("no call was compared on fewer bits than libseccomp does")
	}
}

// withoutNewCalls takes the calls out of a profile that libseccomp 2.5.4, the oldest that runc is built with, does not know: those of Linux 5.18 and
// later. It passes over their names, and says of their numbers what the rest of the profile says.
func withoutNewCalls(p *specs.LinuxSeccomp) {
	const newest = 450 // set_mempolicy_home_node
	for i := range p.Syscalls {
		p.Syscalls[i].Names = slices.DeleteFunc(p.Syscalls[i].Names, func(name string) bool {
			row, ok := rowOf(name)
			return ok && (calls[row].nr[colAMD64] > newest || name == "uretprobe")
		})
	}
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(r specs.LinuxSyscall) bool { return len(r.Names) == 0 })
}

// attempt is a system call as a filter sees it.
type attempt struct {
	arch, nr uint32
	args     [6]uint64
}

func randomCall(r *rand.Rand) attempt {
	c := attempt{arch: amd64Arch, nr: r.Uint32N(480)}
	switch r.IntN(8) {
	case 0, 1, 2:
		c.arch = i386Arch
	case 3:
		c.nr |= x32Bit
	case 4:
		c.nr = r.Uint32N(2000) // also those that no kernel knows yet
	case 5:
		c.nr = r.Uint32()
	}
	for i := range c.args {
		c.args[i] = randomArg(r)
	}
	return c
}

// randomArg gives values that rules look for more often than others, some with bits in the upper half.
func randomArg(r *rand.Rand) uint64 {
	var v uint64
	switch r.IntN(5) {
	case 0:
		v = r.Uint64N(64)
	case 1:
		v = []uint64{0, 8, 0x20000, 0x20008, 0xffffffff, 38, 40, 16}[r.IntN(8)] // personality(2), AF_ALG, AF_VSOCK
	case 2:
		v = 1 << r.IntN(64)
	case 3:
		v = r.Uint64N(1 << 32)
	case 4:
		v = r.Uint64()
	}
	if r.IntN(6) == 0 {
		v |= 1 << 32
	}
	return v
}

// column is that of the call's architecture in the table of numbers.
func (c attempt) column() column {
	if c.arch == i386Arch {
		return col386
	}
	return colAMD64
}

func (c attempt) name() string {
	arch, nr := "x86_64", c.nr
	switch {
	case c.arch == i386Arch:
		arch = "i386"
	case nr&x32Bit != 0:
		arch, nr = "x32", nr&^x32Bit
	}
	for i := range calls {
		if calls[i].nr[c.column()] == int32(nr) {
			return arch + " " + calls[i].name
		}
	}
	return arch + " " + strconv.FormatUint(uint64(nr), 10)
}

// narrowed is the call without the bits that the kernel does not look at.
func (c attempt) narrowed() attempt {
	_, name, _ := strings.Cut(c.name(), " ")
	for _, n := range narrowArgs {
		if n.name != name {
			continue
		}
		for i := range c.args {
			if n.args>>i&1 != 0 {
				c.args[i] &= 1<<32 - 1
			}
		}
	}
	return c
}

func action(ret uint32) string {
	switch ret & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_ERRNO:
		return unix.ErrnoName(unix.Errno(ret & unix.SECCOMP_RET_DATA))
	}
	return fmt.Sprintf("%#x", ret)
}

// filterOf starts a process with the profile by runc, and reads its filter back.
func filterOf(t *testing.T, runc string, profile *specs.LinuxSeccomp) *bpf.VM {
	t.Helper()
	dir := t.TempDir()
	writeBundle(t, dir, profile)
	id := "hoy-seccomp-" + strconv.Itoa(os.Getpid())
	state := filepath.Join(dir, "state")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(runc, append([]string{"--root", state}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("runc %s: %v: %s", args[0], err, out)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(runc, "--root", state, "run", "-d", "--pid-file", filepath.Join(dir, "pid"), id)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log // files: what runs in the background must not keep a pipe open
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Skipf("runc cannot run a container here: %v: %s", err, text)
	}
	defer run("delete", "-f", id)
	data, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(readFilter(t, pid))
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func writeBundle(t *testing.T, dir string, profile *specs.LinuxSeccomp) {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs /bin/busybox (busybox-static)")
	}
	bin := filepath.Join(dir, "rootfs/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "busybox"), busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	spec := specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"/bin/busybox", "sleep", "60"}, Cwd: "/", NoNewPrivileges: true},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}},
			Seccomp:    profile,
		},
	}
	data, err := json.Marshal(&spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// readFilter reads the only filter of a process (ptrace(2), PTRACE_SECCOMP_GET_FILTER).
func readFilter(t *testing.T, pid int) []bpf.Instruction {
	t.Helper()
	runtime.LockOSThread() // a process has one thread as its tracer
	defer runtime.UnlockOSThread()
	if err := unix.PtraceAttach(pid); err != nil {
		t.Fatal("ptrace:", err)
	}
	defer unix.PtraceDetach(pid)
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		t.Fatal("wait:", err)
	}
	code := make([]unix.SockFilter, maxInstructions)
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SECCOMP_GET_FILTER, uintptr(pid), 0, uintptr(unsafe.Pointer(&code[0])), 0, 0)
	if errno != 0 {
		t.Skipf("this kernel gives no filter back (CONFIG_CHECKPOINT_RESTORE): %v", errno)
	}
	var out []bpf.Instruction
	for _, f := range code[:n] {
		out = append(out, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble())
	}
	return out
}
