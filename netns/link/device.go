package link

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// sideName is the name of a device in the side namespace.
const sideName = "hoy-side"

// NewDevice makes a link in a container's namespace whose other end is an open file: what the container sends is read from it,
// one Ethernet frame a read, what is written to it the container gets. A link of that name that is there already, as a killed process left it,
// gives way.
//
// It is a tap, or, where /dev/net/tun may not be opened, an AF_PACKET socket on the other end of a veth. The link of a tap goes with the
// namespace, which the file keeps; that of a packet socket goes with either, and reading fails then.
func NewDevice(ns *os.File, i Interface) (*os.File, error) {
	l, err := Open(ns)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	f, err := l.newTap(i)
	if errors.Is(err, errNoTun) {
		f, err = newPacket(l, i)
	}
	return f, err
}

var errNoTun = errors.New("/dev/net/tun cannot be opened")

func (l *Links) newTap(i Interface) (*os.File, error) {
	f, err := l.openTap(i.Name)
	if errors.Is(err, unix.EBUSY) {
		if err = l.Remove(i.Name); err == nil {
			f, err = l.openTap(i.Name)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := l.configureTap(i); err != nil {
		f.Close()
		return nil, errors.Join(err, l.Remove(i.Name))
	}
	return f, nil
}

// openTap makes a tap that stays when its file is closed (TUNSETPERSIST): who closes that would have to wait until the kernel has taken the link
// away, some 15 ms at the end of each container. The namespace, which the file holds on to, takes it along without anybody's waiting.
func (l *Links) openTap(name string) (f *os.File, err error) {
	err = space.Do(l.ns, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoTun, err)
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_TUN_EXCL)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err == nil {
			err = unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1)
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("%w: make a tap: %w", errNoTun, err)
		}
		f = os.NewFile(uintptr(fd), "tap")
		return nil
	})
	return f, err
}

func (l *Links) configureTap(i Interface) error {
	tap, err := l.h.LinkByName(i.Name)
	if err != nil {
		return fmt.Errorf("find the tap: %w", err)
	}
	mac, err := parseMAC(i.MAC)
	if err != nil {
		return err
	}
	if mac != nil {
		if err := l.h.LinkSetHardwareAddr(tap, mac); err != nil {
			return fmt.Errorf("set the tap's hardware address: %w", err)
		}
	}
	if err := l.h.LinkSetMTU(tap, i.MTU); err != nil {
		return fmt.Errorf("set the tap's MTU: %w", err)
	}
	return l.configure(tap, i)
}

// newPacket makes a veth instead. The other end is in a namespace of its own, which the socket keeps. It has no address of any family, so the kernel
// answers nothing there.
func newPacket(inner *Links, i Interface) (*os.File, error) {
	if err := inner.Remove(i.Name); err != nil {
		return nil, err
	}
	side, err := space.New()
	if err != nil {
		return nil, err
	}
	defer side.Close()
	l, err := Open(side)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	mac, err := parseMAC(i.MAC)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = sideName, i.MTU
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: byNumber("p"), PeerHardwareAddr: mac, PeerMTU: uint32(i.MTU), PeerNamespace: nsOf(inner.ns)}
	if err := l.h.LinkAdd(pair); err != nil {
		return nil, kind("veth for the way out", err)
	}
	if err := l.sysctls("ipv6", sideName, map[string]string{"disable_ipv6": "1"}); err != nil {
		return nil, err
	}
	end, err := l.h.LinkByName(sideName)
	if err == nil {
		err = l.h.LinkSetUp(end)
	}
	if err != nil {
		return nil, fmt.Errorf("set up veth for the way out: %w", err)
	}
	f, err := openPacket(side, end.Attrs().Index)
	if err != nil {
		return nil, err
	}
	err = inner.configurePeer(pair.PeerName, i)
	if err == nil {
		err = l.settle(inner, i.Name, sideName)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// configurePeer is for the container's end. It keeps the container's kernel from sending frames longer than the MTU, which it would leave to the veth
// to cut.
func (l *Links) configurePeer(name string, i Interface) error {
	link, err := l.h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s in the container: %w", name, err)
	}
	if err := l.h.LinkSetGSOMaxSegs(link, 1); err != nil {
		return fmt.Errorf("limit the segments of %s: %w", name, err)
	}
	return l.configure(link, i)
}

func openPacket(side *os.File, index int) (f *os.File, err error) {
	err = space.Do(side, func() error {
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network byte order
		// Without a protocol until it is bound: one that listens to every link would be taken off them first, and the kernel waits until it is.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open packet socket: %w", err)
		}
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) // more than the default is better, not needed
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
			unix.Close(fd)
			return fmt.Errorf("bind packet socket: %w", err)
		}
		f = os.NewFile(uintptr(fd), "packet")
		return nil
	})
	return f, err
}
