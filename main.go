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
	"codeberg.org/hoy/hoy/netns/uplink"
	"codeberg.org/hoy/hoy/netns/uplink/stack"
	"codeberg.org/hoy/hoy/storage"
)

func main() {
	rootless.Await()
	if storage.Reexec() {
		return
	}
	backgroundRoles()
	cli.Main(os.Args)
}

// backgroundRoles runs the parts of hoy that live in processes of their own and need wide libraries.
func backgroundRoles() {
	switch path.Base(os.Args[0]) {
	case serve.Role:
		os.Exit(serve.Main(os.Args))
	case monitor.AdoptRole:
		os.Exit(engine.AdoptMain(os.Args))
	case uplink.Role:
		os.Exit(stack.Main(os.Args))
	case monitor.PackRole:
		os.Exit(engine.PackMain(os.Args))
	case monitor.HealRole:
		os.Exit(engine.HealMain(os.Args, rootless.Rootless()))
	}
}
