package child

import (
	"errors"

	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// makeConsole gives the container a terminal of its own, sends the master to the parent and puts the slave on descriptors 0, 1 and 2 and
// on /dev/console. It comes after the mounts, because the terminal is one of the container's own devpts, where it has a name; and
// after pivot_root, so that an image's /dev/console can lead nowhere.
func makeConsole(b *birth) error {
	if !b.plan.Terminal {
		return nil
	}
	p, err := OpenPTY(b.root, b.proc, b.plan.Rows, b.plan.Cols)
	if err != nil {
		return err
	}
	defer unix.Close(p.Master)
	if err := b.conn.SendFD(wire.Console, nil, p.Master); err != nil {
		return err
	}
	if err := b.bindConsole(p.Slave); err != nil {
		return at("/dev/console", err)
	}
	for fd := range 3 {
		if err := unix.Dup3(p.Slave, fd, 0); err != nil {
			return err
		}
	}
	unix.Close(p.Slave)
	b.tty = 0
	// Our session has no terminal yet; the kernel gives it this one.
	return at("controlling terminal", unix.IoctlSetInt(0, unix.TIOCSCTTY, 0))
}

func (b *birth) bindConsole(slave int) error {
	target, err := b.root.Create("/dev/console", 0o620)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	source, err := openTree(slave, "", false)
	if err != nil {
		return err
	}
	defer unix.Close(source.fd)
	return attach(source, target)
}

// PTY is the two ends of a pseudo-terminal.
type PTY struct{ Master, Slave int }

// OpenPTY makes a terminal in the devpts on /dev/pts of the container whose root is given, rows × cols large when these are not 0. Neither end is
// opened by a name that the container could have replaced: ptmx is looked up on a file system that the kernel says is
// devpts, and the slave is opened through the master (TIOCGPTPEER), because /dev/pts/N may be a link by then (CVE-2025-52565). proc is
// an open procfs.
func OpenPTY(root inroot.Root, proc int, rows, cols uint16) (PTY, error) {
	master, err := openPtmx(root, proc)
	if err != nil {
		return PTY{}, at("/dev/pts/ptmx", err)
	}
	slave, err := openSlave(master)
	if err == nil && (rows != 0 || cols != 0) {
		err = unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
	if err != nil {
		unix.Close(master)
		return PTY{}, at("terminal", err)
	}
	return PTY{master, slave}, nil
}

func openPtmx(root inroot.Root, proc int) (int, error) {
	look, err := root.OpenNoLinks("/dev/pts/ptmx", unix.O_PATH)
	if err != nil {
		return -1, err
	}
	defer unix.Close(look)
	st, err := fstat(look)
	if err != nil {
		return -1, err
	}
	const ptmxMajor, ptmxMinor = 5, 2
	if !isOn(look, unix.DEVPTS_SUPER_MAGIC) || st.Rdev != unix.Mkdev(ptmxMajor, ptmxMinor) {
		return -1, errors.New("not the multiplexer of a devpts")
	}
	return inroot.Reopen(proc, look, unix.O_RDWR|unix.O_NOCTTY)
}

func openSlave(master int) (int, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, err
	}
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, flags)
	if errno != 0 {
		return -1, errno
	}
	if !isOn(int(fd), unix.DEVPTS_SUPER_MAGIC) {
		unix.Close(int(fd))
		return -1, errors.New("the terminal is not on a devpts")
	}
	return int(fd), nil
}
