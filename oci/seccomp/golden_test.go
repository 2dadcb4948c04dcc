package seccomp

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// TestGoldenDefault holds the default profile's program against a list of what each system call gets, by architecture: so a new
// version of the profile or of the table of calls shows what it changes. "if" is a verdict that looks at arguments.
func TestGoldenDefault(t *testing.T) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %-28s amd64  386    x32    arm64  arm\n", "system call")
	amd64 := newMachine(t, mustDefault(t, dockerCaps, Host{Arch: "amd64", Kernel: "6.18.0"}), "amd64")
	arm64 := newMachine(t, mustDefault(t, dockerCaps, Host{Arch: "arm64", Kernel: "6.18.0"}), "arm64")
	machines := [columns]machine{amd64, amd64, amd64, arm64, arm64}
	audit := [columns]uint32{amd64Arch, i386Arch, amd64Arch, arm64Arch, armArch}
	for _, c := range calls {
		fmt.Fprintf(&out, "%-30s", c.name)
		for col, nr := range c.nr {
			fmt.Fprintf(&out, " %-6s", verdictName(machines[col], audit[col], nr))
		}
		out.Truncate(len(bytes.TrimRight(out.Bytes(), " ")))
		out.WriteByte('\n')
	}
	const file = "testdata/default.txt"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%s is not what is made; see the difference with: go test ./oci/seccomp -update && git diff", file)
	}
}

// verdictName is what a call gets. Whether it depends on arguments is found by trying some.
func verdictName(m machine, arch uint32, nr int32) string {
	if nr < 0 {
		return "-"
	}
	verdict := m.run(arch, uint32(nr))
	for _, arg := range []uint64{1, 8, unix.AF_ALG, 0x20000, unix.CLONE_NEWUSER, 1 << 32} {
		if m.run(arch, uint32(nr), arg) != verdict {
			return "if"
		}
	}
	return map[uint32]string{allow: "yes", eperm: "EPERM", nosys: "ENOSYS", kill: "kill"}[verdict]
}
