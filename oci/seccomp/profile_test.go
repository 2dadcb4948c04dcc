package seccomp

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func mustDefault(t testing.TB, caps []string, h Host) *specs.LinuxSeccomp {
	t.Helper()
	p, err := Default(caps, h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDefault holds the default profile's program against what Docker's documentation says of it (T-D2, T-D3 of the threat catalogue).
func TestDefault(t *testing.T) {
	p := mustDefault(t, dockerCaps, Host{Arch: "amd64", Kernel: "6.18.0"})
	call := func(name string) uint32 { return nr(t, colAMD64, name) }
	const high = 1 << 32
	newMachine(t, p, "amd64").expect(t, []probe{
		{"read", amd64Arch, 0, nil, allow},
		{"x32 read", amd64Arch, x32Bit, nil, allow},
		{"i386 read", i386Arch, 3, nil, allow},
		{"foreign", armArch, 3, nil, kill},
		{"newer than the profile", amd64Arch, 900, nil, nosys},
		{"mount", amd64Arch, call("mount"), nil, eperm},
		{"fsopen", amd64Arch, call("fsopen"), nil, eperm},
		{"io_uring_setup", amd64Arch, call("io_uring_setup"), nil, eperm},
		{"unshare", amd64Arch, call("unshare"), nil, eperm},
		{"bpf", amd64Arch, call("bpf"), nil, eperm},
		{"chroot with its capability", amd64Arch, call("chroot"), nil, allow},
		{"ptrace since 4.8", amd64Arch, call("ptrace"), nil, allow},

		{"clone3 is not there", amd64Arch, call("clone3"), nil, nosys},
		{"clone of a thread", amd64Arch, call("clone"), []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, allow},
		{"clone of a user namespace", amd64Arch, call("clone"), []uint64{unix.CLONE_NEWUSER | unix.CLONE_VM}, eperm},
		{"the same with high bits", amd64Arch, call("clone"), []uint64{high | unix.CLONE_NEWUSER}, eperm},
		{"high bits alone", amd64Arch, call("clone"), []uint64{high}, allow},
		{"i386 clone of a namespace", i386Arch, nr(t, col386, "clone"), []uint64{unix.CLONE_NEWNS}, eperm},

		{"socket unix", amd64Arch, call("socket"), []uint64{unix.AF_UNIX}, allow},
		{"socket alg", amd64Arch, call("socket"), []uint64{unix.AF_ALG}, eperm},
		{"socket nfc", amd64Arch, call("socket"), []uint64{unix.AF_NFC}, allow},
		{"socket vsock", amd64Arch, call("socket"), []uint64{unix.AF_VSOCK}, eperm},
		{"socket alg, high bits", amd64Arch, call("socket"), []uint64{high | unix.AF_ALG}, eperm},
		{"socket vsock, high bits", amd64Arch, call("socket"), []uint64{high | unix.AF_VSOCK}, eperm},
		{"socket xdp", amd64Arch, call("socket"), []uint64{unix.AF_XDP}, allow},
		{"i386 socket alg", i386Arch, nr(t, col386, "socket"), []uint64{unix.AF_ALG}, eperm},
		{"i386 socketcall socket", i386Arch, nr(t, col386, "socketcall"), []uint64{sysSocket}, eperm},
		{"i386 socketcall connect", i386Arch, nr(t, col386, "socketcall"), []uint64{3}, allow},
		{"x32 socket alg", amd64Arch, nr(t, colX32, "socket"), []uint64{unix.AF_ALG}, eperm},

		{"personality", amd64Arch, call("personality"), []uint64{0}, allow},
		{"personality query", amd64Arch, call("personality"), []uint64{0xffffffff}, allow},
		{"personality query, sign extended", amd64Arch, call("personality"), []uint64{0xffffffffffffffff}, allow},
		{"personality no randomisation", amd64Arch, call("personality"), []uint64{0x0040000}, eperm},
		{"the same with high bits", amd64Arch, call("personality"), []uint64{high | 0x0040000}, eperm},
	})
}

func TestDefaultConditions(t *testing.T) {
	admin := newMachine(t, mustDefault(t, []string{"CAP_SYS_ADMIN"}, Host{Arch: "amd64", Kernel: "4.7.9"}), "amd64")
	admin.expect(t, []probe{
		{"mount with its capability", amd64Arch, nr(t, colAMD64, "mount"), nil, allow},
		{"clone3 with its capability", amd64Arch, nr(t, colAMD64, "clone3"), nil, allow},
		{"clone with its capability", amd64Arch, nr(t, colAMD64, "clone"), []uint64{unix.CLONE_NEWUSER}, allow},
		{"chroot without", amd64Arch, nr(t, colAMD64, "chroot"), nil, eperm},
		{"ptrace before 4.8", amd64Arch, nr(t, colAMD64, "ptrace"), nil, eperm},
	})
	i386 := newMachine(t, mustDefault(t, nil, Host{Arch: "amd64", SocketCall: true}), "amd64")
	i386.expect(t, []probe{{"socketcall in a 386 image", i386Arch, nr(t, col386, "socketcall"), []uint64{sysSocket}, allow}})
	arm := newMachine(t, mustDefault(t, dockerCaps, Host{Arch: "arm64"}), "arm64")
	arm.expect(t, []probe{
		{"read", arm64Arch, nr(t, colARM64, "read"), nil, allow},
		{"socket alg", arm64Arch, nr(t, colARM64, "socket"), []uint64{1<<32 | unix.AF_ALG}, eperm},
		{"arm set_tls", armArch, 0xf0005, nil, allow},
		{"mount", arm64Arch, nr(t, colARM64, "mount"), nil, eperm},
	})
}

func TestLoadRefuses(t *testing.T) {
	for in, want := range map[string]string{
		``:   "unexpected end",
		`{}`: "no defaultAction",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[null]}`:                                                                 "null",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"]}]}`:                                           "'name' or 'names'",
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}`: "'architectures' or 'archMap'",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"includes":{"minKernel":"x"}}]}`:                         "kernel version",
	} {
		if _, err := Load([]byte(in), nil, Host{Arch: "amd64"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
	if _, err := Default(nil, Host{Kernel: "new"}); err == nil {
		t.Error("a kernel release without numbers was taken")
	}
	if _, err := Default(nil, Host{Arch: "s390x"}); err == nil {
		t.Error("an unknown architecture was taken")
	}
}

func TestLoad(t *testing.T) {
	docker := `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,
		"archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},{"architecture":"SCMP_ARCH_AARCH64"}],
		"syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW"},
			{"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF"]}},
			{"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"},"excludes":{"arches":["arm64"]}}]}`
	p, err := Load([]byte(docker), []string{"CAP_BPF"}, Host{Arch: "amd64", Kernel: "5.10.0-8-amd64"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, call := range p.Syscalls {
		names = append(names, call.Names...)
	}
	if !slices.Equal(names, []string{"read", "bpf", "ptrace"}) || len(p.Architectures) != 2 || *p.DefaultErrnoRet != 38 {
		t.Errorf("got %v, %v", names, p)
	}
	p, err = Load([]byte(docker), nil, Host{Arch: "arm64"})
	if err != nil || len(p.Syscalls) != 1 || len(p.Architectures) != 1 {
		t.Errorf("arm64: got %v, %v", p, err)
	}
	oci := `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"flags":[],
		"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":13,"args":[{"index":1,"value":511,"op":"SCMP_CMP_EQ"}]}]}`
	p, err = Load([]byte(oci), nil, Host{Arch: "amd64"})
	if err != nil || p.Flags == nil {
		t.Fatalf("got %v, %v", p, err)
	}
	newMachine(t, p, "amd64").expect(t, []probe{
		{"mkdir", amd64Arch, nr(t, colAMD64, "mkdir"), []uint64{0, 511}, unix.SECCOMP_RET_ERRNO | 13},
		{"mkdir of another mode", amd64Arch, nr(t, colAMD64, "mkdir"), []uint64{0, 493}, allow},
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"op":"SCMP_CMP_MASKED_EQ"}]}]}`))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64"}],"syscalls":[{"name":"read"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Load(data, dockerCaps, Host{Arch: "amd64"})
		if err != nil {
			return
		}
		prog, err := Compile(p, "amd64")
		if err == nil && (len(prog.Filter) == 0 || len(prog.Filter) > 8*maxInstructions) {
			t.Errorf("a program of %d bytes", len(prog.Filter))
		}
	})
}
