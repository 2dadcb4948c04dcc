package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// family is an address family as a packet's "meta nfproto" has it.
type family byte

const (
	family4 family = unix.NFPROTO_IPV4
	family6 family = unix.NFPROTO_IPV6
)

// reg is the first 32-bit register (NFT_REG32_00). A concatenation lies in consecutive ones.
const reg = 8

// Bits of the connection's state and status (linux/netfilter/nf_conntrack_common.h).
const (
	stateEstablished = 1 << 1
	stateRelated     = 1 << 2
	statusDstNAT     = 1 << 5
)

// header says where the family's packet has its addresses.
type header struct{ src, dst, size uint32 }

func (f family) header() header {
	if f == family4 {
		return header{12, 16, 4}
	}
	return header{8, 24, 16}
}

func (f family) match() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal(expr.CmpOpEq, []byte{byte(f)})}
}

func equal(op expr.CmpOp, data []byte) expr.Any { return &expr.Cmp{Op: op, Register: 1, Data: data} }

func verdict(v expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: v}} }

func masquerade() []expr.Any { return []expr.Any{&expr.Masq{}} }

// ifname is a link's name as a register holds it.
func ifname(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

func fromLink(name string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(expr.CmpOpEq, ifname(name))}
}

func toLink(name string, op expr.CmpOp) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, equal(op, ifname(name))}
}

func toAny(set *nftables.Set) []expr.Any { return outgoing(set, false) }

func toNone(set *nftables.Set) []expr.Any { return outgoing(set, true) }

func outgoing(set *nftables.Set, invert bool) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, Invert: invert},
	}
}

// from matches packets whose source is in the subnet.
func from(s netip.Prefix) []expr.Any {
	f := familyOf(s.Addr())
	return append(f.match(), within(f.header().src, s)...)
}

// toLoopback matches packets to the family's loopback addresses: they are not to be translated.
func toLoopback(f family) []expr.Any {
	return append(f.match(), within(f.header().dst, loopbacks[f])...)
}

func within(offset uint32, s netip.Prefix) []expr.Any {
	size := s.Addr().BitLen() / 8
	mask := make([]byte, size)
	for i := range s.Bits() {
		mask[i/8] |= 1 << (7 - i%8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(size)},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(size), Mask: mask, Xor: make([]byte, size)},
		equal(expr.CmpOpEq, s.Masked().Addr().AsSlice()),
	}
}

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return family4
	}
	return family6
}

// reply matches packets of connections that were let through before.
func reply() []expr.Any { return conn(expr.CtKeySTATE, stateEstablished|stateRelated) }

// translated matches packets of connections whose destination was translated.
func translated() []expr.Any { return conn(expr.CtKeySTATUS, statusDstNAT) }

func conn(key expr.CtKey, bits uint32) []expr.Any {
	zero := make([]byte, 4)
	return []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(bits), Xor: zero},
		equal(expr.CmpOpNeq, zero),
	}
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// translate sends packets to a local address and a port of the map to where the map says.
func (m portMap) translate(set *nftables.Set) []expr.Any {
	h := m.family.header()
	rule := append(m.family.match(),
		&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true},
		equal(expr.CmpOpEq, native(unix.RTN_LOCAL)),
	)
	at := uint32(reg)
	if !m.any {
		rule = append(rule, &expr.Payload{DestRegister: at, Base: expr.PayloadBaseNetworkHeader, Offset: h.dst, Len: h.size})
		at += h.size / 4
	}
	dest := (at + 2 + 3) / 4 * 4 // the next register that a 16-byte value may begin at
	return append(rule,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: at},
		&expr.Payload{DestRegister: at + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: reg, DestRegister: dest, IsDestRegSet: true, SetName: set.Name, SetID: set.ID},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(m.family), RegAddrMin: dest, RegProtoMin: dest + h.size/4, Specified: true},
	)
}
