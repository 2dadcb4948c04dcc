// Package nft keeps hoy's own table of the kernel's packet filter equal to a Ruleset.
//
// The whole table is replaced in one transaction, so there is never half of it, and no other table is touched. What it does, for
// each network's bridge B with subnet S:
//
//	prerouting, output   to a local address, published port → the container's address and port. Not to 127.0.0.0/8 and ::1: a
//	                     packet from a loopback address cannot leave by a bridge unless route_localnet is set there, which would
//	                     also let containers reach the host's loopback services (CVE-2020-8558). Package publish serves these:
//	                     its sockets, which reserve the ports, accept what is not translated here.
//	forward              replies, and what was translated to a published port, pass; within B passes; from an internal B
//	                     nothing passes; to B nothing else passes, be it from outside or from another network
//	postrouting          from S to the world: by the host's address; from S by a published port back into B: by B's address,
//	                     for the reply would otherwise not come back through the translation
//
// A table cannot overrule the drop of another: on a host whose own forward chain drops, as Docker's and firewalld's may, hoy's
// bridges must be allowed there.
package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// ErrUnsupported says that the kernel has no nftables, or not all that hoy needs of it.
var ErrUnsupported = errors.New("the kernel has no nftables with NAT")

// Ruleset is what the table is to do.
type Ruleset struct {
	Networks []Network
	Ports    []Port
}

// Network is one bridge and what is behind it.
type Network struct {
	Bridge   string
	Subnets  []netip.Prefix
	Internal bool // no way out
}

// Port is one published port. HostIP and To are of one family; an unspecified HostIP (0.0.0.0, ::) means every local address.
type Port struct {
	HostIP   netip.Addr
	HostPort uint16
	To       netip.AddrPort
	Protocol string // "tcp", "udp", "sctp"
}

// Equal says whether two rulesets do the same.
func (r Ruleset) Equal(s Ruleset) bool {
	return slices.Equal(r.Ports, s.Ports) && slices.EqualFunc(r.Networks, s.Networks, func(a, b Network) bool {
		return a.Bridge == b.Bridge && a.Internal == b.Internal && slices.Equal(a.Subnets, b.Subnets)
	})
}

// Table is one table of the inet family, in a namespace: nil is the caller's own.
type Table struct {
	Name string
	NS   *os.File
}

// Replace makes the table do what r says, whatever it did before. A ruleset without networks removes it. Nobody else may change
// the table meanwhile: the caller holds the lock of the networks.
func (t Table) Replace(r Ruleset) error {
	c, err := t.open()
	if err != nil {
		return err
	}
	defer c.CloseLasting()
	table := t.family()
	there, err := t.listed(c)
	if err != nil {
		return err
	}
	if there { // closing the socket waits until what was deleted is gone, some 10 ms: nothing is deleted that is not there
		c.DelTable(table)
	}
	if len(r.Networks) > 0 {
		c.AddTable(table)
		if err := fill(c, table, r); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return t.explain("replace", err)
	}
	return nil
}

// Present says whether the table is there: `nft flush ruleset` and a firewall's reload take it away.
func (t Table) Present() (bool, error) {
	c, err := t.open()
	if err != nil {
		return false, err
	}
	defer c.CloseLasting()
	return t.listed(c)
}

func (t Table) listed(c *nftables.Conn) (bool, error) {
	_, err := c.ListTableOfFamily(t.Name, nftables.TableFamilyINet)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if errors.Is(err, unix.EINVAL) { // nobody knows the question (nfnetlink_rcv_msg)
		err = unix.EOPNOTSUPP
	}
	if err != nil {
		return false, t.explain("read", err)
	}
	return true, nil
}

func (t Table) family() *nftables.Table {
	return &nftables.Table{Name: t.Name, Family: nftables.TableFamilyINet}
}

// open makes a socket inside of the namespace. The library's own way there wants to return to the namespace it came from, which a user may not.
func (t Table) open() (c *nftables.Conn, err error) {
	err = space.Do(t.NS, func() (err error) {
		c, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(buffers))
		return err
	})
	if err != nil {
		return nil, t.explain("open", err)
	}
	return c, nil
}

// explain turns the kernel's words for a missing nftables into ErrUnsupported.
func (t Table) explain(step string, err error) error {
	for _, e := range []error{unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return fmt.Errorf("%s table %s: %w", step, t.Name, ErrUnsupported)
		}
	}
	return fmt.Errorf("%s table %s: %w", step, t.Name, err)
}
