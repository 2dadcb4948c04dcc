package userns

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMap(t *testing.T) {
	m := &Map{UIDs: []Range{{0, 1000, 10}, {10, 500, 1}}, GIDs: []Range{{0, 7, 1}}}
	for _, tt := range []struct {
		inside, outside uint32
		ok              bool
	}{{0, 1000, true}, {9, 1009, true}, {10, 500, true}, {11, 0, false}, {1 << 31, 0, false}} {
		if got, ok := m.UID(tt.inside); got != tt.outside || ok != tt.ok {
			t.Errorf("UID(%d) = %d, %v", tt.inside, got, ok)
		}
	}
	if got, ok := m.Invert().UID(1003); got != 3 || !ok {
		t.Errorf("inverted UID(1003) = %d, %v", got, ok)
	}
	if _, ok := m.GID(1); ok {
		t.Error("GID(1) is mapped")
	}
}

// TestNew needs CAP_SETUID, so root, on the host or in a user namespace.
func TestNew(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	one := []Range{{0, 0, 1}}
	ns, err := New(&Map{UIDs: one, GIDs: one})
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	net, err := NewNet(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	owner, err := Owner(net)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	var a, b unix.Stat_t
	if unix.Fstat(int(ns.Fd()), &a) != nil || unix.Fstat(int(owner.Fd()), &b) != nil || a.Ino != b.Ino {
		t.Errorf("the network namespace's owner is %d, want %d", b.Ino, a.Ino)
	}
}

func TestNewRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	twice := []Range{{0, 0, 2}, {1, 5, 2}}
	if _, err := New(&Map{UIDs: twice, GIDs: twice}); err == nil || !strings.Contains(err.Error(), "write the id map") {
		t.Errorf("overlapping ranges: %v", err)
	}
}
