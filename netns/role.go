package netns

import (
	"errors"
	"fmt"
	"os"

	"codeberg.org/hoy/hoy/netns/hold"
)

// DetachRole is the name by which a container's monitor, which is light and cannot call Detach, starts the program to do it: argv[0].
// The arguments are DetachArgs.
const DetachRole = "hoy-detach"

// DetachArgs are the arguments, with argv[0], of the process that takes a container off its networks. run is "" as root.
func DetachArgs(root, instance, run, container string) []string {
	return []string{DetachRole, root, instance, run, container}
}

// DetachMain is the role "hoy-detach". It gives the exit status, and says on stderr what is wrong.
func DetachMain(args []string) int {
	if len(args) != 5 {
		return 2
	}
	o := Options{Root: args[1], Instance: args[2], Alive: func(string) bool { return true }}
	if err := detachIn(o, args[3], args[4]); err != nil {
		fmt.Fprintf(os.Stderr, "hoy: leave networks: %v\n", err)
		return 1
	}
	return 0
}

// detachIn detaches in the host's namespace, or with a run directory in the user's: in the files alone when nobody keeps that.
func detachIn(o Options, run, container string) error {
	if run == "" {
		return Open(o).Detach(container)
	}
	state, there := hold.In(run).Current()
	if there && state.SameUser() {
		ns, err := state.Namespace()
		if err == nil {
			o.Host = ns
			return errors.Join(Open(o).Detach(container), ns.Close())
		}
	}
	o.FilesOnly = true
	return Open(o).Detach(container)
}
