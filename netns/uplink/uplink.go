// Package uplink keeps the process that is a rootless container's way out.
//
// That process (role "hoy-uplink", package uplink/stack) runs a TCP/IP stack of its own on the other end of the container's
// link, and connects with ordinary sockets of the user's. It exits by itself when the link goes, and the link goes with the
// container's namespace, so it outlives neither. This package is light: the container's monitor runs it.
package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Role is the name by which the program is started as this process: argv[0].
const Role = "hoy-uplink"

// deviceFD is the link's descriptor in the process.
const deviceFD = 3

// Options say what the stack is to the container.
type Options struct {
	MTU      int        `json:"mtu"`
	MAC      string     `json:"mac"`           // the gateway's
	Gateway4 netip.Addr `json:"gateway4"`      // its address; what is sent to it goes to the host itself
	Gateway6 netip.Addr `json:"gateway6"`      // invalid: no IPv6
	DNS4     netip.Addr `json:"dns4,omitzero"` // port 53 of it is the host's first name server
	DNS6     netip.Addr `json:"dns6,omitzero"`
	Bits4    int        `json:"bits4"` // length of the subnets
	Bits6    int        `json:"bits6"`
}

const (
	pauseFirst = 50 * time.Millisecond // before a stack that died is started again
	pauseLast  = 5 * time.Second
)

// Keep runs the process until the container's link is gone, or ctx is done, which ends it. One that is killed is started again: its
// connections are lost, the way out is not. Keep closes the device.
func Keep(ctx context.Context, device *os.File, o Options) error {
	defer device.Close()
	for pause := pauseFirst; ; pause = min(2*pause, pauseLast) {
		p, err := start(device, o)
		if err != nil {
			return fmt.Errorf("start the user-mode network: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { p.Kill() })
		state, err := p.Wait()
		stop()
		if ctx.Err() != nil || err == nil && state.Success() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// start runs the program again in its role, in a session of its own so that the terminal's keys do not reach it, and in a user
// namespace of its own, where it has no power over the container's namespaces: it works with the device alone.
func start(device *os.File, o Options) (*os.Process, error) {
	config, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	files := []*os.File{nil, nil, nil, device} // no stderr: whoever reads the caller's would wait for this process too
	if len(files)-1 != deviceFD {
		return nil, errors.New("the device has another descriptor")
	}
	attr := &os.ProcAttr{Files: files, Env: []string{}, Dir: "/", Sys: &syscall.SysProcAttr{
		Setsid: true, Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}}
	args := []string{Role, string(config)}
	p, err := os.StartProcess("/proc/self/exe", args, attr)
	if err != nil { // no more user namespaces allowed: the stack works without, but keeps the caller's power
		attr.Sys = &syscall.SysProcAttr{Setsid: true}
		p, err = os.StartProcess("/proc/self/exe", args, attr)
	}
	return p, err
}

// Inherited gives the process what it was started with: its options and the link.
func Inherited(args []string) (Options, *os.File, error) {
	var o Options
	if len(args) != 2 {
		return o, nil, errors.New("the user-mode network is started by hoy itself")
	}
	if err := json.Unmarshal([]byte(args[1]), &o); err != nil {
		return o, nil, fmt.Errorf("read options: %w", err)
	}
	return o, os.NewFile(deviceFD, "device"), nil
}
