package oci

import (
	"maps"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/hoy/hoy/oci/plan"
)

func TestParseDevice(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "bad format for path: ",
		":/dev/x":                "bad format for path: :/dev/x",
		"/a:/b:r:w":              "bad format for path: /a:/b:r:w",
		"/a:/b:x":                "bad mode specified: x",
		"/a:/b:rr":               "bad mode specified: rr",
		"/a:b":                   "b is not an absolute path",
		"a:/b":                   "a is not an absolute path",
		"a":                      "a is not an absolute path",
		"/dev/fuse:/dev/fuse:":   "bad mode specified: ",
		"/dev/fuse:/dev/f:rwm:z": "bad format for path: /dev/fuse:/dev/f:rwm:z",
	} {
		if _, err := ParseDevice(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
	for in, want := range map[string]Device{
		"/dev/fuse":              {"/dev/fuse", "/dev/fuse", "rwm"},
		"/dev/fuse:rw":           {"/dev/fuse", "/dev/fuse", "rw"},
		"/dev/sda:/dev/xvda":     {"/dev/sda", "/dev/xvda", "rwm"},
		"/dev/sda:/dev/../x/:mr": {"/dev/sda", "/x", "mr"},
	} {
		if got, err := ParseDevice(in); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, want)
		}
	}
}

func TestParseUlimit(t *testing.T) {
	for in, want := range map[string]string{
		"nofile":      "invalid ulimit argument: nofile",
		"files=1":     "invalid ulimit type: files",
		"nofile=2:1":  "ulimit soft limit must be less than or equal to hard limit: 2 > 1",
		"nofile=-1:1": "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 1",
		"nofile=x":    `strconv.ParseInt: parsing "x": invalid syntax`,
		"core=1:2:3":  "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`",
	} {
		if _, err := ParseUlimit(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
	for in, want := range map[string]Ulimit{
		"nofile=1024":      {"nofile", 1024, 1024},
		"nproc=1:2":        {"nproc", 1, 2},
		"memlock=-1:-1":    {"memlock", -1, -1},
		"core=0:-1":        {"core", 0, -1},
		"rtprio=1:1":       {"rtprio", 1, 1},
		"sigpending=5:123": {"sigpending", 5, 123},
	} {
		if got, err := ParseUlimit(in); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, want)
		}
		if _, ok := plan.Rlimit(want.Name); !ok {
			t.Errorf("%s cannot be set", want.Name)
		}
	}
}

func TestParseLabels(t *testing.T) {
	for in, want := range map[string]string{
		"=x":    "invalid label '=x': empty name",
		"":      "invalid label '': empty name",
		"a b=c": "label 'a b' contains whitespaces",
	} {
		if _, err := ParseLabels([]string{in}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
	got, err := ParseLabels([]string{"a=1", "b", "c==", "a=2", " d= x "})
	if err != nil || !maps.Equal(got, map[string]string{"a": "2", "b": "", "c": "=", "d": " x "}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestParseSysctl(t *testing.T) {
	for _, bad := range []string{"", "net.ipv4.ip_forward", "=1", "kernel.core_pattern=x", "vm.swappiness=1", "net.=1",
		"net.ipv4.x+kernel.core_pattern=1", "net.ipv4.x kernel.y=1", "net.ipv4.x\nkernel.y=1", "net.ipv4.../../kernel/core_pattern=1",
		"net.ipv4.x=1\nkernel.core_pattern=|/x", "net./../kernel/core_pattern=1", "net/ipv4/x=1", "kernel.sem.x=1", "net.a//b=1"} {
		if _, _, err := ParseSysctl(bad); err == nil || err.Error() != "sysctl '"+bad+"' is not allowed" {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	for _, good := range []string{"net.ipv4.ip_forward=1", "kernel.sem=32000 1024000000 500 32000", "fs.mqueue.msg_max=100", "net.ipv4.conf.eth0/1.arp_filter=1"} {
		key, value, err := ParseSysctl(good)
		if err != nil || key+"="+value != good {
			t.Errorf("%q: got %q, %q, %v", good, key, value, err)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for in, want := range map[string]int64{"1024": 1024, "64m": 64 << 20, "1.5g": 3 << 29, "1KiB": 1024, "2 GB": 2 << 30, "0": 0} {
		if got, err := ParseBytes(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "m", "-1", "1x", "1mm"} {
		if _, err := ParseBytes(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for in, want := range map[string]syscall.Signal{"9": 9, "KILL": 9, "SIGTERM": 15, "sigusr1": 10, "RTMIN": 34, "SIGRTMIN+3": 37, "RTMAX-1": 63, "64": 64} {
		if got, err := ParseSignal(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "0", "-1", "65", "SIGFOO", "RTMIN+31", "RTMAX+1", "RTMIN-1", "RTMINx"} {
		if _, err := ParseSignal(bad); err == nil || !strings.Contains(err.Error(), "invalid signal: ") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
