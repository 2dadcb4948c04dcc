package oci

import (
	"testing"

	"codeberg.org/hoy/hoy/oci/plan"
)

func TestCaps(t *testing.T) {
	set := func(names ...string) uint64 {
		bits, err := plan.CapSet(names)
		if err != nil {
			t.Fatal(err)
		}
		return bits
	}
	docker := set("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
		"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE")
	for _, c := range []struct {
		cfg      Config
		bounding uint64
		want     uint64
	}{
		{Config{}, 0, docker},
		{Config{}, set("KILL", "SYS_ADMIN"), set("KILL")},
		{Config{CapAdd: []string{"sys_admin", "CAP_BPF"}, CapDrop: []string{"Mknod"}}, 0, docker&^set("MKNOD") | set("SYS_ADMIN", "BPF")},
		{Config{CapDrop: []string{"ALL"}}, 0, 0},
		{Config{CapDrop: []string{"all"}, CapAdd: []string{"KILL"}}, 0, set("KILL")},
		{Config{CapAdd: []string{"ALL"}, CapDrop: []string{"SYS_ADMIN"}}, 0, plan.AllCaps &^ set("SYS_ADMIN")},
		{Config{CapAdd: []string{"ALL"}, CapDrop: []string{"ALL"}}, 0, plan.AllCaps},
		{Config{CapAdd: []string{"KILL"}, CapDrop: []string{"KILL"}}, 0, docker},
		{Config{Privileged: true, CapDrop: []string{"ALL"}}, 0, plan.AllCaps},
		{Config{Privileged: true}, set("KILL"), set("KILL")},
	} {
		if got, err := c.cfg.Caps(c.bounding); err != nil || got != c.want {
			t.Errorf("%+v: got %v, %v, want %v", c.cfg, plan.CapNames(got), err, plan.CapNames(c.want))
		}
	}
	if docker != DefaultCaps {
		t.Errorf("DefaultCaps are %v", plan.CapNames(DefaultCaps))
	}
	if names := plan.CapNames(plan.AllCaps); len(names) != 41 {
		t.Errorf("all are %v", names)
	}
	for want, c := range map[string]Config{
		`invalid CapAdd: unknown capability: "CAP_FOO"`:                                                                  {CapAdd: []string{"foo"}},
		`invalid CapDrop: unknown capability: "CAP_ALL"`:                                                                 {CapDrop: []string{"CAP_ALL"}},
		`invalid CapAdd: capability not supported by your kernel or not available in the current environment: "CAP_BPF"`: {CapAdd: []string{"BPF"}},
	} {
		if _, err := c.Caps(DefaultCaps); err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
