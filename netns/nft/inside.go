package nft

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Inside is what a container's own namespace needs of the packet filter.
//
//	dns    the resolver's address, port 53, is redirected to the ports that package dns really listens on: the port is written into the packet and,
//	       of the answer, back, for a translation (NAT) would have the kernel track every connection of the container, which costs a fifth of its
//	       throughput
//	reply  what package publish sent with Mark, and so with its client's address, has the mark on its replies too: they are then routed back to
//	       the socket (link.RouteMarked) instead of out to the client. This does track connections, so it is for UDP alone where TCP can do
//	       without (link.AcceptMarks)
type Inside struct {
	Resolver netip.Addr // IPv4; invalid: no redirection
	UDP, TCP uint16
	Mark     uint32 // 0: none
}

// Install makes the table in a container's namespace. It goes with the namespace.
func (t Table) Install(in Inside) error {
	c, err := t.open()
	if err != nil {
		return err
	}
	defer c.CloseLasting()
	if _, err := t.listed(c); err != nil { // without nftables a transaction is never answered
		return err
	}
	table := t.family()
	c.AddTable(table)
	c.FlushTable(table)
	f := filler{c, table}
	if in.Resolver.IsValid() {
		out := f.chain("dns", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityMangle)
		for protocol, port := range map[string]uint16{"udp": in.UDP, "tcp": in.TCP} {
			f.rule(out, in.rewrite(protocol, family4.header().dst, 53, port))
			f.rule(out, in.rewrite(protocol, family4.header().src, port, 53))
		}
	}
	if in.Mark != 0 {
		out := f.chain("reply", nftables.ChainTypeRoute, nftables.ChainHookOutput, nftables.ChainPriorityMangle)
		f.rule(out, in.restore())
		f.rule(out, in.save())
	}
	if err := c.Flush(); err != nil {
		return t.explain("install", err)
	}
	return nil
}

// rewrite puts another port in the place of one of the resolver's: of the destination or the source, as address says by its place in the header.
func (in Inside) rewrite(protocol string, address uint32, from, to uint16) []expr.Any {
	at, checksum := uint32(0), map[string]uint32{"udp": 6, "tcp": 16}[protocol]
	if address == family4.header().dst {
		at = 2
	}
	rule := append(family4.match(), within(address, netip.PrefixFrom(in.Resolver, 32))...)
	return append(rule,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		equal(expr.CmpOpEq, []byte{protocols[protocol]}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: at, Len: 2},
		equal(expr.CmpOpEq, port(from)[:2]),
		&expr.Immediate{Register: 1, Data: port(to)[:2]},
		&expr.Payload{
			OperationType: expr.PayloadWrite, SourceRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: at, Len: 2,
			CsumType: expr.CsumTypeInet, CsumOffset: checksum,
		},
	)
}

// save puts the mark of a packet of publish's socket on the connection, restore puts it on every later packet.
func (in Inside) save() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, equal(expr.CmpOpEq, native(in.Mark)),
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	}
}

func (in Inside) restore() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1}, equal(expr.CmpOpEq, native(in.Mark)),
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1, SourceRegister: true},
	}
}
