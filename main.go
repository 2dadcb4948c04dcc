// Command hoy is a container engine in one static file.
package main

import (
	"os"

	// First: what this program is started as, when it is not a user's command, is decided in this package's init, before the libraries
	// of the command line are initialised.
	_ "codeberg.org/hoy/hoy/engine/role"

	"codeberg.org/hoy/hoy/engine/cli"
	"codeberg.org/hoy/hoy/storage"
)

func main() {
	if storage.Reexec() {
		return
	}
	cli.Main(os.Args)
}
