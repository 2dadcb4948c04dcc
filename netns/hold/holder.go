package hold

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/wake"
)

// Role is the name by which the program is started as the holder: argv[0]. The arguments are the run directory, State.Gateway, and the part that is
// the namespace's way out.
const Role = "hoy-nethold"

// The files that the holder is started with, from descriptor 3 on.
const (
	fdReady  = 3 + iota // a pipe, on which it says that it is ready, with nothing, or what went wrong
	fdSpace             // the namespace
	fdDevice            // its link to the user-mode stack
	fdEvents            // a netlink socket in the namespace that is told of every change of a link
	fdAsk               // another one, for questions
)

// Files are those of Main, in order: the other end of its first is the starter's.
type Files struct{ Ready, Space, Device, Events, Ask *os.File }

// List gives them as os.StartProcess takes them.
func (f Files) List() []*os.File {
	return []*os.File{nil, nil, nil, f.Ready, f.Space, f.Device, f.Events, f.Ask}
}

// Main is the role: it keeps the namespace and its way out until no container is on a network in it. It gives the exit status.
func Main(args []string) int {
	for fd := fdReady; fd <= fdAsk; fd++ {
		unix.CloseOnExec(fd)
	}
	ready := os.NewFile(fdReady, "ready")
	if len(args) != 4 || ready == nil {
		return 2
	}
	if err := keep(args, ready); err != nil {
		fmt.Fprintln(ready, err)
		return 1
	}
	return 0
}

func keep(args []string, ready *os.File) error {
	var way wake.Part
	if err := json.Unmarshal([]byte(args[3]), &way); err != nil {
		return err
	}
	dir := In(args[1])
	lock, err := dir.Become(State{Pid: os.Getpid(), FD: fdSpace, Gateway: args[2], Inode: inode(fdSpace)})
	if err != nil {
		return err
	}
	device := os.NewFile(fdDevice, "device")
	keeper, err := wake.New([]wake.Part{way}, []*os.File{device})
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	go keeper.Run()
	ready.Close()
	wake.ShrinkSoon()
	last, err := waitEmpty(dir)
	keeper.Close()
	err = errors.Join(err, os.Remove(dir.file("state")), lock.Close())
	if last != nil { // after lock: who waits to join finds no holder
		err = errors.Join(err, last.Close())
	}
	return err
}

func inode(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Ino
}

// waitEmpty waits until nobody is about to join and no bridge has a port, and gives the lock that keeps it so. Ports, not
// processes, are counted: a container whose monitor was killed keeps its link, and a killed container loses it.
func waitEmpty(dir Dir) (*os.File, error) {
	buf := make([]byte, 1<<16)
	unix.SetNonblock(fdEvents, false)
	for {
		lock, err := dir.Members(true)
		if err != nil {
			return nil, err
		}
		ports, err := ports(buf)
		if err != nil || ports == 0 {
			return lock, err
		}
		lock.Close()
		if _, _, err := unix.Recvfrom(fdEvents, buf, 0); err != nil && err != unix.EINTR && err != unix.ENOBUFS {
			return nil, fmt.Errorf("watch links: %w", err)
		}
	}
}

// ports counts the links of the namespace that are ports of a bridge (rtnetlink(7), RTM_GETLINK).
func ports(buf []byte) (int, error) {
	for {
		n, again, err := dump(buf)
		if err != nil || !again {
			return n, err
		}
	}
}

// dump asks once. again: the links changed while they were listed.
func dump(buf []byte) (count int, again bool, err error) {
	request := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], unix.RTM_GETLINK)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(fdAsk, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, false, fmt.Errorf("list links: %w", err)
	}
	for {
		n, _, err := unix.Recvfrom(fdAsk, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, false, fmt.Errorf("list links: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return 0, false, fmt.Errorf("list links: %w", err)
		}
		for _, m := range messages {
			again = again || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch {
			case m.Header.Type == unix.NLMSG_DONE:
				return count, again, nil
			case m.Header.Type == unix.NLMSG_ERROR:
				return 0, false, errors.New("list links: the kernel refuses")
			case m.Header.Type == unix.RTM_NEWLINK && isPort(&m):
				count++
			}
		}
	}
}

func isPort(m *syscall.NetlinkMessage) bool {
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return true // not to be taken for none
	}
	for _, a := range attributes {
		if a.Attr.Type == unix.IFLA_MASTER {
			return true
		}
	}
	return false
}
