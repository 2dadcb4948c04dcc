// Package nsenter runs one more process in a running container, by a raw fork that joins the container's namespaces.
//
// No Go program may join a user or a mount namespace, because it has threads (setns(2)). So the role hoy-exec prepares a script of
// system calls and forks without an exec: the child, which has one thread, joins, gives up its privileges and forks once more, into the pid
// namespace, where the process only executes its command. Nothing with privileges, no Go runtime and nothing of the host is ever
// inside the container (CVE-2016-9962, CVE-2019-5736, CVE-2024-21626).
package nsenter

import "codeberg.org/hoy/hoy/oci/child"

// Role is the argv[0] that an exec is started with.
const Role = "hoy-exec"

// PidfdFD is the descriptor of the pidfd of the container's first process, beside child.SocketFD. The plan's KeepFDs follow from 5 on
// (child.MoveKept).
const PidfdFD = child.SocketFD + 1

// Plan is one more process in a running container: what it joins and what it becomes.
type Plan struct {
	Pid       int    `json:"pid"`       // the container's first process
	StartTime uint64 `json:"startTime"` // guards against a reused pid; 0 skips the check

	Args       []string `json:"args"` // Args[0] is looked up in the PATH of Env, inside the container
	Env        []string `json:"env,omitempty"`
	Cwd        string   `json:"cwd,omitempty"`        // "" means /
	User       string   `json:"user,omitempty"`       // user[:group], resolved in the container's /etc/passwd and /etc/group; "" means root
	GroupAdd   []string `json:"groupAdd,omitempty"`   // names or numbers
	KeepGroups bool     `json:"keepGroups,omitempty"` // those of the caller, in place of the user's
	// IDs, when set, win over User and GroupAdd.
	IDs *child.IDs `json:"ids,omitempty"`

	Terminal bool   `json:"terminal,omitempty"` // a new pseudo-terminal of the container's; its master is Process.Console
	Rows     uint16 `json:"rows,omitempty"`
	Cols     uint16 `json:"cols,omitempty"`

	NoNewPrivileges bool           `json:"noNewPrivileges,omitempty"`
	Seccomp         []byte         `json:"seccomp,omitempty"` // struct sock_filter, native order
	SeccompFlags    uint           `json:"seccompFlags,omitempty"`
	Caps            child.Caps     `json:"caps"`
	Rlimits         []child.Rlimit `json:"rlimits,omitempty"`
	Umask           *uint32        `json:"umask,omitempty"`
	KeepFDs         int            `json:"keepFds,omitempty"`
	AppArmor        string         `json:"appArmor,omitempty"` // what the command is executed as, as in child.Plan
	SELinux         string         `json:"selinux,omitempty"`
}

// Start is the first message of the parent.
type Start struct {
	Plan           *Plan
	KillWithParent bool
}

// Pids are the two processes that hoy-exec made. Both are children of its own parent (CLONE_PARENT), which reaps them.
type Pids struct {
	Fork    int // what joined; it has ended, or ends at once
	Process int // the process in the container; 0 when it did not come to that
}
