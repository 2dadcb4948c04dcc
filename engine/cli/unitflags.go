package cli

import (
	"path/filepath"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
)

// unitFlags are those of podman's that services and scripts use to keep track of a container.
func (o *containerOptions) unitFlags() []*flags.Flag {
	c := &o.cfg
	return []*flags.Flag{
		flags.Func(o.path(&c.MonitorPidfile), "conmon-pidfile", "Write the process ID of the container's monitor to the file").As("string").From("file"),
		flags.Func(o.path(&c.Pidfile), "pidfile", "Write the container process ID to the file").As("string").From("file"),
		flags.Bool(&o.replace, "replace", "If a container with the same name exists, remove it first"),
		flags.String(&c.Runtime, "runtime", "Runtime to use for this container: hoy's own, whatever OCI runtime is named").OneOf("hoy"),
		flags.String(&c.SdNotify, "sdnotify", `Who tells systemd that the service is up (conmon|container|healthy|ignore)
'conmon':    hoy, when the container's command runs (default)
'container': the container, which gets NOTIFY_SOCKET
'healthy':   hoy, when the first health check was good
'ignore':    nobody`).OneOf("conmon", "container", "healthy", "ignore"),
		flags.Func(o.systemd, "systemd", `Run systemd in the container (true|false|always)
'true':   Mount what systemd needs when the command is systemd
'always': Mount it whatever the command is
'false':  Mount nothing (default)`).As("string").OneOf("always", "false", "true"),
	}
}

// path makes the setter of a path, which is stored as an absolute one: a later start has another working directory.
func (o *containerOptions) path(to *string) func(string) error {
	return func(s string) error {
		if *to = s; s != "" && !filepath.IsAbs(s) {
			*to = filepath.Join(o.cwd, s)
		}
		return nil
	}
}

func (o *containerOptions) systemd(s string) (err error) {
	o.cfg.Systemd, err = oci.ParseSystemd(s)
	return err
}
