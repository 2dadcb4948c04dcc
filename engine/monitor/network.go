package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/netns/record/live"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/netns/wake"
)

// AdoptRole is the argv[0] of the program that takes over the network of a container whose monitor was killed, which needs wide libraries, and then
// becomes the monitor (Become). Its arguments are a monitor's.
const AdoptRole = "hoy-adopt"

// Network is a container's network, as far as its monitor has to know it. Containers without a network, with the host's or with another
// container's have none. Package serve knows the rest.
type Network struct {
	Spec      json.RawMessage `json:"spec"`             // for package serve
	Parts     []wake.Part     `json:"parts"`            // what serves it, when there is something to do; their files are places in Files
	Joined    bool            `json:"joined,omitempty"` // on a network that it has to be taken off in the end
	Inherited int             `json:"inherited"`        // how many Files a background monitor inherits

	// Files are the monitor's for the container's life; the first one is the namespace.
	Files []*os.File `json:"-"`
}

// path is where the container's process finds the namespace while it is born.
func (n *Network) path() string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(n.Files[0].Fd()))
}

// Close lets go of Files.
func (n *Network) Close() error {
	if n == nil {
		return nil
	}
	var err error
	for i, f := range n.Files {
		if n.isLink(i) {
			err = errors.Join(err, wake.Drop(f))
		} else {
			err = errors.Join(err, f.Close())
		}
	}
	n.Files = nil
	return err
}

// isLink says whether a file is the other end of the container's link.
func (n *Network) isLink(file int) bool {
	return slices.ContainsFunc(n.Parts, func(p wake.Part) bool { return p.Link && slices.Contains(p.Watch, file) })
}

// inherit takes over the files that Spawn has passed on, from descriptor first on.
func (n *Network) inherit(first int) {
	for fd := first; fd < first+n.Inherited; fd++ {
		unix.CloseOnExec(fd)
		n.Files = append(n.Files, os.NewFile(uintptr(fd), "network"))
	}
}

// hubs are the namespaces of the user's networks that the container has joined while it ran, or before this monitor took it over. They are kept open until it ends, so that they outlive a
// killed holder.
type hubs struct {
	mu    sync.Mutex
	files []*os.File
}

func (h *hubs) keep(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.ContainsFunc(h.files, func(o *os.File) bool { return space.Same(o, f) }) {
		f.Close()
		return true
	}
	h.files = append(h.files, f)
	return true
}

// again keeps what the container's last monitor kept, as far as there is a holder still.
func (h *hubs) again(p Place) {
	if s, there := hold.In(p.Run).Current(); there && live.On(p.Root, p.ID) {
		h.keep(s.Path())
	}
}

func (h *hubs) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.files {
		f.Close()
	}
	h.files = nil
}

// report says what the network does without while the container runs on: in the background, to the monitor's own file.
func report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hoy: network:", err)
	}
}
