package rootless

import (
	"errors"
	"os"
	"strings"
	"sync"

	"codeberg.org/hoy/hoy/engine/rootless/early"
)

// Await waits until this process's ids are mapped, when it has entered its user namespace before the runtime began (package early). Before that it has
// no uid. It never returns when they cannot be mapped.
var Await = sync.OnceFunc(func() {
	begun := early.Begun
	if !begun.Inside {
		return
	}
	var errs []error
	for i, name := range []string{"newuidmap", "newgidmap"} {
		t := &tool{name, begun.Tools[i].Pid, os.NewFile(uintptr(begun.Tools[i].Output), name)}
		errs = append(errs, t.wait())
	}
	if err := orSingle("self", begun.UID, begun.GID, errors.Join(errs...)); err != nil {
		os.Exit(refuse(err))
	}
})

// resume is what remains of Enter for such a process. The inner half of any other call finds this in its environment.
func resume(begun early.State) {
	for _, variable := range envOf(begun.UID, begun.GID) {
		name, value, _ := strings.Cut(variable, "=")
		os.Setenv(name, value)
	}
}
