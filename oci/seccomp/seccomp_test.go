package seccomp

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

var dockerCaps = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"}

const (
	amd64Arch = unix.AUDIT_ARCH_X86_64
	i386Arch  = unix.AUDIT_ARCH_I386
	arm64Arch = unix.AUDIT_ARCH_AARCH64
	armArch   = unix.AUDIT_ARCH_ARM

	allow = unix.SECCOMP_RET_ALLOW
	kill  = unix.SECCOMP_RET_KILL_PROCESS
	eperm = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	nosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// machine runs a program as the kernel would.
type machine struct {
	t  testing.TB
	vm *bpf.VM
}

func newMachine(t testing.TB, p *specs.LinuxSeccomp, goarch string) machine {
	t.Helper()
	prog, err := Compile(p, goarch)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(prog.Filter) / 8; n > maxInstructions {
		t.Fatalf("%d instructions", n)
	}
	var code []bpf.Instruction
	for f := prog.Filter; len(f) > 0; f = f[8:] {
		raw := bpf.RawInstruction{Op: binary.NativeEndian.Uint16(f), Jt: f[2], Jf: f[3], K: binary.NativeEndian.Uint32(f[4:])}
		code = append(code, raw.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return machine{t, vm}
}

// run gives the filter's result for a call. The virtual machine loads words big-endian, so each word of seccomp_data is written so.
func (m machine) run(arch, nr uint32, args ...uint64) uint32 {
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNr:], nr)
	binary.BigEndian.PutUint32(data[offArch:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offLow(uint(i)):], uint32(a))
		binary.BigEndian.PutUint32(data[offHigh(uint(i)):], uint32(a>>32))
	}
	got, err := m.vm.Run(data)
	if err != nil {
		m.t.Fatal(err)
	}
	return uint32(got)
}

// nr is the number of a call by name.
func nr(t testing.TB, col column, name string) uint32 {
	t.Helper()
	row, ok := rowOf(name)
	if !ok || calls[row].nr[col] < 0 {
		t.Fatalf("no call %s", name)
	}
	return uint32(calls[row].nr[col])
}

type probe struct {
	what string
	arch uint32
	nr   uint32
	args []uint64
	want uint32
}

func (m machine) expect(t *testing.T, probes []probe) {
	t.Helper()
	for _, p := range probes {
		if got := m.run(p.arch, p.nr, p.args...); got != p.want {
			t.Errorf("%s: arch %#x nr %#x args %#x: got %#x, want %#x", p.what, p.arch, p.nr, p.args, got, p.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	one := func(call specs.LinuxSyscall) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{call}}
	}
	big := uint(4096)
	arg := func(index uint, op specs.LinuxSeccompOperator) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Index: index, Op: op}}
	}
	for _, c := range []struct {
		p    *specs.LinuxSeccomp
		arch string
		want string
	}{
		{&specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_X"}, "amd64", `unknown action "SCMP_ACT_X"`},
		{&specs.LinuxSeccomp{DefaultAction: specs.ActNotify}, "amd64", ErrNotify.Error()},
		{&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, DefaultErrnoRet: &big}, "amd64", "errno 4096 is too large"},
		{&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"X"}}, "amd64", `unknown flag "X"`},
		{&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"X"}}, "amd64", `unknown architecture "X"`},
		{&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, "riscv64", "not supported on riscv64"},
		{one(specs.LinuxSyscall{Names: []string{"sendmsg"}, Action: specs.ActNotify}), "amd64", ErrNotify.Error()},
		{one(specs.LinuxSyscall{Names: []string{"sendmsg"}, Action: specs.ActNotify, Args: arg(0, specs.OpEqualTo)}), "amd64", ErrNotify.Error()},
		{one(specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActAllow, Args: arg(6, specs.OpEqualTo)}), "amd64", "index 6"},
		{one(specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActAllow, Args: arg(0, "SCMP_CMP_X")}), "amd64", `operator "SCMP_CMP_X"`},
		{one(specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActKill, ErrnoRet: new(uint)}), "amd64", "takes no errno"},
	} {
		if _, err := Compile(c.p, c.arch); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestNotify(t *testing.T) {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}}}
	prog, err := Compile(p, "amd64")
	if err != nil || prog.Flags != unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV {
		t.Errorf("%+v, %v", prog, err)
	}
	p.Syscalls[0].Action = specs.ActErrno
	if prog, err = Compile(p, "amd64"); err != nil || prog.Flags != 0 {
		t.Errorf("without a listener: %+v, %v", prog, err)
	}
}

