package seccomp

import (
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// x32Bit marks the calls of the x32 ABI (__X32_SYSCALL_BIT); their architecture is x86-64's.
const x32Bit = 0x40000000

// call is a row of the table: a system call and its number on each architecture, -1 where there is none.
type call struct {
	name string
	nr   [columns]int32
}

// column names an architecture by its place in the rows of the table.
type column int

const (
	colAMD64 column = iota
	col386
	colX32
	colARM64
	colARM
	columns = iota
)

// wide says whether arguments have 64 bits. x32 has them: the kernel hands its registers on whole.
func (c column) wide() bool { return c != col386 && c != colARM }

// section is a value of seccomp_data.arch and the numbers that arrive with it.
type section struct {
	audit   uint32
	regions []region
}

// region is a run of numbers, from inclusive, to exclusive, that belong to one architecture.
type region struct {
	col      column
	from, to uint32
}

// armPrivate is where arm's private calls begin (set_tls and its kin); what is added to the kernel lies below.
const armPrivate = 0xf0000

// host is a kind of machine: the architecture of its own and what its kernel runs.
type host struct {
	native   column
	sections []section
}

// hostOf describes the machines of a GOARCH.
func hostOf(goarch string) (host, error) {
	if goarch == "" {
		goarch = runtime.GOARCH
	}
	switch goarch {
	case "amd64":
		return host{colAMD64, []section{
			{unix.AUDIT_ARCH_X86_64, []region{{colAMD64, 0, x32Bit}, {colX32, x32Bit, math.MaxUint32}}},
			{unix.AUDIT_ARCH_I386, []region{{col386, 0, math.MaxUint32}}},
		}}, nil
	case "arm64":
		return host{colARM64, []section{
			{unix.AUDIT_ARCH_AARCH64, []region{{colARM64, 0, math.MaxUint32}}},
			{unix.AUDIT_ARCH_ARM, []region{{colARM, 0, armPrivate}, {colARM, armPrivate, math.MaxUint32}}},
		}}, nil
	}
	return host{}, fmt.Errorf("seccomp is not supported on %s", goarch)
}

// columnsOf gives the columns of the specification's names.
var columnsOf = []struct {
	arch specs.Arch
	col  column
}{
	{specs.ArchX86_64, colAMD64},
	{specs.ArchX86, col386},
	{specs.ArchX32, colX32},
	{specs.ArchAARCH64, colARM64},
	{specs.ArchARM, colARM},
}

// foreign are the names of architectures that no host of ours can run: a profile may name them in vain.
var foreign = []specs.Arch{
	specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
	specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64,
	specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
}

// wanted says which columns a profile is about: those it names, and always the machine's own (libseccomp).
func (h host) wanted(list []specs.Arch) ([columns]bool, error) {
	var want [columns]bool
	want[h.native] = true
next:
	for _, arch := range list {
		for _, c := range columnsOf {
			if c.arch == arch {
				want[c.col] = true
				continue next
			}
		}
		if !slices.Contains(foreign, arch) {
			return want, fmt.Errorf("seccomp profile: unknown architecture %q", arch)
		}
	}
	return want, nil
}
