package nft

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// bufferSize is enough for a thousand ports in one transaction.
const bufferSize = 4 << 20

// chunk is how many elements of a map fit into one message: an attribute is at most 64 KiB long.
const chunk = 400

// buffers makes the socket large enough for the transaction. A user without CAP_NET_ADMIN in the first user namespace gets what the
// sysctl rmem_max allows, which is enough for a few hundred ports.
func buffers(c *netlink.Conn) error {
	c.SetReadBuffer(bufferSize)
	c.SetWriteBuffer(bufferSize)
	return nil
}

// filler writes one table.
type filler struct {
	c     *nftables.Conn
	table *nftables.Table
}

func fill(c *nftables.Conn, table *nftables.Table, r Ruleset) error {
	f := filler{c, table}
	bridges, err := f.bridges(r.Networks)
	if err != nil {
		return err
	}
	if err := f.nat(r, bridges); err != nil {
		return err
	}
	f.forward(r, bridges)
	return nil
}

// bridges makes the set of all bridges.
func (f filler) bridges(networks []Network) (*nftables.Set, error) {
	set := &nftables.Set{Table: f.table, Name: "bridges", KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}
	var names []nftables.SetElement
	for _, n := range networks {
		names = append(names, nftables.SetElement{Key: ifname(n.Bridge)})
	}
	if err := f.c.AddSet(set, names); err != nil {
		return nil, fmt.Errorf("add set of bridges: %w", err)
	}
	return set, nil
}

func (f filler) nat(r Ruleset, bridges *nftables.Set) error {
	in := f.chain("prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	out := f.chain("output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	if len(r.Ports) > 0 {
		f.rule(out, toLoopback(family4), verdict(expr.VerdictAccept))
		f.rule(out, toLoopback(family6), verdict(expr.VerdictAccept))
	}
	for _, fam := range []family{family4, family6} {
		for _, any := range []bool{false, true} {
			m := portMap{family: fam, any: any}
			set, err := f.portMap(m, r.Ports)
			if err != nil {
				return err
			}
			if set == nil {
				continue
			}
			f.rule(in, m.translate(set))
			f.rule(out, m.translate(set))
		}
	}
	post := f.chain("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	for _, n := range r.Networks {
		for _, s := range n.Subnets {
			f.rule(post, from(s), toLink(n.Bridge, expr.CmpOpEq), translated(), masquerade())
			if !n.Internal {
				f.rule(post, from(s), toNone(bridges), masquerade())
			}
		}
	}
	return nil
}

func (f filler) forward(r Ruleset, bridges *nftables.Set) {
	fwd := f.chain("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	f.rule(fwd, reply(), verdict(expr.VerdictAccept))
	f.rule(fwd, translated(), verdict(expr.VerdictAccept))
	for _, n := range r.Networks {
		f.rule(fwd, fromLink(n.Bridge), toLink(n.Bridge, expr.CmpOpEq), verdict(expr.VerdictAccept))
		if n.Internal {
			f.rule(fwd, fromLink(n.Bridge), verdict(expr.VerdictDrop))
		}
	}
	f.rule(fwd, toAny(bridges), verdict(expr.VerdictDrop))
}

func (f filler) chain(name string, kind nftables.ChainType, hook *nftables.ChainHook, at *nftables.ChainPriority) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return f.c.AddChain(&nftables.Chain{Name: name, Table: f.table, Type: kind, Hooknum: hook, Priority: at, Policy: &accept})
}

func (f filler) rule(c *nftables.Chain, parts ...[]expr.Any) {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	f.c.AddRule(&nftables.Rule{Table: f.table, Chain: c, Exprs: all})
}

// portMap is the map of the published ports of one family: those of every address (any), or those of particular ones.
type portMap struct {
	family family
	any    bool
}

func (m portMap) holds(p Port) bool {
	return p.HostIP.Is4() == (m.family == family4) && p.HostIP.IsUnspecified() == m.any && !p.HostIP.IsLoopback()
}

// portMap adds the map; nil when it would be empty.
func (f filler) portMap(m portMap, ports []Port) (*nftables.Set, error) {
	var elements []nftables.SetElement
	for _, p := range ports {
		if m.holds(p) {
			elements = append(elements, m.element(p))
		}
	}
	if elements == nil {
		return nil, nil
	}
	set := m.set(f.table)
	if err := f.c.AddSet(set, nil); err != nil {
		return nil, fmt.Errorf("add map %s: %w", set.Name, err)
	}
	for len(elements) > 0 {
		n := min(chunk, len(elements))
		if err := f.c.SetAddElements(set, elements[:n]); err != nil {
			return nil, fmt.Errorf("add ports to %s: %w", set.Name, err)
		}
		elements = elements[n:]
	}
	return set, nil
}

func (m portMap) set(table *nftables.Table) *nftables.Set {
	addr, name := nftables.TypeIPAddr, "ports4"
	if m.family == family6 {
		addr, name = nftables.TypeIP6Addr, "ports6"
	}
	key := []nftables.SetDatatype{nftables.TypeInetProto, nftables.TypeInetService}
	if !m.any {
		key, name = append([]nftables.SetDatatype{addr}, key...), name+"at"
	}
	return &nftables.Set{
		Table: table, Name: name, IsMap: true, Concatenation: true,
		KeyType: nftables.MustConcatSetType(key...), DataType: nftables.MustConcatSetType(addr, nftables.TypeInetService),
	}
}

// element is [host address] protocol port → container's address and port, each part padded to four bytes.
func (m portMap) element(p Port) nftables.SetElement {
	var key []byte
	if !m.any {
		key = p.HostIP.AsSlice()
	}
	key = append(key, protocols[p.Protocol], 0, 0, 0)
	key = append(key, port(p.HostPort)...)
	return nftables.SetElement{Key: key, Val: append(p.To.Addr().AsSlice(), port(p.To.Port())...)}
}

func port(p uint16) []byte { return []byte{byte(p >> 8), byte(p), 0, 0} }

var protocols = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "sctp": unix.IPPROTO_SCTP}

// loopbacks are the addresses that are left to package publish.
var loopbacks = map[family]netip.Prefix{
	family4: netip.MustParsePrefix("127.0.0.0/8"),
	family6: netip.MustParsePrefix("::1/128"),
}
