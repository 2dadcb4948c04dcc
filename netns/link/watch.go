package link

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// Changes gives a value after every change of the namespace's links, several of which may be one value. stop ends it.
func (l *Links) Changes() (changes <-chan struct{}, stop func(), err error) {
	updates, done, out := make(chan netlink.LinkUpdate), make(chan struct{}), make(chan struct{}, 1)
	err = space.Do(l.ns, func() error { return netlink.LinkSubscribe(updates, done) })
	if err != nil {
		return nil, nil, fmt.Errorf("watch links: %w", err)
	}
	go func() {
		defer close(out)
		for u := range updates {
			if u.Header.Type != unix.RTM_DELLINK && u.Header.Type != unix.RTM_NEWLINK {
				continue
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out, func() { close(done) }, nil
}

// Ports counts the links that are ports of a bridge.
func (l *Links) Ports() (int, error) {
	all, err := l.h.LinkList()
	if err != nil {
		return 0, fmt.Errorf("list links: %w", err)
	}
	n := 0
	for _, link := range all {
		if link.Attrs().MasterIndex != 0 {
			n++
		}
	}
	return n, nil
}
