package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"text/tabwriter"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
)

// runtimeState is runc's form of a state: that of the specification with some fields more.
type runtimeState struct {
	Version     string               `json:"ociVersion"`
	ID          string               `json:"id"`
	Pid         int                  `json:"pid"`
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	Owner       string               `json:"owner"`
}

func stateOf(c *bundle.Container) runtimeState {
	st := c.OCI(c.Status)
	owner := "#" + strconv.Itoa(c.Owner)
	if u, err := user.LookupId(strconv.Itoa(c.Owner)); err == nil {
		owner = u.Username
	}
	return runtimeState{Version: st.Version, ID: st.ID, Pid: st.Pid, Status: st.Status, Bundle: st.Bundle, Rootfs: c.Rootfs,
		Created: c.Created, Annotations: st.Annotations, Owner: owner}
}

func (s *session) printJSON(v any, indent string) error {
	e := json.NewEncoder(s.Out)
	e.SetIndent("", indent)
	return e.Encode(v)
}

func ociStateCommand(s *session) *command {
	return &command{
		args:  "CONTAINER",
		short: "Print the state of a container",
		min:   1,
		max:   1,
		run: s.runtimeRun("state", func(r *bundle.Runtime, args []string) error {
			c, err := r.Load(args[0])
			if err != nil {
				return err
			}
			return s.printJSON(stateOf(c), "  ")
		}),
	}
}

func ociListCommand(s *session) *command {
	var quiet bool
	format := "table"
	return &command{
		args:  "[OPTIONS]",
		short: "List the containers",
		flags: []*flags.Flag{
			flags.String(&format, "format,f", "Format of the list").OneOf("table", "json"),
			flags.Bool(&quiet, "quiet,q", "Only display container IDs"),
		},
		run: s.runtimeRun("list", func(r *bundle.Runtime, _ []string) error {
			list, err := r.List()
			if err != nil {
				return err
			}
			states := make([]runtimeState, 0, len(list))
			for _, c := range list {
				states = append(states, stateOf(c))
			}
			switch {
			case quiet:
				for _, st := range states {
					s.print(st.ID)
				}
				return nil
			case format == "json":
				return s.printJSON(states, "")
			case format == "table":
				return s.stateTable(states)
			}
			return errors.New("invalid format option")
		}),
	}
}

func (s *session) stateTable(list []runtimeState) error {
	w := tabwriter.NewWriter(s.Out, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, st := range list {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", st.ID, st.Pid, st.Status, st.Bundle, st.Created.Format(time.RFC3339Nano), st.Owner)
	}
	return w.Flush()
}

func ociKillCommand(s *session) *command {
	var all bool
	return &command{
		args:  "[OPTIONS] CONTAINER [SIGNAL]",
		short: "Send a signal to a container's process (default: SIGTERM)",
		min:   1,
		max:   2,
		flags: []*flags.Flag{flags.Bool(&all, "all,a", "Send it to all processes of the container")},
		run: s.runtimeRun("kill", func(r *bundle.Runtime, args []string) error {
			name := "TERM"
			if len(args) > 1 {
				name = args[1]
			}
			sig, err := oci.ParseSignal(name)
			if err != nil {
				return fmt.Errorf("unknown signal %q", name)
			}
			c, err := r.Load(args[0])
			if err != nil {
				return err
			}
			return c.Kill(sig, all)
		}),
	}
}

func ociDeleteCommand(s *session) *command {
	var force bool
	return &command{
		args:  "[OPTIONS] CONTAINER",
		short: "Remove a container that has ended",
		min:   1,
		max:   1,
		flags: []*flags.Flag{flags.Bool(&force, "force,f", "End it with SIGKILL if it runs; one that does not exist is no error")},
		run: s.runtimeRun("delete", func(r *bundle.Runtime, args []string) error {
			c, err := r.Load(args[0])
			if errors.Is(err, bundle.ErrNotExist) && force {
				err = r.Clean(args[0]) // what a creator left that was killed early
				if errors.Is(err, bundle.ErrNotExist) {
					return nil
				}
				return err
			}
			if err != nil {
				return err
			}
			return c.Delete(force)
		}),
	}
}
