package cli

import "codeberg.org/hoy/hoy/engine/cli/flags"

// accountFlags are podman's flags for what a container's /etc/passwd, /etc/group and /etc/localtime say.
func (o *containerOptions) accountFlags() []*flags.Flag {
	a := &o.cfg.Accounts
	return []*flags.Flag{
		flags.String(&a.GroupEntry, "group-entry", "Entry to write to /etc/group for the group of --user, with --passwd"),
		flags.List(&a.HostUsers, "hostuser", "Host user account to add to /etc/passwd within container"),
		flags.Bool(&a.User, "passwd", "Add entries to /etc/passwd and /etc/group for a --user that the image has none for"),
		flags.String(&a.UserEntry, "passwd-entry", "Entry to write to /etc/passwd for a --user that the image has none for; implies --passwd"),
		flags.String(&o.cfg.Timezone, "tz", `Set timezone in container, such as "Europe/Berlin", or "local" for the host's`),
	}
}
