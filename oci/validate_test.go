package oci

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	bind := Mount{Type: MountBind, Source: "/a", Target: "/b"}
	for want, c := range map[string]Config{
		"Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed": {Name: "-x"},
		"Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed":  {Name: "x"},
		"invalid hostname format: a b":                                            {Hostname: "a b"},
		"invalid hostname format: " + strings.Repeat("x", 65):                     {Hostname: strings.Repeat("x", 65)},
		"conflicting options: cannot specify both --attach and --detach":          {Detach: true, Attach: []string{"stdin"}},
		"invalid environment variable: =x":                                        {Env: []string{"=x"}},
		"the working directory 'a' is invalid, it needs to be an absolute path":   {WorkingDir: "a"},
		"invalid signal: FOO":                                                       {StopSignal: "FOO"},
		`invalid CapAdd: unknown capability: "CAP_FOO"`:                             {CapAdd: []string{"FOO"}},
		`invalid --security-opt 2: "foo=bar"`:                                       {SecurityOpt: []string{"foo=bar"}},
		"seccomp profile: no defaultAction":                                         {SecurityOpt: []string{"seccomp={}"}},
		"seccomp profile: SCMP_ACT_NOTIFY is not supported":                         {SecurityOpt: []string{`seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}`}},
		"option 'writable-cgroups' is not allowed with the host's cgroup namespace": {SecurityOpt: []string{"writable-cgroups"}, CgroupnsMod: "host"},
		"--pid: invalid PID mode":                                                   {PidMode: "x"},
		"--pid ns:/x is not supported":                                              {PidMode: "ns:/x"},
		"invalid IPC mode: x":                                                       {IpcMode: "x"},
		"--uts: invalid UTS mode":                                                   {UTSMode: "x"},
		"--userns: invalid USER mode":                                               {UsernsMode: "x"},
		"--userns keep-id: foo=5: unknown option":                                   {UsernsMode: "keep-id:foo=5"},
		"--cgroupns: invalid CGROUP mode":                                           {CgroupnsMod: "x"},
		"conflicting options: hostname and the UTS mode":                            {UTSMode: "host", Hostname: "x"},
		"Duplicate mount point: /b":                                                 {Mounts: []Mount{bind, {Type: MountTmpfs, Target: "/b/"}}},
		`invalid mount config for type "bind": field Source must not be empty`:      {Mounts: []Mount{{Type: MountBind, Target: "/b"}}},
		"bad format for path: a:/b:r":                                               {Devices: []Device{{"a", "/b", "r"}}},
		"SHM size can not be less than 0":                                           {ShmSize: -1},
		"sysctl 'kernel.x=1' is not allowed":                                        {Sysctls: map[string]string{"kernel.x": "1"}},
		`sysctl "net.x" not allowed in host network namespace`:                      {Sysctls: map[string]string{"net.x": "1"}, Network: "host"},
		`sysctl "kernel.sem" is not allowed in the hosts ipc namespace`:             {Sysctls: map[string]string{"kernel.sem": "1"}, IpcMode: "host"},
		"Invalid value 1001, range for oom score adj is [-1000, 1000]":              {OomScoreAdj: 1001},
		"invalid ulimit type: x":                                                    {Ulimits: []Ulimit{{"x", 1, 1}}},
		"logger: no log driver named 'syslog' is registered":                        {LogDriver: "syslog"},
		"invalid logging opts for driver none":                                      {LogDriver: "none", LogOpts: map[string]string{"a": "b"}},
	} {
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	good := Config{
		Name: "web.1_a-b", Hostname: "web", Detach: true, Env: []string{"A=1", "BARE"}, WorkingDir: "/x", StopSignal: "RTMIN+3",
		CapAdd: []string{"ALL"}, SecurityOpt: []string{"label=disable", "apparmor=unconfined", `seccomp={"defaultAction":"SCMP_ACT_ALLOW"}`},
		Network: "none", PidMode: "host", IpcMode: "shareable", CgroupnsMod: "private", UsernsMode: "host",
		Mounts: []Mount{bind, {Type: MountVolume, Target: "/c"}}, Sysctls: map[string]string{"net.ipv4.ip_forward": "1"},
		Ulimits: []Ulimit{{"nofile", 1, 1}}, LogDriver: "json-file",
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
