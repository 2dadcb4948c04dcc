package child

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// Hook is a program that the specification has run at a point of a container's life (config.md, POSIX-platform Hooks).
type Hook struct {
	Path    string   `json:"path"` // absolute
	Args    []string `json:"args,omitempty"`
	Env     []string `json:"env,omitempty"`     // all that it gets: nothing of the image's (CVE-2025-23266), nothing of hoy's
	Timeout int      `json:"timeout,omitempty"` // seconds until it is killed; 0: never
}

// Hooks are run at the points of a container's life. With any of the first three, the container is mounted before pivot_root, so that they find the
// host's paths and the container's mounts in one mount namespace.
type Hooks struct {
	Prestart  []Hook `json:"prestart,omitempty"`  // by the parent, when the container is mounted
	Runtime   []Hook `json:"runtime,omitempty"`   // createRuntime: after those
	Create    []Hook `json:"create,omitempty"`    // by the child, in the container's namespaces, the host's paths
	Start     []Hook `json:"start,omitempty"`     // by the child, in the container, as its user, before its command
	Poststart []Hook `json:"poststart,omitempty"` // by the parent, when the command runs
	Poststop  []Hook `json:"poststop,omitempty"`  // by the parent, when the container has ended
	// Bundle is the directory that hooks find the specification in, config.json, and in which the child mounts the root, when that is no directory of the
	// host's, in its own mount namespace.
	Bundle string `json:"bundle,omitempty"`
	// Config is the specification, for a child that is a stranger to Bundle.
	Config []byte `json:"config,omitempty"`
}

// Root is where in its bundle the root of a container with hooks is.
func (h *Hooks) Root() string { return h.Bundle + "/rootfs" }

// ConfigFile is the specification in a bundle.
const ConfigFile = "config.json"

func (h *Hooks) beforePivot() bool { return len(h.Prestart)+len(h.Runtime)+len(h.Create) > 0 }

// Mounted runs the parent's hooks of a container that is mounted, up to one that fails, or until ctx ends.
func (h *Hooks) Mounted(ctx context.Context, state []byte) error {
	if err := runAll(ctx, "prestart", h.Prestart, state, nil); err != nil {
		return err
	}
	return runAll(ctx, "createRuntime", h.Runtime, state, nil)
}

// Started runs the hooks of a container whose command runs. Their failure only is to be said (runtime.md, Lifecycle).
func (h *Hooks) Started(state []byte, say func(error)) { tryAll("poststart", h.Poststart, state, say) }

// Stopped runs the hooks of a container that has ended. Their failure only is to be said.
func (h *Hooks) Stopped(state []byte, say func(error)) { tryAll("poststop", h.Poststop, state, say) }

func runAll(ctx context.Context, what string, list []Hook, state []byte, l *Last) error {
	for i := range list {
		if err := list[i].run(ctx, state, l); err != nil {
			return fmt.Errorf("%s %w", what, err)
		}
	}
	return nil
}

func tryAll(what string, list []Hook, state []byte, say func(error)) {
	for i := range list {
		if err := runAll(context.Background(), what, list[i:i+1], state, nil); err != nil {
			say(err)
		}
	}
}

