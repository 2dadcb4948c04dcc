package nft

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Inside is what a container's own namespace needs of the packet filter.
//
//	dns    the resolver's address, port 53, is redirected to the ports that package dns really listens on
//	reply  a connection that package publish made with Mark, and so with its client's address, has the mark on its replies too:
//	       they are then routed back to the socket (link.RouteMarked) instead of out to the client
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
	table := t.family()
	c.AddTable(table)
	c.FlushTable(table)
	f := filler{c, table}
	if in.Resolver.IsValid() {
		out := f.chain("dns", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
		f.rule(out, in.redirect("udp", in.UDP))
		f.rule(out, in.redirect("tcp", in.TCP))
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

// redirect sends the resolver's port 53 to another port of the same address.
func (in Inside) redirect(protocol string, to uint16) []expr.Any {
	rule := append(family4.match(), within(family4.header().dst, netip.PrefixFrom(in.Resolver, 32))...)
	return append(rule,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		equal(expr.CmpOpEq, []byte{protocols[protocol]}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		equal(expr.CmpOpEq, []byte{0, 53}),
		&expr.Immediate{Register: 1, Data: in.Resolver.AsSlice()},
		&expr.Immediate{Register: 2, Data: port(to)[:2]},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2, Specified: true},
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
