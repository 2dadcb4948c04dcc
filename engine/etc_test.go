package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci"
)

func TestResolv(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	os.WriteFile(path, []byte("# a comment\nnameserver 127.0.0.53\n\nsearch a b\noptions edns0 trust-ad\ndomain c\nnameserver\n; x\n"), 0o600)
	r, err := readResolv(path)
	if err != nil {
		t.Fatal(err)
	}
	if !r.onlyLoopback() {
		t.Error("127.0.0.53 is a loopback address")
	}
	if got, want := string(r.bytes()), "nameserver 127.0.0.53\nsearch c\noptions edns0 trust-ad\n"; got != want {
		t.Errorf("%q instead of %q", got, want)
	}
	if r, err := readResolv(path + ".none"); err != nil || len(r.bytes()) != 0 {
		t.Errorf("without a file: %v, %v", r, err)
	}
}

func TestResolvFile(t *testing.T) {
	c := &Container{Config: oci.Config{Network: "none", Dns: []string{"127.0.0.9"}, DnsSearch: []string{"."}, DnsOptions: []string{"ndots:2"}}}
	got, err := resolvFile(c)
	if err != nil || string(got) != "nameserver 127.0.0.9\noptions ndots:2\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestHostsFile(t *testing.T) {
	c := &Container{Config: oci.Config{ExtraHosts: []string{"a:1.2.3.4", "b:::1"}}}
	got, err := hostsFile(c)
	if err != nil || !strings.HasPrefix(string(got), "127.0.0.1\tlocalhost\n") || !strings.HasSuffix(string(got), "\n1.2.3.4\ta\n::1\tb\n") {
		t.Errorf("%q, %v", got, err)
	}
	c.Config.ExtraHosts = []string{"nothing"}
	if _, err := hostsFile(c); err == nil {
		t.Error("a host without an address")
	}
}

func TestHostname(t *testing.T) {
	c := &Container{Config: oci.Config{ID: strings.Repeat("ab", 32)}}
	if got := hostname(c); got != "abababababab" {
		t.Error(got)
	}
	c.Config.Network = "host"
	if host, _ := os.Hostname(); hostname(c) != host {
		t.Error(hostname(c))
	}
	c.Config.Hostname = "web"
	if got := hostname(c); got != "web" {
		t.Error(got)
	}
}
