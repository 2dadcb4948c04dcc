// Command hoy is a container engine in one static file.
package main

import (
	"os"
	"path"

	// First: what this program is started as, when it is not a user's command, is decided in this package's init, before the libraries
	// of the command line are initialised.
	_ "codeberg.org/hoy/hoy/engine/role"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/engine/serve"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/uplink"
	"codeberg.org/hoy/hoy/netns/uplink/stack"
	"codeberg.org/hoy/hoy/storage"
)

func main() {
	if storage.Reexec() {
		return
	}
	networkRoles()
	cli.Main(os.Args)
}

// networkRoles runs the parts of a network that live in processes of their own.
func networkRoles() {
	switch path.Base(os.Args[0]) {
	case monitor.NetworkRole:
		monitor.Main(serve.Serve)
	case uplink.Role:
		os.Exit(stack.Main(os.Args))
	case netns.HolderRole:
		os.Exit(netns.HolderMain(os.Args))
	case monitor.HealRole:
		os.Exit(engine.HealMain(os.Args, rootless.Rootless()))
	}
}
