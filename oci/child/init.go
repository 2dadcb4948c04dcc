package child

import (
	"encoding/json"
	"strconv"
	"syscall"

	"codeberg.org/hoy/hoy/oci/child/reaper"
	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// InitMain is the role "hoy-init", process 1 of a container with --init. It never returns.
func InitMain() {
	reaper.Main(func(j *reaper.Job, errno syscall.Errno) {
		f := &raw.Failure{Label: raw.Label{Step: StepExec, Path: strconv.Quote(j.Args[0])}, Errno: errno}
		e := Explain(f, j.Args[0], j.Env, unix.Stat)
		_ = wire.Conn{FD: j.Socket}.Send(wire.Failed, wire.Marshal(*e))
	})
}

// initScript executes hoy's own process 1 in place of the command, for --init: the sealed copy of hoy that this process is itself.
// Everything that holds for the command holds for it: it is dropped to the same user, capabilities and filter first. The parent's socket stays
// open over this exec: the parent is told when the command runs, or why it does not.
func (b *birth) initScript(l *Last, s *raw.Script) error {
	job, err := writeJob(reaper.Job{
		Candidates: Candidates(l.Args[0], l.Env), Args: l.Args, Env: WithHome(l.Env, l.Home), KeepFDs: l.KeepFDs, Socket: b.conn.FD,
	})
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(b.conn.FD), unix.F_SETFD, 0); err != nil {
		return at("socket", err)
	}
	l.Keep = append(l.Keep, job, b.self)
	l.Drop(s)
	s.ResetSignals()
	l.parent(s)
	if l.NoNewPrivileges {
		l.seccomp(s)
	}
	s.Label("init", "")
	s.ExecFD(b.self, []string{reaper.Role, strconv.Itoa(job)}, reaper.Env)
	return nil
}

// writeJob puts the job into a file in memory, which stays open over the exec, and gives its descriptor.
func writeJob(job reaper.Job) (int, error) {
	data, err := json.Marshal(job)
	if err != nil {
		return -1, err
	}
	fd, err := unix.MemfdCreate("init", 0)
	if err != nil {
		return -1, at("memfd", err)
	}
	for written := 0; written < len(data); {
		n, err := unix.Pwrite(fd, data[written:], int64(written))
		if err != nil {
			return -1, at("memfd", err)
		}
		written += n
	}
	return fd, nil
}
