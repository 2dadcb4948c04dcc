// Package reaper is process 1 of a container that was started with --init: it starts the command, passes signals on to it, and reaps
// what the container's other processes leave behind, as tini does for Docker.
package reaper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Role is the argv[0] that process 1 is executed with. Its one argument is the number of the descriptor that the Job is read from.
const Role = "hoy-init"

// Env is process 1's own environment; the command's is in the Job, where it cannot speak to the Go runtime.
var Env = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=madvdontneed=1"}

// Job is what process 1 is to run.
type Job struct {
	Candidates []string `json:"candidates"` // the paths to try in order
	Args       []string `json:"args"`
	Env        []string `json:"env,omitempty"`
	KeepFDs    int      `json:"keepFds,omitempty"` // descriptors 3 … 3+KeepFDs-1 are the command's
	Socket     int      `json:"socket"`            // to the parent; never the command's
}

// Main is the role "hoy-init". It never returns: it exits as the command did, 128+N when signal N ended it. The parent waits at the socket
// until the command runs and the signals are heard; fail tells it there why the command was not executed.
func Main(fail func(j *Job, errno syscall.Errno)) {
	nameProcess()
	job, err := readJob()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Role, err)
		os.Exit(125)
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals) // before the command exists, so that none is lost
	pid, errno := job.start()
	if errno != 0 {
		fail(job, errno)
		os.Exit(1)
	}
	unix.Close(job.Socket)
	for s := range signals {
		switch s {
		case syscall.SIGCHLD:
			reap(pid)
		case syscall.SIGURG, syscall.SIGTTIN, syscall.SIGTTOU: // the Go runtime's own, and a terminal's to us alone
		default:
			_ = syscall.Kill(pid, s.(syscall.Signal))
		}
	}
}

// nameProcess sets what ps shows: the kernel names a program after its file, which for the sealed copy says nothing. All threads are one name each;
// the first one's is the process's.
func nameProcess() {
	if f, err := os.OpenFile("/proc/self/comm", os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString(Role)
		f.Close()
	}
}

func readJob() (*Job, error) {
	if len(os.Args) != 2 {
		return nil, fmt.Errorf("not to be started by hand")
	}
	fd, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "job")
	defer f.Close()
	var job Job
	if err := json.NewDecoder(f).Decode(&job); err != nil {
		return nil, fmt.Errorf("read the job: %w", err)
	}
	unix.CloseOnExec(job.Socket)
	return &job, nil
}

// start runs the command in a process group of its own, in the foreground of the terminal when there is one. Like exec.LookPath it passes over
// candidates that are not there or not executable.
func (j *Job) start() (pid int, errno syscall.Errno) {
	attr := &syscall.ProcAttr{Env: j.Env, Files: j.files(), Sys: &syscall.SysProcAttr{Setpgid: true}}
	if _, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil {
		attr.Sys.Foreground = true
	}
	for _, c := range j.Candidates {
		pid, err := syscall.ForkExec(c, j.Args, attr)
		if err == nil {
			return pid, 0
		}
		if errors.As(err, &errno); len(j.Candidates) == 1 {
			return 0, errno
		}
		if errno != syscall.ENOENT && errno != syscall.ENOTDIR && errno != syscall.EACCES {
			return 0, errno
		}
	}
	return 0, syscall.ENOENT
}

func (j *Job) files() []uintptr {
	files := []uintptr{0, 1, 2}
	for fd := 3; fd < 3+j.KeepFDs; fd++ {
		files = append(files, uintptr(fd))
	}
	return files
}

// reap collects every process that has ended; when the command is among them the container ends with it.
func reap(command int) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
		if pid != command {
			continue
		}
		if ws.Signaled() {
			os.Exit(128 + int(ws.Signal()))
		}
		if ws.Exited() {
			os.Exit(ws.ExitStatus())
		}
	}
}
