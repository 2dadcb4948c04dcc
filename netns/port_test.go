package netns

import (
	"net/netip"
	"reflect"
	"testing"

	"codeberg.org/hoy/hoy/netns/record"
)

func TestParsePublishErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                   "no port specified: <empty>",
		"80:":                "no port specified: 80:<empty>",
		"0":                  "invalid containerPort: 0",
		"65536":              "invalid containerPort: 65536",
		"x:80":               "invalid hostPort: x",
		"80/icmp":            "invalid proto: icmp",
		"90-80":              "invalid containerPort: 90-80",
		"8000-8003:80-82":    "invalid ranges specified for container and host Ports: 80-82 and 8000-8003",
		"300.0.0.1:80:80":    "invalid IP address: 300.0.0.1",
		"[::1:80:80":         "invalid IP address: [::1",
		"127.0.0.1:80:80:80": "invalid IP address: 127.0.0.1:80",
		"-1:80":              "invalid hostPort: -1",
	} {
		_, err := ParsePublish(s)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", s, err, want)
		}
	}
}

func TestParsePublish(t *testing.T) {
	local, six := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	for s, want := range map[string][]record.Port{
		"80":                    {{Port: 80, Protocol: "tcp"}},
		"53/UDP":                {{Port: 53, Protocol: "udp"}},
		"7/sctp":                {{Port: 7, Protocol: "sctp"}},
		"8080:80":               {{HostPort: 8080, HostEnd: 8080, Port: 80, Protocol: "tcp"}},
		"0:80":                  {{Port: 80, Protocol: "tcp"}},
		":80":                   {{Port: 80, Protocol: "tcp"}},
		"8000-8010:80":          {{HostPort: 8000, HostEnd: 8010, Port: 80, Protocol: "tcp"}},
		"127.0.0.1:8080:80":     {{HostIP: local, HostPort: 8080, HostEnd: 8080, Port: 80, Protocol: "tcp"}},
		"127.0.0.1::80":         {{HostIP: local, Port: 80, Protocol: "tcp"}},
		"[::1]:8080:80":         {{HostIP: six, HostPort: 8080, HostEnd: 8080, Port: 80, Protocol: "tcp"}},
		"::1:8080:80":           {{HostIP: six, HostPort: 8080, HostEnd: 8080, Port: 80, Protocol: "tcp"}},
		"80-81":                 {{Port: 80, Protocol: "tcp"}, {Port: 81, Protocol: "tcp"}},
		"8000-8001:80-81/udp":   {{HostPort: 8000, HostEnd: 8000, Port: 80, Protocol: "udp"}, {HostPort: 8001, HostEnd: 8001, Port: 81, Protocol: "udp"}},
		"[::ffff:127.0.0.1]::1": {{HostIP: local, Port: 1, Protocol: "tcp"}},
	} {
		got, err := ParsePublish(s)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
}

func TestPublishAll(t *testing.T) {
	set := []record.Port{{HostPort: 8080, HostEnd: 8080, Port: 80, Protocol: "tcp"}}
	got, err := PublishAll([]string{"80/tcp", "80/udp"}, set)
	want := append(set, record.Port{Port: 80, Protocol: "udp"})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzParsePublish(f *testing.F) {
	f.Add("127.0.0.1:8000-8010:80/tcp")
	f.Fuzz(func(t *testing.T, s string) {
		ports, err := ParsePublish(s)
		if err == nil && len(ports) == 0 {
			t.Errorf("%q: no ports and no error", s)
		}
	})
}
