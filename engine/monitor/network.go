package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// NetworkRole is the argv[0] of a background monitor whose container has a network. It is dispatched from main, when the libraries for that are there.
const NetworkRole = "hoy-monitor-net"

// HealRole is the name by which a monitor, which is light, starts the program to take ended containers off their networks: argv[0]. The
// arguments are the root and the run directory.
const HealRole = "hoy-heal"

// Network is a container's network, as far as its monitor has to know it. Containers without a network, with the host's or with another
// container's have none. Package serve knows the rest.
type Network struct {
	Spec      json.RawMessage `json:"spec"`             // for the NetworkServer
	Joined    bool            `json:"joined,omitempty"` // on a network that it has to be taken off in the end
	Inherited int             `json:"inherited"`        // how many Files a background monitor inherits

	// Files are what the NetworkServer takes over.
	Files []*os.File `json:"-"`
}

// NetworkServer makes the service of a network: from its files, or, after the first monitor was killed, from the container's process.
type NetworkServer func(p Place, n *Network, pid int) (NetworkService, error)

// NetworkService is a container's network being kept.
type NetworkService interface {
	Path() string // of the namespace, while the container's process is born
	Start()       // serves until Close
	Close()
}

// Close lets go of Files.
func (n *Network) Close() error {
	if n == nil {
		return nil
	}
	var err error
	for _, f := range n.Files {
		err = errors.Join(err, f.Close())
	}
	n.Files = nil
	return err
}

// inherit takes over the files that Spawn has passed on, from descriptor first on.
func (n *Network) inherit(first int) {
	for fd := first; fd < first+n.Inherited; fd++ {
		unix.CloseOnExec(fd)
		n.Files = append(n.Files, os.NewFile(uintptr(fd), "network"))
	}
}

// Report says what ends a part of the network while the container runs on: in the background, to the monitor's own file.
func Report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hoy: network:", err)
	}
}

// Heal starts, in the background, the program that takes ended containers off their networks: the kernel lets go of a link only after
// some 10 ms, for which nobody waits. That it fails costs nothing: the next container on a network does the same.
func Heal(p Place) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	proc, err := os.StartProcess("/proc/self/exe", []string{HealRole, p.Root, p.Run}, &os.ProcAttr{
		Dir: "/", Env: environment(), Files: []*os.File{null, null, null}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err == nil {
		proc.Release()
	}
}
