package ahead

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestForeground(t *testing.T) {
	for _, tt := range []struct {
		line, network string
		ok            bool
	}{
		{"run img", "", true},
		{"container run --rm img sh -c -d", "", true},
		{"--root /r run --rm --network none img true", "none", true},
		{"run --network=none --name=a -eA=1 -v/a:/b -w /x -i img", "none", true},
		{"run --net host -- img", "host", true},
		{"run --name", "", false},
		{"run", "", false},
		{"run --help", "", false},
		{"run -d img", "", false},
		{"run -it img", "", false},
		{"run --rm=false img", "", false},
		{"run --pid host img", "", false},
		{"run -m 1g img", "", false},
		{"create img", "", false},
		{"build .", "", false},
		{"", "", false},
	} {
		if run, ok := foreground(strings.Fields(tt.line)); ok != tt.ok || run.Network != tt.network && ok {
			t.Errorf("%q: %q, %v", tt.line, run.Network, ok)
		}
	}
}

func TestBirth(t *testing.T) {
	for _, tt := range []struct {
		line string
		more uintptr
	}{
		{"run img", 0},
		{"run --network none img", unix.CLONE_NEWNET},
		{"run --userns=auto img", unix.CLONE_NEWUSER | unix.CLONE_NEWNET},
		{"run --userns=auto --network mine:ip=10.1.1.1 img", unix.CLONE_NEWUSER | unix.CLONE_NEWNET},
		{"run --userns=auto --network host img", unix.CLONE_NEWUSER},
		{"run --userns=auto --network container:a img", unix.CLONE_NEWUSER},
		{"run --uidmap 0:100000:1000 --network=none img", unix.CLONE_NEWUSER | unix.CLONE_NEWNET},
		{"run --userns host img", 0},
	} {
		run, ok := foreground(strings.Fields(tt.line))
		want := unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID | tt.more
		if got := birth(run).Flags; !ok || got != want {
			t.Errorf("%s: %#x, want %#x", tt.line, got, want)
		}
	}
}
