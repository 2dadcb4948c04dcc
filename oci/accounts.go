package oci

import "codeberg.org/hoy/hoy/oci/child"

// The lines of a user and a group that the image does not know. Source: podman, libpod/container_internal_common.go.
const (
	usualUserEntry  = "$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh"
	usualGroupEntry = "$GROUPNAME:x:$GID:$USERLIST"
)

// plan is what the child adds. The host's users are filled in by who knows the host.
func (a *Accounts) plan() *child.Accounts {
	if !a.User && a.UserEntry == "" && len(a.HostUsers) == 0 {
		return nil
	}
	p := &child.Accounts{}
	if a.User || a.UserEntry != "" {
		p.UserEntry, p.GroupEntry = usualUserEntry, usualGroupEntry
		if a.UserEntry != "" {
			p.UserEntry = a.UserEntry
		}
		if a.GroupEntry != "" {
			p.GroupEntry = a.GroupEntry
		}
	}
	return p
}