func TestTooLong(t *testing.T) {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range 2000 {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: 0, Value: uint64(i), Op: specs.OpEqualTo}}})
	}
	if _, err := Compile(p, "amd64"); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		flags []specs.LinuxSeccompFlag
		want  uint
	}{
		{nil, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{[]specs.LinuxSeccompFlag{}, 0},
		{[]specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, "SECCOMP_FILTER_FLAG_TSYNC"}, unix.SECCOMP_FILTER_FLAG_LOG},
		{[]specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagWaitKillableRecv}, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	} {
		p, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: c.flags}, "amd64")
		if err != nil || p.Flags != c.want {
			t.Errorf("%v: got %v, %v, want %v", c.flags, p, err, c.want)
		}
	}
}

func TestArchitectures(t *testing.T) {
	const newest = 1000
	rule := []specs.LinuxSyscall{{Names: []string{"read", "no_such_call", "breakpoint"}, Action: specs.ActAllow}}
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: rule}
	newMachine(t, p, "amd64").expect(t, []probe{
		{"native", amd64Arch, 0, nil, allow},
		{"newer", amd64Arch, newest, nil, nosys},
		{"cancelled by a tracer", amd64Arch, math.MaxUint32, nil, nosys},
		{"x32 not named", amd64Arch, x32Bit, nil, kill},
		{"i386 not named", i386Arch, 3, nil, kill},
		{"foreign", arm64Arch, 63, nil, kill},
	})
	p.Architectures = []specs.Arch{specs.ArchX86, specs.ArchX32, specs.ArchMIPS}
	newMachine(t, p, "amd64").expect(t, []probe{
		{"native", amd64Arch, 0, nil, allow},
		{"x32", amd64Arch, x32Bit, nil, allow},
		{"x32 newer", amd64Arch, x32Bit | newest, nil, nosys},
		{"i386", i386Arch, 3, nil, allow},
		{"i386 other", i386Arch, 2, nil, eperm},
		{"i386 newer", i386Arch, newest, nil, nosys},
	})
	p.Architectures = []specs.Arch{specs.ArchAARCH64, specs.ArchARM}
	newMachine(t, p, "arm64").expect(t, []probe{
		{"native", arm64Arch, 63, nil, allow},
		{"native other", arm64Arch, 62, nil, eperm},
		{"arm", armArch, 3, nil, allow},
		{"arm newer", armArch, newest, nil, nosys},
		{"arm private", armArch, armPrivate + 1, nil, allow},
		{"arm private before", armArch, armPrivate, nil, eperm},
		{"foreign", amd64Arch, 0, nil, kill},
	})
}

func TestNewerCalls(t *testing.T) {
	errno := func(e uint) *uint { return &e }
	rule := []specs.LinuxSyscall{{Names: []string{"close_range"}, Action: specs.ActErrno, ErrnoRet: errno(1)}}
	for _, c := range []struct {
		p    specs.LinuxSeccomp
		want uint32
	}{
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: rule}, nosys}, // the rule says what the default says: it still counts as named
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: errno(38), Syscalls: rule}, nosys},
		{specs.LinuxSeccomp{DefaultAction: specs.ActKillProcess, Syscalls: rule}, nosys},
		{specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: rule}, allow},
		{specs.LinuxSeccomp{DefaultAction: specs.ActLog, Syscalls: rule}, unix.SECCOMP_RET_LOG},
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: errno(22)}, unix.SECCOMP_RET_ERRNO | 22}, // names nothing
	} {
		if got := newMachine(t, &c.p, "amd64").run(amd64Arch, nr(t, colAMD64, "close_range")+1); got != c.want {
			t.Errorf("%+v: got %#x, want %#x", c.p, got, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	eq := func(index uint, value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Value: value, Op: specs.OpEqualTo}
	}
	eacces := uint(unix.EACCES)
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"read"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{eq(0, 1), eq(1, 2)}},
		{Names: []string{"write"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{eq(0, 1), eq(0, 2), eq(1, 3)}},
		{Names: []string{"close"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{eq(0, 1)}},
		{Names: []string{"close"}, Action: specs.ActLog},
		{Names: []string{"close"}, Action: specs.ActAllow},
		{Names: []string{"stat"}, Action: specs.ActErrno, ErrnoRet: &eacces},
		{Names: []string{"fstat"}, Action: specs.ActTrace, ErrnoRet: &eacces},
		{Names: []string{"lstat"}, Action: specs.ActTrap},
		{Names: []string{"poll"}, Action: specs.ActKill},
		{Names: []string{"lseek"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{eq(0, 1<<32|1)}},
	}}
	newMachine(t, p, "amd64").expect(t, []probe{
		{"both conditions", amd64Arch, 0, []uint64{1, 2}, allow},
		{"one condition", amd64Arch, 0, []uint64{1, 3}, eperm},
		{"an index twice is an alternative", amd64Arch, 1, []uint64{2, 0}, allow},
		{"and so is the other index", amd64Arch, 1, []uint64{0, 3}, allow},
		{"none", amd64Arch, 1, []uint64{3, 1}, eperm},
		{"the first unconditional rule wins", amd64Arch, 3, []uint64{1}, unix.SECCOMP_RET_LOG},
		{"errno", amd64Arch, 4, nil, unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)},
		{"trace", amd64Arch, 5, nil, unix.SECCOMP_RET_TRACE | uint32(unix.EACCES)},
		{"trap", amd64Arch, 6, nil, unix.SECCOMP_RET_TRAP},
		{"kill", amd64Arch, 7, nil, unix.SECCOMP_RET_KILL_THREAD},
		{"64 bits", amd64Arch, 8, []uint64{1<<32 | 1}, allow},
		{"64 bits, low half", amd64Arch, 8, []uint64{1}, eperm},
	})
}

