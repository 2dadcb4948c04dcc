package runtime_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	hoyruntime "codeberg.org/hoy/hoy/oci/runtime"
	"codeberg.org/hoy/hoy/oci/seccomp"
)

// TestRefusedCalls is T-D2 with the real kernel: each system call from 0 to 600 that the default profile refuses is made in a container, with
// all arguments 0, as x86-64, x32 and i386 have them, and gives what the profile says.
func TestRefusedCalls(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("machine code for amd64")
	}
	b := newBox(t)
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
		"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"}
	profile, err := seccomp.Default(caps, seccomp.Host{Arch: "amd64"})
	must(t, err)
	program, err := seccomp.Compile(profile, "amd64")
	must(t, err)
	b.plan.Seccomp, b.plan.SeccompFlags = program.Filter, program.Flags
	vm := virtual(t, program.Filter)
	for _, abi := range []struct {
		name string
		arch uint32
		bit  uint32
		elf  func(numbers []uint32) []byte
	}{
		{"x86-64", unix.AUDIT_ARCH_X86_64, 0, elf64},
		{"x32", unix.AUDIT_ARCH_X86_64, 1 << 30, elf64},
		{"i386", unix.AUDIT_ARCH_I386, 0, elf32},
	} {
		var numbers, want []uint32
		for nr := uint32(0); nr <= 600; nr++ {
			if abi.name == "x86-64" && (nr == 335 || nr == 336) {
				continue // uretprobe(2) and uprobe(2): the kernel asks no filter (kernel/seccomp.c)
			}
			if verdict := judge(t, vm, abi.arch, nr|abi.bit); verdict&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO {
				numbers, want = append(numbers, nr|abi.bit), append(want, verdict&unix.SECCOMP_RET_DATA)
			}
		}
		if len(numbers) < 100 {
			t.Errorf("%s: the profile refuses %d calls only", abi.name, len(numbers))
		}
		must(t, os.WriteFile(filepath.Join(b.image, "bin/probe"), abi.elf(numbers), 0o755))
		must(t, os.Chmod(filepath.Join(b.image, "bin/probe"), 0o755))
		b.plan.Args = []string{"/bin/probe"}
		var o output
		p, err := o.start(t, b.plan, hoyruntime.StartOptions{})
		if err != nil {
			t.Errorf("%s: %v", abi.name, err) // a kernel without i386 programs says so
			continue
		}
		status, err := p.Wait()
		must(t, err)
		o.wait()
		got := o.out.Bytes()
		if status.Code != 0 || len(got) != 4*len(numbers) {
			t.Fatalf("%s: exit code %d, %d bytes", abi.name, status.Code, len(got))
		}
		for i, nr := range numbers {
			if errno := -int32(binary.LittleEndian.Uint32(got[4*i:])); errno != int32(want[i]) {
				t.Errorf("%s: call %d gives %v, want %v", abi.name, nr&^abi.bit, syscall.Errno(errno), syscall.Errno(want[i]))
			}
		}
	}
}

