package oci

import "testing"

func TestLabels(t *testing.T) {
	both, none := Host{AppArmor: true, SELinux: true}, Host{}
	for _, tt := range []struct {
		opts                   []string
		host                   Host
		profile, process, file string
		err                    string
	}{
		{nil, none, "", "", "", ""},
		{nil, Host{AppArmor: true, Confines: true}, "docker-default", "", "", ""},
		{[]string{"apparmor=unconfined"}, Host{AppArmor: true, Confines: true}, "", "", "", ""},
		{[]string{"apparmor=mine"}, Host{AppArmor: true, Confines: true}, "mine", "", "", ""},
		{[]string{"apparmor=unconfined", "label=disable"}, none, "", "", "", ""},
		{[]string{"apparmor=mine"}, both, "mine", "", "", ""},
		{[]string{"apparmor=mine"}, none, "", "", "", "--security-opt apparmor=mine: this host has no AppArmor"},
		{[]string{"label=type:spc_t"}, both, "", "system_u:system_r:spc_t:s0", "system_u:object_r:container_file_t:s0", ""},
		{[]string{"label=level:s0:c1,c2", "label=user:u"}, both, "", "u:system_r:container_t:s0:c1,c2", "u:object_r:container_file_t:s0:c1,c2", ""},
		{[]string{"label=type:x"}, none, "", "", "", "--security-opt label=type:x: this host has no SELinux"},
		{[]string{"label=foo:x"}, both, "", "", "", "bad label option \"foo:x\", valid options are 'disable' or 'user, role, level, type' followed by ':' and a value"},
	} {
		c := Config{SecurityOpt: tt.opts, Cmd: []string{"x"}, ID: "0123456789abcdef"}
		spec, err := Spec(&c, SpecOptions{Host: tt.host})
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%v: %v, want %q", tt.opts, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tt.opts, err)
			continue
		}
		if p := spec.Process; p.ApparmorProfile != tt.profile || p.SelinuxLabel != tt.process || spec.Linux.MountLabel != tt.file {
			t.Errorf("%v: %q %q %q", tt.opts, p.ApparmorProfile, p.SelinuxLabel, spec.Linux.MountLabel)
		}
	}
}
