package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// agent is who is notified of system calls: a connection to linux.seccomp.listenerPath, and what it gets over it.
type agent struct {
	conn *os.File
	c    *Container
	spec *specs.LinuxSeccomp
}

// agent connects to who is notified of the container's calls, before there is a process that would wait for it; nil when nobody is.
func (c *Container) agent(s *specs.Spec) (*agent, error) {
	p := s.Linux.Seccomp
	if p == nil || p.ListenerPath == "" || !slices.ContainsFunc(p.Syscalls, func(r specs.LinuxSyscall) bool { return r.Action == specs.ActNotify }) {
		return nil, nil
	}
	conn, err := dial(p.ListenerPath)
	if err != nil {
		return nil, fmt.Errorf("linux.seccomp.listenerPath: %w", err)
	}
	return &agent{conn, c, p}, nil
}

// take hands the filter's listener over (config-linux.md, Container Process State).
func (a *agent) take(listener *os.File) error {
	message, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: a.c.Process.Pid, Metadata: a.spec.ListenerMetadata, State: *a.c.OCI(specs.StateCreated),
	})
	if err == nil {
		err = send(a.conn, message, listener)
	}
	if err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: %w", err)
	}
	return nil
}

func (a *agent) close() {
	if a != nil {
		a.conn.Close()
	}
}
