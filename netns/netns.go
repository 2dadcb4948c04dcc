// Package netns gives containers their networks: definitions, addresses, links, packet filter, and the way they are taken back.
//
// Everything it knows is in the files of <root>/networks (package record), changed under one lock. The links and the rules are
// made from the files; what a killed process left behind is found by comparing the two (Heal).
//
// Below it: link (links by netlink), nft (the packet filter), and, light enough for a container's monitor, record (the files),
// space (namespaces), dns (names), publish (ports), uplink (the rootless way out) with the user-mode stack itself in uplink/stack.
package netns

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/record"
)

// What callers ask for with errors.Is.
var (
	ErrNoNetwork  = errors.New("network not found")
	ErrAmbiguous  = errors.New("network reference is ambiguous")
	ErrExists     = errors.New("network already exists")
	ErrInUse      = errors.New("network has active endpoints")
	ErrPredefined = errors.New("pre-defined network cannot be removed")
	ErrOverlap    = errors.New("pool overlaps with other one on this address space")
	ErrNoAddress  = errors.New("no available addresses")
	ErrAddress    = errors.New("address cannot be used")
	ErrNotOn      = errors.New("container is not connected to the network")
	ErrFilesOnly  = errors.New("the networks have no namespace")
	ErrNotRoot    = errors.New("only root can have such a network")
	ErrConnected  = errors.New("container is already connected to the network")
)

// refusal is an error whose words are Docker's and whose kind is one of the above.
type refusal struct {
	text string
	kind error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.kind }

func refuse(kind error, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), kind}
}

// Options say where the networks are.
type Options struct {
	// Root is hoy's root directory; the networks are in its networks/.
	Root string
	// Instance tells hoys with different roots on one host apart: "" for the default root, else a few characters that name
	// the root (InstanceOf). It goes into the names of the default bridge and of the table of rules.
	Instance string
	// Host is the namespace that the bridges are in: nil, the caller's own, as root; the holder's, rootless. It stays the caller's to close.
	Host *os.File
	// FilesOnly says that there is no namespace with bridges, as for a user none of whose containers runs: definitions can be
	// changed and what the dead left in the files is removed, but no container can be attached.
	FilesOnly bool
	// Gateway is the host as containers see it when that is not their bridge: Hub.Gateway, rootless. Invalid: the bridge.
	Gateway netip.Addr
	// Avoid gives further subnets that no pool may overlap with; Host's routes are always avoided. Rootless: the routes of the
	// namespace that hoy itself is in. May be nil.
	Avoid func() ([]netip.Prefix, error)
	// Alive says whether a container is kept by somebody, and so owns its endpoints. It must be true from before
	// Attach until after Detach, and is asked under the lock: it must not wait.
	Alive func(container string) bool
	// Healing says whether a call of Heal is about to come, which looks at everything that is there now. May be nil.
	Healing func() bool
}

// InstanceOf gives the Instance of a root directory: "" when root is the default one.
func InstanceOf(root, defaultRoot string) string {
	if filepath.Clean(root) == filepath.Clean(defaultRoot) {
		return ""
	}
	sum := sha256.Sum256([]byte(filepath.Clean(root)))
	return hex.EncodeToString(sum[:3])
}

// Networks are the networks of one root directory.
type Networks struct {
	dir record.Dir
	o   Options
}

// Open gives the networks of a root directory. It does not touch the disk.
func Open(o Options) *Networks {
	return &Networks{dir: record.In(o.Root), o: o}
}

// Dir is the directory of the network files, which the name service reads.
func (n *Networks) Dir() string { return string(n.dir) }

// private says that the networks are an ordinary user's, in a namespace where none of the host's links is.
func (n *Networks) private() bool { return n.o.FilesOnly || n.o.Gateway.IsValid() }

// ofHost says that the bridges are in the namespace that this process is in, with whatever firewall there is.
func (n *Networks) ofHost() bool { return n.o.Host == nil && !n.o.FilesOnly }

// table is the name of this root's table of rules.
func (n *Networks) table() string { return instanceName("hoy", n.o.Instance) }

// mark is the beginning of what is written on this root's links in the host's namespace.
func (n *Networks) mark() string { return n.table() + " " }

func instanceName(name, instance string) string {
	if instance == "" {
		return name
	}
	return name + "-" + instance
}

// avoid gives the subnets in use on the host.
func (n *Networks) avoid(links *link.Links) ([]netip.Prefix, error) {
	used, err := links.Routes()
	if err != nil {
		return nil, err
	}
	if n.o.Avoid == nil {
		return used, nil
	}
	more, err := n.o.Avoid()
	return append(used, more...), err
}

// newID gives 64 random hexadecimal digits.
func newID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
