package child

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

const testPasswd = `# a comment
+nis::::::
root:x:0:0:root:/root:/bin/sh
evil:x:zero:zero::/:/bin/sh
wrap:x:4294967296:4294967296::/:/bin/sh
99999999999:x:0:0::/:/bin/sh
1234:x:0:0::/:/bin/sh
short:x:7
ann:x:1000:1001::/home/ann:/bin/sh
ann:x:0:0::/root:/bin/sh
homeless:x:1005:1005
`

const testGroup = `root:x:0:root
wheel:x:10:root,ann
99999999999:x:0:
bad:x:many:ann
users:x:100:ann,bob
ann:x:1001:
4321:x:0:
`

// TestResolve has the forms of -u and USER (T-C2, T-C3, T-C4).
func TestResolve(t *testing.T) {
	tests := []struct {
		user  string
		add   []string
		want  string // uid gid groups home
		error string
	}{
		{"2147483648", nil, "", "range"},
		{"4294967295", nil, "", "range"},
		{"4294967296", nil, "", "range"},
		{"99999999999", nil, "", "range"},
		{"99999999999999999999999", nil, "", "range"},
		{"-1", nil, "", "range"},
		{"0x0", nil, "", "unable to find user 0x0: no matching entries in passwd file"},
		{"nobody", nil, "", "unable to find user nobody"},
		{"evil", nil, "", "unable to find user"},
		{"wrap", nil, "", "unable to find user"},
		{"short", nil, "", "unable to find user"},
		{"+nis", nil, "", "unable to find user"},
		{" ann", nil, "", "unable to find user"},
		{"ann:nogroup", nil, "", "unable to find group nogroup: no matching entries in group file"},
		{"ann:99999999999", nil, "", "range"},
		{"ann:-5", nil, "", "range"},
		{"ann:bad", nil, "", "unable to find group"},
		{"ann", []string{"nogroup"}, "", "unable to find group"},
		{"ann", []string{"4294967296"}, "", "range"},
		{"a:b:c", nil, "", "unable to find user a"},

		{"", nil, "0 0 [0 10] /root", ""},
		{"root", nil, "0 0 [0 10] /root", ""},
		{"0", nil, "0 0 [0 10] /root", ""},
		{"1", nil, "1 0 [0] /", ""},
		{"1:", nil, "1 0 [0] /", ""},
		{"1:2", nil, "1 2 [2] /", ""},
		{":2", nil, "0 2 [2] /root", ""},
		{"1234", nil, "1234 0 [0] /", ""},
		{"ann", nil, "1000 1001 [1001 10 100] /home/ann", ""},
		{"1000", nil, "1000 1001 [1001 10 100] /home/ann", ""},
		{"ann:3", nil, "1000 3 [3] /home/ann", ""},
		{"ann:users", nil, "1000 100 [100] /home/ann", ""},
		{"ann:4321", nil, "1000 4321 [4321] /home/ann", ""},
		{"homeless", nil, "1005 1005 [1005] /", ""},
		{"2147483647", nil, "2147483647 0 [0] /", ""},
		{"ann", []string{"55", "users", "root"}, "1000 1001 [1001 10 100 55 0] /home/ann", ""},
		{"7:8", []string{"8", "wheel"}, "7 8 [8 10] /", ""},
	}
	for _, tt := range tests {
		ids, home, err := resolve(strings.Split(testPasswd, "\n"), strings.Split(testGroup, "\n"), tt.user, tt.add)
		if tt.error != "" {
			if err == nil || !strings.Contains(err.Error(), tt.error) {
				t.Errorf("%q: got %v, %v, want error %q", tt.user, ids, err, tt.error)
			}
			continue
		}
		if got := fmt.Sprintf("%d %d %d %s", ids.UID, ids.GID, ids.Groups, home); err != nil || got != tt.want {
			t.Errorf("%q +%v: got %q, %v, want %q", tt.user, tt.add, got, err, tt.want)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add(testPasswd, testGroup, "ann:users", "4")
	f.Add("a:b:c:d", ":::", "0:", "")
	f.Fuzz(func(t *testing.T, passwd, group, user, add string) {
		ids, _, err := resolve(strings.Split(passwd, "\n"), strings.Split(group, "\n"), user, []string{add})
		if err != nil {
			return
		}
		if ids.UID > maxID || ids.GID > maxID || !slices.Contains(ids.Groups, ids.GID) {
			t.Errorf("%q: %+v", user, ids)
		}
	})
}

// TestHostileUserFiles is T-C5: whatever an image has at /etc/passwd and /etc/group, the answer comes at once.
func TestHostileUserFiles(t *testing.T) {
	proc, err := openHostProc()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(proc)
	tests := []struct {
		name string
		make func(path string) error
	}{
		{"fifo", func(p string) error { return unix.Mkfifo(p, 0o666) }},
		{"directory", func(p string) error { return os.Mkdir(p, 0o755) }},
		{"device", func(p string) error { return os.Symlink("/dev/zero", p) }},
		{"loop", func(p string) error { return os.Symlink("passwd", p) }},
		{"sparse", func(p string) error {
			return os.WriteFile(p, nil, 0o644)
		}},
	}
	for _, tt := range tests {
		for _, file := range []string{"passwd", "group"} {
			t.Run(tt.name+" "+file, func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "etc", file)
				if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := tt.make(path); err != nil {
					t.Fatal(err)
				}
				if tt.name == "sparse" {
					if err := os.Truncate(path, 10<<30); err != nil {
						t.Fatal(err)
					}
				}
				root, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(root)
				start := time.Now()
				_, _, err = Resolve(UserFiles{inroot.Root(root), proc}, "ann", nil)
				if err == nil || time.Since(start) > time.Second {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
			})
		}
	}
}
