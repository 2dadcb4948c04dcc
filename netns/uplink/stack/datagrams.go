package stack

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
)

const (
	udpIdle    = 90 * time.Second
	dnsIdle    = 10 * time.Second // a question has one answer: longer than a resolver waits for it
	maxPassing = 64               // datagrams of one direction, before others have their turn
)

// wake has the pair live on for a while from now: a datagram has passed.
func (p *pair) wake() { p.until.Store(time.Now().Add(p.idle).UnixNano()) }

// passOut sends the container's datagrams. One that cannot be sent is lost, as a datagram may be; but nobody listening there ends the pair.
func (p *pair) passOut(buf []byte) error {
	for range maxPassing {
		w := filler{free: buf}
		got, failed := p.inner.Read(&w, tcpip.ReadOptions{})
		if _, none := failed.(*tcpip.ErrWouldBlock); none {
			return nil
		}
		if failed != nil {
			return errGone
		}
		p.wake()
		if _, err := unix.Write(p.outer, buf[:got.Count]); err == unix.ECONNREFUSED {
			return err
		}
	}
	p.todo.Or(out)
	return nil
}

// passIn gives the container what is answered.
func (p *pair) passIn(buf []byte) error {
	for range maxPassing {
		n, err := raw.Receive(p.outer, buf)
		if err == unix.EAGAIN {
			p.deaf = false
			return nil
		}
		if err != nil && err != unix.EINTR {
			return err
		}
		if err == nil {
			p.wake()
			p.inner.Write(bytes.NewReader(buf[:n]), tcpip.WriteOptions{})
		}
	}
	p.todo.Or(in)
	return nil
}
