package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// ignoredOptions are the flags of `run` and `create` that change nothing here: they are said once, in one warning.
type ignoredOptions struct {
	values map[string]*string
	trust  bool // --disable-content-trust
}

// ignoredFlag is such a flag: its name, its type in help, and why nothing comes of it.
type ignoredFlag struct{ name, typ, why string }

var ignoredTable = []ignoredFlag{
	{"chrootdirs", "list", "hoy makes its files below /etc only"},
	{"cpu-rt-period", "int", "real-time groups of control groups version 1 are set by the administrator"},
	{"cpu-rt-runtime", "int", "real-time groups of control groups version 1 are set by the administrator"},
	{"init-path", "string", "--init is hoy itself"},
	{"kernel-memory", "bytes", "the kernel has no such limit any more"},
	{"personality", "string", "containers run with hoy's own"},
	{"rdt-class", "string", "hoy does not use resctrl"},
	{"shm-size-systemd", "bytes", "tmpfs of --systemd grow as they are written"},
	{"use-api-socket", "", "there is no API socket"},
}

// foreignFlags are those that are for another system: Docker's message.
var foreignFlags = []struct{ name, typ string }{
	{"cpu-count", "int"}, {"cpu-percent", "int"}, {"io-maxbandwidth", "bytes"}, {"io-maxiops", "uint"},
}

func (o *containerOptions) ignoredFlags() []*flags.Flag {
	i := &o.ignored
	i.values, i.trust = map[string]*string{}, true
	list := []*flags.Flag{
		flags.Bool(&i.trust, "disable-content-trust", "Skip image verification").Hide(),
		flags.Func(checkIsolation, "isolation", "Container isolation technology").As("string").Hide(),
		flags.Func(refusePod, "pod", "Run container in an existing pod").As("string").Hide(),
		flags.Func(refuseStorageOpt, "storage-opt", "Storage driver options for the container").Hide(),
		flags.Func(checkVolumeDriver, "volume-driver", "Optional volume driver for the container").As("string").Hide(),
	}
	for _, f := range ignoredTable {
		value := new(string)
		i.values[f.name] = value
		flag := flags.String(value, f.name, f.why).As(f.typ).Hide()
		list = append(list, flag)
	}
	for _, f := range foreignFlags {
		list = append(list, flags.Func(func(string) error {
			return fmt.Errorf("%q is only supported on a Docker daemon running on windows, but the Docker daemon is running on linux", "--"+f.name)
		}, f.name, "Windows only").As(f.typ).Hide())
	}
	return list
}

// warn says which of them were given.
func (i *ignoredOptions) warn(w io.Writer) {
	var said []string
	for _, f := range ignoredTable {
		if v := i.values[f.name]; v != nil && *v != "" && *v != "false" {
			said = append(said, fmt.Sprintf("--%s (%s)", f.name, f.why))
		}
	}
	if !i.trust {
		said = append(said, "--disable-content-trust=false (Docker's content trust has ended)")
	}
	if len(said) > 0 {
		fmt.Fprintf(w, "WARNING: ignored: %s\n", strings.Join(said, ", "))
	}
}

func checkIsolation(s string) error {
	if s == "" || strings.EqualFold(s, "default") {
		return nil
	}
	return fmt.Errorf("invalid isolation %q on linux", s)
}

func refusePod(string) error {
	return errors.New("there are no pods; --network container:NAME, --pid and --ipc share a container's namespaces")
}

func refuseStorageOpt(string) error {
	return errors.New("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")
}

func checkVolumeDriver(s string) error {
	if s == "" || s == "local" {
		return nil
	}
	return fmt.Errorf("error looking up volume plugin %s: plugin %q not found", s, s)
}
