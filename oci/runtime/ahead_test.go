package runtime_test

import (
	"fmt"
	"testing"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/runtime"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// TestAhead starts containers whose process was started before: as they want it, otherwise, and not at all.
func TestAhead(t *testing.T) {
	b := newBox(t)
	flags := b.plan.Clone &^ unix.CLONE_NEWCGROUP
	for _, tt := range []struct {
		name  string
		birth runtime.Birth
		ok    bool
		taken bool
	}{
		{"as foreseen", runtime.Birth{Flags: flags}, true, true},
		{"with other namespaces", runtime.Birth{Flags: flags &^ unix.CLONE_NEWUTS}, true, false},
		{"in a group that is not there", runtime.Birth{Flags: flags, Group: "/no/such/group"}, true, false},
		{"not foreseen", runtime.Birth{}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noTraces(t)
			sealed := runtime.Seal()
			ahead := runtime.StartAhead(sealed, func() (runtime.Birth, bool) { return tt.birth, tt.ok })
			b.plan.Args = []string{"sh", "-c", "echo out; readlink /proc/self/fd/0; ls /proc/self/fd"}
			var o output
			p, err := o.start(t, b.plan, runtime.StartOptions{KillWithParent: true, Sealed: sealed, Ahead: ahead})
			must(t, err)
			if p.Early() != tt.taken {
				t.Errorf("taken: %v", !tt.taken)
			}
			o.finish(t, p).want(t, "out\n/dev/null\n0\n1\n2\n3")
			ahead.Discard()
			sealed.Close()
		})
	}
	t.Run("discarded", func(t *testing.T) {
		noTraces(t)
		sealed := runtime.Seal()
		defer sealed.Close()
		runtime.StartAhead(sealed, func() (runtime.Birth, bool) { return runtime.Birth{Flags: flags}, true }).Discard()
	})
}

// TestAheadOfIDs starts containers whose process was born in their user namespace before they had ids: it gets them early, at the start, or others too early.
func TestAheadOfIDs(t *testing.T) {
	b := newStranger(t).shift()
	birth := runtime.Birth{Flags: b.plan.Clone&^unix.CLONE_NEWCGROUP | unix.CLONE_NEWUSER}
	own, others := b.plan.Userns.Map, usernsMap(30000)
	for _, tt := range []struct {
		name  string
		early *userns.Map
		birth runtime.Birth
		taken bool
	}{
		{"at the start", nil, birth, true},
		{"early", &own, birth, true},
		{"other ids", &others, birth, false},
		{"without a user namespace", &own, runtime.Birth{Flags: birth.Flags &^ unix.CLONE_NEWUSER}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noTraces(t)
			sealed := runtime.Seal()
			ahead := runtime.StartAhead(sealed, func() (runtime.Birth, bool) { return tt.birth, true })
			if tt.early != nil {
				ns, err := ahead.Userns(tt.early)
				must(t, err)
				if made := tt.birth == birth; (ns != nil) != made {
					t.Errorf("a user namespace: %v", !made)
				}
				ns.Close()
			}
			b.plan.Args = []string{"sh", "-c", "id -u; id -G; cat /proc/self/uid_map; grep -E 'Cap(Inh|Prm|Amb)' /proc/self/status; echo x > /dev/stdout"}
			var o output
			p, err := o.start(t, b.plan, runtime.StartOptions{KillWithParent: true, Sealed: sealed, Ahead: ahead})
			must(t, err)
			if p.Early() != tt.taken {
				t.Errorf("taken: %v", !tt.taken)
			}
			o.finish(t, p).want(t, "0\n0\n         0      20000      10000\nCapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapAmb:\t0000000000000000\nx")
			ahead.Discard()
			sealed.Close()
		})
	}
}

// TestAheadOfNetwork starts containers that join the network that their process was born with, or another.
func TestAheadOfNetwork(t *testing.T) {
	b := newStranger(t).shift()
	b.plan.Userns.OfNetwork = true
	b.plan.Clone &^= unix.CLONE_NEWNET
	birth := runtime.Birth{Flags: b.plan.Clone&^unix.CLONE_NEWCGROUP | unix.CLONE_NEWUSER | unix.CLONE_NEWNET}
	for name, own := range map[string]bool{"its own": true, "another": false} {
		t.Run(name, func(t *testing.T) {
			noTraces(t)
			sealed := runtime.Seal()
			ahead := runtime.StartAhead(sealed, func() (runtime.Birth, bool) { return birth, true })
			ns, err := ahead.Network(&b.plan.Userns.Map)
			must(t, err)
			if !own {
				ns.Close()
				ns, err = userns.NewNetwork(&b.plan.Userns.Map)
				must(t, err)
			}
			defer ns.Close()
			var st unix.Stat_t
			must(t, unix.Fstat(int(ns.Fd()), &st))
			b.plan.Join = []child.NamespaceJoin{{Type: unix.CLONE_NEWNET, Path: fmt.Sprintf("/proc/self/fd/%d", ns.Fd())}}
			b.plan.Args = []string{"readlink", "/proc/self/ns/net"}
			var o output
			p, err := o.start(t, b.plan, runtime.StartOptions{KillWithParent: true, Sealed: sealed, Ahead: ahead})
			must(t, err)
			if p.Early() != own {
				t.Errorf("taken: %v", !own)
			}
			o.finish(t, p).want(t, fmt.Sprintf("net:[%d]", st.Ino))
			ahead.Discard()
			sealed.Close()
		})
	}
}
