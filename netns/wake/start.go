package wake

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// start runs the program again in the part's role, in a session of its own so that the terminal's keys do not reach it. It has none of the
// caller's streams: whoever reads them would wait for this process too. frame is one more file, or -1.
func (p *kept) start(frame int) {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		p.failed()
		return
	}
	defer unix.Close(null)
	files := []uintptr{uintptr(null), uintptr(null), uintptr(null)}
	for _, fd := range p.files {
		files = append(files, uintptr(fd))
	}
	if frame >= 0 {
		files = append(files, uintptr(frame))
	}
	p.pidfd = -1
	attr := &syscall.ProcAttr{Dir: "/", Env: p.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: &p.pidfd}}
	if p.Confined {
		attr.Sys.Cloneflags = syscall.CLONE_NEWUSER
		attr.Sys.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attr.Sys.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	const self = "/proc/self/exe"
	pid, err := syscall.ForkExec(self, p.Args, attr)
	if err != nil && p.Confined { // no more user namespaces allowed: the part works without, but keeps the caller's power
		attr.Sys = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: &p.pidfd}
		pid, err = syscall.ForkExec(self, p.Args, attr)
	}
	if err == nil && p.pidfd < 0 {
		if p.pidfd, err = unix.PidfdOpen(pid, 0); err != nil { // it has no end that could be waited for
			syscall.Kill(pid, syscall.SIGKILL)
			syscall.Wait4(pid, nil, 0, nil)
		}
	}
	if err != nil {
		p.failed()
		return
	}
	p.pid = pid
}

func (p *kept) failed() {
	p.pidfd = -1
	p.ended(false)
}

// maxFrame is an Ethernet frame on a link of the largest MTU.
const maxFrame = 1<<16 + 14

// link is what is kept of a part's link.
type link struct{ buf [maxFrame]byte }

// next reads a frame and, when somebody is meant by it, gives it as a file; -1 when it is for nobody in particular. An error: the link is gone.
func (p *kept) next() (int, error) {
	if p.link == nil {
		p.link = new(link)
	}
	fd := p.watch[0]
	unix.SetNonblock(fd, true)
	n, err := unix.Read(fd, p.link.buf[:])
	if err == unix.EAGAIN || err == unix.EINTR || err == unix.ENOBUFS || err == unix.ENETDOWN {
		return -1, nil
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return -1, err
	}
	if !concerns(p.link.buf[:n]) {
		return -1, nil
	}
	frame, err := unix.MemfdCreate("frame", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, nil // it is lost, as a frame may be
	}
	if _, err := unix.Pwrite(frame, p.link.buf[:n], 0); err != nil {
		unix.Close(frame)
		return -1, nil
	}
	return frame, nil
}

// concerns says whether a frame is for somebody: not what a kernel tells all routers and listeners of a link by itself, as of the groups that
// it is a member of (RFC 3810) when the link comes up. Broadcasts (ARP) and neighbour solicitations (RFC 4291, 2.7.1) ask for an answer.
func concerns(frame []byte) bool {
	if len(frame) < 14 {
		return false
	}
	if frame[0]&1 == 0 {
		return true
	}
	broadcast := [6]byte(frame[:6]) == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	solicitation := frame[0] == 0x33 && frame[1] == 0x33 && frame[2] == 0xff
	return broadcast || solicitation
}
