package monitor

import (
	"os"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/oci/restart"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// TestEnded: what follows a run depends on the policy, on what users have left, and on the boot.
func TestEnded(t *testing.T) {
	p := testPlace(t)
	if err := os.MkdirAll(p.RunDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	now, boot := time.Now(), runtime.BootID()
	always, unless := restart.Policy{Name: restart.Always}, restart.Policy{Name: restart.UnlessStopped}
	for _, c := range []struct {
		name    string
		policy  restart.Policy
		boot    string
		mark    func() error
		again   bool
		stopped bool
	}{
		{"no policy", restart.Policy{}, boot, nil, false, false},
		{"another boot", always, "another", nil, false, false},
		{"always", always, boot, nil, true, false},
		{"always, signalled", always, boot, func() error { return MarkStopped(p, false) }, true, true},
		{"unless-stopped, signalled", unless, boot, func() error { return MarkStopped(p, false) }, false, true},
		{"always, stopped", always, boot, func() error { return MarkStopped(p, true) }, false, true},
		{"no policy, to be started again", restart.Policy{}, boot, func() error { return MarkRestart(p) }, true, false},
		{"to be started again, and stopped", always, boot, func() error {
			if err := MarkStopped(p, true); err != nil {
				return err
			}
			return MarkRestart(p)
		}, false, true},
		{"stopped, then signalled", always, boot, func() error {
			if err := MarkStopped(p, true); err != nil {
				return err
			}
			return MarkStopped(p, false)
		}, false, true},
	} {
		os.Remove(p.RunFile(markFile))
		os.Remove(p.RunFile(restartFile))
		if c.mark != nil {
			if err := c.mark(); err != nil {
				t.Fatal(err)
			}
		}
		s := State{Process: &runtime.Ref{Pid: 1 << 30, BootID: c.boot}}
		s = s.Ended(p, Ending{Code: 3, Finished: now, Policy: c.policy})
		if s.Again.Pending() != c.again || s.Stopped != c.stopped || s.Process != nil || s.ExitCode != 3 {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	if (&Again{BootID: "another"}).Pending() || (*Again)(nil).Pending() {
		t.Error("what waited before this boot still waits")
	}
}