// TestRandomProfiles holds programs against the meaning of the profiles, spelled out.
func TestRandomProfiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	values := []uint64{0, 1, 5, 38, math.MaxUint32, 1 << 32, 1<<32 | 1, math.MaxUint64, 1 << 31, 1<<31 - 1, 0x123456789abcdef}
	pick := func() uint64 { return values[r.IntN(len(values))] }
	names := []string{"ioctl", "lseek", "mmap", "socket", "personality"}
	for range 300 {
		p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86, specs.ArchX32}}
		for range r.IntN(12) {
			call := specs.LinuxSyscall{Names: []string{names[r.IntN(len(names))]}, Action: specs.ActAllow}
			for _, i := range r.Perm(maxArgs)[:1+r.IntN(3)] {
				arg := specs.LinuxSeccompArg{Index: uint(i), Value: pick(), Op: operators[r.IntN(len(operators))]}
				arg.ValueTwo = pick() & arg.Value
				call.Args = append(call.Args, arg)
			}
			p.Syscalls = append(p.Syscalls, call)
		}
		m := newMachine(t, p, "amd64")
		for range 200 {
			args := []uint64{pick(), pick(), pick() + 1, pick(), pick() - 1, pick()}
			name := names[r.IntN(len(names))]
			if got, want := m.run(amd64Arch, nr(t, colAMD64, name), args...), meaning(p, name, true, args); got != want && got != nosys {
				t.Fatalf("%s%#x of %+v: got %#x, want %#x", name, args, p.Syscalls, got, want)
			}
			for i := range args {
				args[i] &= math.MaxUint32
			}
			if got, want := m.run(i386Arch, nr(t, col386, name), args...), meaning(p, name, false, args); got != want && got != nosys {
				t.Fatalf("i386 %s%#x of %+v: got %#x, want %#x", name, args, p.Syscalls, got, want)
			}
		}
	}
}

func meaning(p *specs.LinuxSeccomp, name string, wide bool, args []uint64) uint32 {
	for _, call := range p.Syscalls {
		holds := call.Names[0] == name
		for _, a := range call.Args {
			holds = holds && compare(a, args[a.Index], wide && !isNarrow(name, a))
		}
		if holds {
			return allow
		}
	}
	return eperm
}

func compare(a specs.LinuxSeccompArg, arg uint64, wide bool) bool {
	v, v2 := a.Value, a.ValueTwo
	if !wide {
		v, v2, arg = uint64(uint32(v)), uint64(uint32(v2)), uint64(uint32(arg))
	}
	switch a.Op {
	case specs.OpNotEqual:
		return arg != v
	case specs.OpLessThan:
		return arg < v
	case specs.OpLessEqual:
		return arg <= v
	case specs.OpEqualTo:
		return arg == v
	case specs.OpGreaterEqual:
		return arg >= v
	case specs.OpGreaterThan:
		return arg > v
	}
	return arg&v == v2
}
