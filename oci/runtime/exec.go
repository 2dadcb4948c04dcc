package runtime

import "codeberg.org/hoy/hoy/oci/child"

// ExecPlan is one more process in a running container: what it joins and what it becomes.
type ExecPlan struct {
	Pid       int    `json:"pid"`       // the container's first process
	StartTime uint64 `json:"startTime"` // guards against a reused pid; 0 skips the check

	Args     []string `json:"args"` // Args[0] is looked up in the PATH of Env, inside the container
	Env      []string `json:"env,omitempty"`
	Cwd      string   `json:"cwd,omitempty"`      // "" means /
	User     string   `json:"user,omitempty"`     // user[:group], resolved in the container's /etc/passwd and /etc/group; "" means root
	GroupAdd []string `json:"groupAdd,omitempty"` // names or numbers

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
}

// Exec runs one more process in a container and returns once its command was executed. A *StepError says which part of joining
// failed; its ExitCode is 127 or 126 when it was the command itself. Console, Wait and Signal work as with Start; Go need not be called.
// The process inherits the cgroup in o, or, when o names none, the caller's.
func Exec(p *ExecPlan, o StartOptions) (*Process, error) { return nil, errNotBuilt }
