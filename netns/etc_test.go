package netns

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	for _, bad := range []string{"x", ":1.2.3.4", "x:", "x:host-gateway"} {
		if _, err := (Etc{ExtraHosts: []string{bad}}).Hosts(); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	e := Etc{
		Hostname: "web", Domainname: "example.org", Addrs: []netip.Addr{netip.MustParseAddr("10.86.0.2"), netip.MustParseAddr("fd00::2")},
		HostGateway: netip.MustParseAddr("10.86.0.1"), ExtraHosts: []string{"db:10.0.0.9", "six:fd00::9", "me:host-gateway"},
	}
	got, err := e.Hosts()
	if err != nil {
		t.Fatal(err)
	}
	want := "10.0.0.9\tdb\nfd00::9\tsix\n10.86.0.1\tme\n10.86.0.1\thost.docker.internal host.containers.internal\n10.86.0.2\tweb.example.org web\nfd00::2\tweb.example.org web\n"
	if !strings.HasPrefix(string(got), "127.0.0.1\tlocalhost\n") || !strings.HasSuffix(string(got), want) {
		t.Errorf("got %s", got)
	}
}

func TestResolvConf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 127.0.0.53\nsearch a.example b.example\noptions edns0 ndots:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]Etc{
		"nameserver 127.0.0.11\nsearch a.example b.example\noptions edns0 ndots:0\n": {},
		"nameserver 127.0.0.11\noptions edns0 ndots:0\n":                             {Search: []string{"."}},
		"nameserver 127.0.0.11\nsearch x\noptions ndots:5\n":                         {Search: []string{"x"}, Options: []string{"ndots:5"}},
	} {
		e.HostConf = path
		if got, err := e.ResolvConf(); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}
