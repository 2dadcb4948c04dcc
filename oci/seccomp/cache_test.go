package seccomp

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDigest(t *testing.T) {
	errno := uint(1)
	read := []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow}}
	seen := map[string]int{}
	for i, c := range []struct {
		p    specs.LinuxSeccomp
		arch string
	}{
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno}, "amd64"},
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno}, "arm64"},
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &errno}, "amd64"},
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Flags: []specs.LinuxSeccompFlag{}}, "amd64"},
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86}}, "amd64"},
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: read}, "amd64"},
		{specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: append(read, read...)}, "amd64"},
	} {
		d := Digest(&c.p, c.arch)
		if d != Digest(&c.p, c.arch) {
			t.Errorf("%d: two digests", i)
		}
		if j, ok := seen[d]; ok {
			t.Errorf("%d and %d have one digest", i, j)
		}
		seen[d] = i
	}
}

func TestCompileCached(t *testing.T) {
	p := mustDefault(t, dockerCaps, Host{Arch: "amd64"})
	want, err := Compile(p, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	file := filepath.Join(dir, Digest(p, "amd64"))
	check := func(what, dir string) {
		t.Helper()
		got, err := CompileCached(dir, p, "amd64")
		if err != nil || got.Flags != want.Flags || !bytes.Equal(got.Filter, want.Filter) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	check("no cache", "")
	check("empty cache", dir)
	check("filled cache", dir)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{
		"empty": {}, "half": good[:len(good)/2], "longer": append(bytes.Clone(good), good...), "other": bytes.Repeat([]byte{7}, len(good)),
	} {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		check(what, dir)
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, good) {
			t.Errorf("%s: the damaged file was not replaced: %v", what, err)
		}
	}
	check("a file in the directory's place", file)
	check("unwritable", "/proc/self")
	if left, _ := filepath.Glob(filepath.Join(dir, ".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := CompileCached(dir, &specs.LinuxSeccomp{DefaultAction: specs.ActNotify}, "amd64"); err == nil {
		t.Error("a bad profile was taken")
	}
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		mustDefault(b, dockerCaps, Host{})
	}
}

func BenchmarkCompile(b *testing.B) {
	p := mustDefault(b, dockerCaps, Host{})
	for b.Loop() {
		if _, err := Compile(p, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompileCached(b *testing.B) {
	p, dir := mustDefault(b, dockerCaps, Host{}), b.TempDir()
	for b.Loop() {
		if _, err := CompileCached(dir, p, ""); err != nil {
			b.Fatal(err)
		}
	}
}
