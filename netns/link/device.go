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
// one Ethernet frame a read, what is written to it the container gets. The file does not keep the namespace alive; when that goes,
// reading fails.
//
// It is a tap, or, where /dev/net/tun may not be opened, an AF_PACKET socket on the other end of a veth. Either is made in a
// namespace of its own first, because the file holds on to the namespace that it was opened in.
func NewDevice(ns *os.File, i Interface) (*os.File, error) {
	side, err := space.New()
	if err != nil {
		return nil, err
	}
	defer side.Close()
	f, err := newTap(side, ns, i)
	if errors.Is(err, errNoTun) {
		f, err = newPacket(side, ns, i)
	}
	return f, err
}

var errNoTun = errors.New("/dev/net/tun cannot be opened")

func newTap(side, ns *os.File, i Interface) (*os.File, error) {
	f, err := openTap(side)
	if err != nil {
		return nil, err
	}
	if err := moveTap(side, ns, i); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func openTap(side *os.File) (f *os.File, err error) {
	err = space.Do(side, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoTun, err)
		}
		request, err := unix.NewIfreq(sideName)
		if err == nil {
			request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
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

// moveTap puts the tap into the container's namespace, with the name and the addresses that it keeps.
func moveTap(side, ns *os.File, i Interface) error {
	l, err := Open(side)
	if err != nil {
		return err
	}
	defer l.Close()
	tap, err := l.h.LinkByName(sideName)
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
	if err := l.h.LinkSetNsFd(tap, int(ns.Fd())); err != nil {
		return fmt.Errorf("move the tap into the container: %w", err)
	}
	return l.configureIn(ns, sideName, i)
}

// newPacket makes a veth instead. The end in the side namespace has no address of any family, so the kernel answers nothing there.
func newPacket(side, ns *os.File, i Interface) (*os.File, error) {
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
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: byNumber("p"), PeerHardwareAddr: mac, PeerMTU: uint32(i.MTU), PeerNamespace: nsOf(ns)}
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
	if err := noSegmentation(ns, pair.PeerName); err != nil {
		return nil, err
	}
	f, err := openPacket(side, end.Attrs().Index)
	if err != nil {
		return nil, err
	}
	err = l.configureIn(ns, pair.PeerName, i)
	if err == nil {
		err = l.settle(ns, i.Name, sideName)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// noSegmentation keeps the container's kernel from sending frames longer than the MTU, which it would leave to the veth to cut.
func noSegmentation(ns *os.File, name string) error {
	l, err := Open(ns)
	if err != nil {
		return err
	}
	defer l.Close()
	link, err := l.h.LinkByName(name)
	if err == nil {
		err = l.h.LinkSetGSOMaxSegs(link, 1)
	}
	if err != nil {
		return fmt.Errorf("limit the segments of %s: %w", name, err)
	}
	return nil
}

func openPacket(side *os.File, index int) (f *os.File, err error) {
	err = space.Do(side, func() error {
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network byte order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
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