// virtual makes a machine that runs the filter.
func virtual(t *testing.T, filter []byte) *bpf.VM {
	t.Helper()
	var code []bpf.Instruction
	for ; len(filter) > 0; filter = filter[8:] {
		raw := bpf.RawInstruction{Op: binary.NativeEndian.Uint16(filter), Jt: filter[2], Jf: filter[3], K: binary.NativeEndian.Uint32(filter[4:])}
		code = append(code, raw.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	must(t, err)
	return vm
}

// judge is what the filter says of a call without arguments. The machine loads words big-endian.
func judge(t *testing.T, vm *bpf.VM, arch, nr uint32) uint32 {
	t.Helper()
	data := make([]byte, 64) // struct seccomp_data
	binary.BigEndian.PutUint32(data, nr)
	binary.BigEndian.PutUint32(data[4:], arch)
	verdict, err := vm.Run(data)
	must(t, err)
	return uint32(verdict)
}

// base is where the programs below are loaded.
const base = 0x400000

// elf64 is a program that makes the calls, writes a word with the result of each, and ends.
func elf64(numbers []uint32) []byte {
	const header = 64 + 56
	code := []byte{
		0xbb, 0, 0, 0, 0, // mov ebx, table
		0x8b, 0x03, // 1: mov eax, [rbx]
		0x83, 0xf8, 0xff, // cmp eax, -1
		0x74, 0x19, // je 2f
		0x31, 0xff, 0x31, 0xf6, 0x31, 0xd2, // xor edi, edi; xor esi, esi; xor edx, edx
		0x45, 0x31, 0xd2, 0x45, 0x31, 0xc0, 0x45, 0x31, 0xc9, // xor r10d, r10d; xor r8d, r8d; xor r9d, r9d
		0x0f, 0x05, // syscall
		0x89, 0x03, // mov [rbx], eax
		0x48, 0x83, 0xc3, 0x04, // add rbx, 4
		0xeb, 0xe0, // jmp 1b
		0xbe, 0, 0, 0, 0, // 2: mov esi, table
		0x48, 0x89, 0xda, 0x48, 0x29, 0xf2, // mov rdx, rbx; sub rdx, rsi
		0xbf, 1, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0x0f, 0x05, // write(1, table, rdx)
		0x31, 0xff, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05, // exit_group(0)
	}
	table := uint32(base + header + len(code))
	binary.LittleEndian.PutUint32(code[1:], table)
	binary.LittleEndian.PutUint32(code[38:], table)
	le := binary.LittleEndian
	out := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	out = le.AppendUint16(out, 2)  // ET_EXEC
	out = le.AppendUint16(out, 62) // EM_X86_64
	out = le.AppendUint32(out, 1)
	out = le.AppendUint64(out, base+header)
	out = le.AppendUint64(out, 64) // program headers
	out = le.AppendUint64(out, 0)
	out = le.AppendUint32(out, 0)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		out = le.AppendUint16(out, v)
	}
	size := uint64(header + len(code) + 4*len(numbers) + 4)
	out = le.AppendUint32(out, 1) // PT_LOAD
	out = le.AppendUint32(out, 7) // rwx
	for _, v := range []uint64{0, base, base, size, size, 4096} {
		out = le.AppendUint64(out, v)
	}
	return withTable(append(out, code...), numbers)
}

// elf32 is the same for i386.
func elf32(numbers []uint32) []byte {
	const header = 52 + 32
	code := []byte{
		0xbe, 0, 0, 0, 0, // mov esi, table
		0x8b, 0x06, // 1: mov eax, [esi]
		0x83, 0xf8, 0xff, // cmp eax, -1
		0x74, 0x17, // je 2f
		0x31, 0xdb, 0x31, 0xc9, 0x31, 0xd2, // xor ebx, ebx; xor ecx, ecx; xor edx, edx
		0x56,                               // push esi
		0x31, 0xf6, 0x31, 0xff, 0x31, 0xed, // xor esi, esi; xor edi, edi; xor ebp, ebp
		0xcd, 0x80, // int 0x80
		0x5e,       // pop esi
		0x89, 0x06, // mov [esi], eax
		0x83, 0xc6, 0x04, // add esi, 4
		0xeb, 0xe2, // jmp 1b
		0xb9, 0, 0, 0, 0, // 2: mov ecx, table
		0x89, 0xf2, 0x29, 0xca, // mov edx, esi; sub edx, ecx
		0xbb, 1, 0, 0, 0, 0xb8, 4, 0, 0, 0, 0xcd, 0x80, // write(1, table, edx)
		0x31, 0xdb, 0xb8, 1, 0, 0, 0, 0xcd, 0x80, // exit(0)
	}
	table := uint32(base + header + len(code))
	binary.LittleEndian.PutUint32(code[1:], table)
	binary.LittleEndian.PutUint32(code[36:], table)
	le := binary.LittleEndian
	out := []byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	out = le.AppendUint16(out, 2) // ET_EXEC
	out = le.AppendUint16(out, 3) // EM_386
	for _, v := range []uint32{1, base + header, 52, 0, 0} {
		out = le.AppendUint32(out, v)
	}
	for _, v := range []uint16{52, 32, 1, 0, 0, 0} {
		out = le.AppendUint16(out, v)
	}
	size := uint32(header + len(code) + 4*len(numbers) + 4)
	for _, v := range []uint32{1, 0, base, base, size, size, 7, 4096} {
		out = le.AppendUint32(out, v)
	}
	return withTable(append(out, code...), numbers)
}

func withTable(program []byte, numbers []uint32) []byte {
	for _, nr := range append(numbers[:len(numbers):len(numbers)], 1<<32-1) {
		program = binary.LittleEndian.AppendUint32(program, nr)
	}
	return program
}
