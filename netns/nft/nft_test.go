package nft

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/netns/space"
)

// namespace gives a private network namespace, or skips: it needs root or a user namespace (unshare -Urn).
func namespace(t *testing.T) *os.File {
	t.Helper()
	ns, err := space.New()
	if err != nil {
		t.Skipf("needs CAP_SYS_ADMIN in its user namespace: %v", err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// list gives the namespace's rules as nft(8) prints them.
func list(t *testing.T, ns *os.File) string {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft(8) to read the rules back")
	}
	var out []byte
	err := space.Do(ns, func() (err error) {
		out, err = exec.Command("nft", "list", "ruleset").CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return string(out)
}

func TestReplace(t *testing.T) {
	ns := namespace(t)
	table := Table{Name: "hoy", NS: ns}
	four, six := netip.MustParsePrefix("10.87.0.0/16"), netip.MustParsePrefix("fd01::/64")
	rules := Ruleset{
		Networks: []Network{{Bridge: "hoy0", Subnets: []netip.Prefix{four, six}}, {Bridge: "br-inner", Subnets: []netip.Prefix{netip.MustParsePrefix("10.86.0.0/24")}, Internal: true}},
		Ports: []Port{
			{netip.IPv4Unspecified(), 8080, netip.MustParseAddrPort("10.87.0.2:80"), "tcp"},
			{netip.MustParseAddr("192.0.2.7"), 53, netip.MustParseAddrPort("10.87.0.2:5353"), "udp"},
			{netip.IPv6Unspecified(), 8080, netip.MustParseAddrPort("[fd01::2]:80"), "tcp"},
			{netip.MustParseAddr("2001:db8::7"), 7, netip.MustParseAddrPort("[fd01::2]:70"), "sctp"},
			{netip.MustParseAddr("127.0.0.1"), 9999, netip.MustParseAddrPort("10.87.0.2:99"), "tcp"},
		},
	}
	for range 2 { // the second replaces the first
		if err := table.Replace(rules); err != nil {
			t.Fatal(err)
		}
	}
	got := list(t, ns)
	for _, want := range []string{
		"tcp . 8080 : 10.87.0.2 . 80", "192.0.2.7 . udp . 53 : 10.87.0.2 . 5353", "tcp . 8080 : fd01::2 . 80", "2001:db8::7 . sctp . 7 : fd01::2 . 70",
		`elements = { "hoy0"`, "masquerade", "ct status dnat accept", `iifname "br-inner" drop`, "oifname @bridges drop", "ip daddr 127.0.0.0/8 accept",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in the table", want)
		}
	}
	if strings.Contains(got, "9999") || strings.Count(got, "table ") != 1 {
		t.Error("a loopback port is translated, or there are two tables")
	}
	checkRemoved(t, table, ns)
}

func checkRemoved(t *testing.T, table Table, ns *os.File) {
	t.Helper()
	if there, err := table.Present(); err != nil || !there {
		t.Errorf("present: %v, %v", there, err)
	}
	if err := table.Replace(Ruleset{}); err != nil {
		t.Fatal(err)
	}
	if there, err := table.Present(); err != nil || there {
		t.Errorf("present after its end: %v, %v", there, err)
	}
	if got := list(t, ns); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestManyPorts(t *testing.T) {
	table := Table{Name: "hoy", NS: namespace(t)}
	r := Ruleset{Networks: []Network{{Bridge: "hoy0", Subnets: []netip.Prefix{netip.MustParsePrefix("10.87.0.0/16")}}}}
	to := netip.MustParseAddr("10.87.0.2")
	for p := range uint16(2000) {
		r.Ports = append(r.Ports, Port{netip.IPv4Unspecified(), 10000 + p, netip.AddrPortFrom(to, p+1), "tcp"})
	}
	if err := table.Replace(r); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(list(t, table.NS), "tcp . 1"); got != 2000 {
		t.Errorf("%d of 2000 ports in the table", got)
	}
}