// run runs the hook with the container's state on its standard input, and waits for it. It gives an error with what the hook printed when that
// fails. With l the hook gets the container's user, capabilities and filter: it lies in the container.
func (h *Hook) run(ctx context.Context, state []byte, l *Last) error {
	in, err := memory(state)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := memory(nil)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	if err := h.execute(ctx, in, out, l); err != nil {
		text := "hook " + h.Path
		if said := printed(out); said != "" {
			text += ": " + said
		}
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

func (h *Hook) execute(ctx context.Context, in, out int, l *Last) error {
	s, err := h.script(in, out, l)
	if err != nil {
		return err
	}
	f, err := s.Start(0)
	if err != nil {
		return err
	}
	if h.Timeout > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, time.Duration(h.Timeout)*time.Second)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() { unix.Kill(f.Pid, unix.SIGKILL) })
	o, err := f.Wait()
	status, inTime, waited := reap(f.Pid, stop)
	switch {
	case err != nil:
		return err
	case waited != nil:
		return waited
	case o.Failure != nil:
		return o.Failure.Errno
	case !inTime && ctx.Err() == context.Canceled:
		return ctx.Err()
	case !inTime:
		return fmt.Errorf("killed after %d seconds", h.Timeout)
	case status.Signaled():
		return fmt.Errorf("signal: %s", status.Signal())
	case status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return nil
}

// reap waits until a process has ended. What would kill it is stopped while the pid is still the process's.
func reap(pid int, stop func() bool) (ws syscall.WaitStatus, inTime bool, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	inTime = stop()
	for err == nil {
		if _, err = syscall.Wait4(pid, &ws, 0, nil); err != syscall.EINTR {
			break
		}
		err = nil
	}
	return ws, inTime, err
}

// script becomes the hook.
func (h *Hook) script(in, out int, l *Last) (*raw.Script, error) {
	if err := CheckStrings(h.Path, h.Args, h.Env); err != nil {
		return nil, err
	}
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	var s raw.Script
	report, err := s.ReportTo()
	if err != nil {
		return nil, err
	}
	s.Label("hook", h.Path)
	for fd, from := range []int{in, out, out} {
		s.Call(unix.SYS_DUP3, uintptr(from), uintptr(fd), 0)
	}
	if l == nil {
		l = &Last{Keep: []int{report}}
		l.closeRest(&s)
		s.Call(unix.SYS_UMASK, 0o022) // the child's is 0: what a hook makes would be everybody's to write
		s.ResetSignals()
	} else {
		own := *l
		own.Keep, own.KeepFDs, own.KillWithParent, own.Cwd = []int{report}, 0, false, "/"
		own.Drop(&s)
		s.ResetSignals()
		if own.NoNewPrivileges {
			own.seccomp(&s)
		}
	}
	s.Label("hook", h.Path)
	s.Exec(h.Path, args, h.Env)
	return &s, nil
}

// memory makes a file in memory.
func memory(content []byte) (int, error) {
	fd, err := unix.MemfdCreate("hook", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("memfd: %w", err)
	}
	if len(content) > 0 {
		if _, err := unix.Pwrite(fd, content, 0); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("memfd: %w", err)
		}
	}
	return fd, nil
}

// printed gives the beginning of what was written to a file in memory.
func printed(fd int) string {
	buf := make([]byte, 1024)
	n, _ := unix.Pread(fd, buf, 0)
	return strings.ReplaceAll(strings.TrimSpace(string(buf[:max(n, 0)])), "\n", "; ")
}

// showBundle makes the bundle anew for a child that is a stranger to it. The first directory on the way that it may not enter is covered by an empty file
// system, in this mount namespace only. It comes after openSources: what is covered is not to be found any more.
func (h *Hooks) showBundle() error {
	if len(h.Config) == 0 {
		return nil
	}
	cover := h.Bundle
	for i := 1; i < len(h.Bundle) && cover == h.Bundle; i++ {
		if h.Bundle[i] == '/' && !mayEnter(h.Bundle[:i]) {
			cover = h.Bundle[:i]
		}
	}
	place, err := unix.Open(cover, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	m, err := newMount("tmpfs", []option{{"mode", "755"}}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return err
	}
	defer m.close()
	if err := attach(m, place); err != nil {
		return err
	}
	if err := os.MkdirAll(h.Root(), 0o755); err != nil {
		return err
	}
	return os.WriteFile(h.Bundle+"/"+ConfigFile, h.Config, 0o644)
}

func mayEnter(dir string) bool {
	fd, err := unix.Open(dir+"/.", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.EACCES
}

// runCreateHooks lets the parent run its hooks, and runs those of the container's namespaces. It comes when the container is mounted, and before
// pivot_root: hooks find the root at its path on the host (config.md, createContainer). Only the specification's author names them.
func runCreateHooks(b *birth) error {
	hooks := &b.plan.Hooks
	if !hooks.beforePivot() {
		return nil
	}
	if err := b.conn.Send(wire.Hooks, nil); err != nil {
		return err
	}
	state, err := b.await(wire.Go)
	if err != nil {
		return err
	}
	return runAll(context.Background(), "createContainer", hooks.Create, state, nil)
}

// runStartHooks runs the container's own hooks. They are programs of the image's, so they get no more rights than its command.
func (b *birth) runStartHooks(l *Last) error {
	own := *l
	l = &own
	l.SeccompFlags &^= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV // the listener is the command's
	if err := runAll(context.Background(), "startContainer", b.plan.Hooks.Start, b.state, l); err != nil {
		return AsStep("hooks", err)
	}
	return nil
}
