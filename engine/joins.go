package engine

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci"
)

// joins are the namespaces of other containers that c shares, by --pid, --ipc and --uts.
type joins struct {
	paths map[specs.LinuxNamespaceType]string
	shm   string // a process, /proc/PID, whose /dev/shm it shares; "": it has its own
}

// joinsOf finds them. Each other container runs, and stays what it is meanwhile as little as its network does (connect).
func (e *Engine) joinsOf(c *Container) (joins, error) {
	j := joins{paths: map[specs.LinuxNamespaceType]string{}}
	for _, want := range []struct {
		mode, what, file string
		kind             specs.LinuxNamespaceType
	}{
		{c.Config.PidMode, "PID", "pid", specs.PIDNamespace},
		{c.Config.IpcMode, "IPC", "ipc", specs.IPCNamespace},
		{c.Config.UTSMode, "UTS", "uts", specs.UTSNamespace},
	} {
		ref, ok := oci.ContainerMode(want.mode)
		if !ok {
			continue
		}
		other, err := e.joinable(ref, want.what)
		if err != nil {
			return j, err
		}
		if want.kind == specs.IPCNamespace && other.Config.IpcMode != "shareable" && other.Config.IpcMode != "host" {
			return j, fmt.Errorf("can't join IPC of container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor container)", other.ID())
		}
		proc := "/proc/" + strconv.Itoa(other.State.Pid)
		j.paths[want.kind] = proc + "/ns/" + want.file
		if want.kind == specs.IPCNamespace {
			j.shm = proc
		}
		if err := reachable(j.paths[want.kind]); err != nil {
			return j, fmt.Errorf("join %s namespace of container %s: %w", want.what, other.Name(), err)
		}
	}
	return j, nil
}

// errForeign says why an ordinary user's call may not join a container that another call has started.
var errForeign = errors.New("it is in a user namespace of its own, which an ordinary user's containers cannot leave: as root it can be joined")

// reachable says whether a namespace can be opened.
func reachable(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return errForeign
	}
	if err != nil {
		return err
	}
	return f.Close()
}
