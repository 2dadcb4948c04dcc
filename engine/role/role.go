// Package role sends this program to the part of hoy that it was started as.
//
// It acts in its own init, the one place of hoy where a package initialiser does work: Go initialises packages in the order of
// their import paths as soon as what they import is ready, so everything below is reached before the wide libraries'
// seven milliseconds of initialisation begin (GODEBUG=inittrace=1 shows it). So this package and all that it imports use the
// standard library and golang.org/x/sys only.
package role

import (
	"os"
	"path"

	"codeberg.org/hoy/hoy/engine/ahead"
	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/child/reaper"
	"codeberg.org/hoy/hoy/oci/nsenter"
)

func init() {
	if len(os.Args) == 0 {
		return
	}
	switch path.Base(os.Args[0]) {
	case child.Role:
		child.Main()
	case nsenter.Role:
		nsenter.Main()
	case reaper.Role:
		child.InitMain()
	case hold.Role:
		os.Exit(hold.Main(os.Args))
	case monitor.Role:
		monitor.Main()
	case "hoy-oci":
		bundle.Enter(os.Args[1:])
	default: // a user's command, whatever the file is called; or a role of main's, whose arguments are no commands
		if len(os.Args) > 1 && os.Args[1] == "oci" {
			bundle.Enter(os.Args[2:])
			return
		}
		rootless.Enter()
		ahead.Begin(os.Args[1:])
	}
}
