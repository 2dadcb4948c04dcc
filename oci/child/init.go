package child

import (
	"encoding/json"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/child/reaper"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// initScript executes hoy's own process 1 in place of the command, for --init: the sealed copy of hoy that this process is itself.
// Everything that holds for the command holds for it: it is dropped to the same user, capabilities and filter first.
func (b *birth) initScript(l *Last, s *raw.Script) error {
	if err := b.findCommand(); err != nil {
		return err
	}
	job := reaper.Job{Candidates: Candidates(l.Args[0], l.Env), Args: l.Args, Env: WithHome(l.Env, l.Home), KeepFDs: l.KeepFDs}
	number, err := b.writeJob(job)
	if err != nil {
		return err
	}
	l.KeepFDs++ // the job's
	l.Keep = append(l.Keep, b.self)
	l.Drop(s)
	s.ResetSignals()
	l.parent(s)
	if l.NoNewPrivileges {
		l.seccomp(s)
	}
	s.Label("init", "")
	s.ExecFD(b.self, []string{reaper.Role, strconv.Itoa(number)}, reaper.Env)
	return nil
}

// findCommand says beforehand that there is no such command: process 1 could say so only when the container already runs.
func (b *birth) findCommand() error {
	command := b.plan.Args[0]
	f := &raw.Failure{Label: raw.Label{Step: StepExec, Path: strconv.Quote(command)}, Errno: unix.ENOENT}
	for _, c := range Candidates(command, b.plan.Env) {
		var st unix.Stat_t
		if err := unix.Stat(c, &st); err != nil {
			continue
		}
		if !isDir(st) && st.Mode&0o111 != 0 {
			return nil
		}
		if strings.Contains(command, "/") {
			f.Errno = unix.EACCES
		}
	}
	return Explain(f, command, b.plan.Env, unix.Stat)
}

// writeJob puts the job into a file in memory with the first descriptor after those that the container keeps.
func (b *birth) writeJob(job reaper.Job) (int, error) {
	data, err := json.Marshal(job)
	if err != nil {
		return 0, err
	}
	fd, err := unix.MemfdCreate("init", 0)
	if err != nil {
		return 0, at("memfd", err)
	}
	for written := 0; written < len(data); {
		n, err := unix.Pwrite(fd, data[written:], int64(written))
		if err != nil {
			return 0, at("memfd", err)
		}
		written += n
	}
	want := 3 + job.KeepFDs
	if fd == want {
		return want, nil
	}
	if b.conn.FD == want || b.self == want {
		if err := b.makeRoom(want + 1); err != nil {
			return 0, err
		}
	}
	return want, at("memfd", unix.Dup3(fd, want, 0))
}

// makeRoom moves the socket and the executable to descriptors from low on.
func (b *birth) makeRoom(low int) error {
	for _, fd := range []*int{&b.conn.FD, &b.self} {
		moved, err := unix.FcntlInt(uintptr(*fd), unix.F_DUPFD_CLOEXEC, low)
		if err != nil {
			return err
		}
		*fd = moved
	}
	return nil
}
