package engine

import (
	"errors"
	"fmt"
	"os"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/serve"
	"codeberg.org/hoy/hoy/netns"
)

// AdoptMain is the role "hoy-adopt": it opens again what a killed monitor had of its container's network, and becomes the container's next
// monitor. It returns, with an exit status, only when that fails; the next look at the container tries again.
func AdoptMain(args []string) int {
	if len(args) != 5 {
		return 2
	}
	files, err := reopen(monitor.Place{Root: args[1], Run: args[2], ID: args[3]})
	if err == nil {
		err = monitor.Become(args, files)
	}
	fmt.Fprintln(os.Stderr, "hoy-adopt:", err)
	return 1
}

// reopen gives the files of the container's network, and writes into its settings what could not be had any more.
func reopen(p monitor.Place) ([]*os.File, error) {
	set, err := monitor.ReadSettings(p)
	if err != nil {
		return nil, err
	}
	state, err := monitor.ReadState(p)
	if err == nil && state.Process == nil {
		err = errors.New("the container does not run")
	}
	if err != nil {
		return nil, err
	}
	n, err := serve.Decode(set.Network)
	if err != nil {
		return nil, err
	}
	err = n.Reopen(state.Process.Pid, func(ns *os.File) (*os.File, error) { return netns.Reconnect(ns, *n.Uplink, *n.Endpoint) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "hoy: network:", err)
	}
	if set.Network, err = n.ForMonitor(p); err != nil {
		return nil, err
	}
	return set.Network.Files, monitor.ReplaceSettings(set)
}
