package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// CreateOptions are those of `create` and `run`.
type CreateOptions struct {
	Bundle        string // "": the working directory
	PidFile       string
	ConsoleSocket string
	PidfdSocket   string
	PreserveFDs   int
	NoPivot       bool
	NoNewKeyring  bool
	Stdio         [3]*os.File

	attached bool // the caller itself is the terminal's other end
}

// birth is a container while it is created.
type birth struct {
	*Container
	o        *CreateOptions
	spec     *specs.Spec
	lock     *os.File
	process  *runtime.Process
	hooked   bool   // hooks have run, or could have: those of the end are to
	notified *agent // of run: closed with the birth
}

// Create makes a container of a bundle: everything but its command runs. An error leaves nothing behind.
func (r *Runtime) Create(id string, o CreateOptions) (err error) {
	b, err := r.begin(id, &o)
	if err != nil {
		return err
	}
	defer b.lock.Close()
	if err = b.create(true); err == nil {
		err = b.process.Leave()
	}
	if err != nil {
		b.undo()
	}
	return err
}

// begin makes the container's directory and reads its specification.
func (r *Runtime) begin(id string, o *CreateOptions) (*birth, error) {
	dir, err := r.dir(id)
	if err != nil {
		return nil, err
	}
	bundle, config, err := readBundle(o.Bundle)
	if err != nil {
		return nil, err
	}
	spec, err := parseSpec(config)
	if err != nil {
		return nil, err
	}
	if spec.Root == nil || spec.Linux == nil {
		return nil, errors.New("the specification has no root or is not for Linux")
	}
	if err := enterUserns(spec); err != nil {
		return nil, err
	}
	if !path.IsAbs(spec.Root.Path) {
		spec.Root.Path = path.Join(bundle, spec.Root.Path)
	}
	if r.Host == nil && spec.Process != nil && spec.Process.Terminal && o.ConsoleSocket == "" {
		return nil, ErrWide
	}
	if err := r.checkConsole(spec, o); err != nil {
		return nil, err
	}
	b := &birth{o: o, spec: spec, Container: &Container{dir: dir, r: r, State: State{
		Version: stateVersion, OCIVersion: spec.Version, ID: id, Bundle: bundle, Rootfs: spec.Root.Path,
		Created: time.Now().UTC(), Owner: os.Geteuid(), Annotations: spec.Annotations,
	}}}
	if b.lock, err = r.claim(dir); err != nil {
		return nil, err
	}
	if err := writeFile(dir, configFile, config); err != nil {
		b.undo()
		return nil, err
	}
	return b, nil
}

// readBundle gives the bundle's absolute path and its configuration.
func readBundle(dir string) (string, []byte, error) {
	if !path.IsAbs(dir) {
		here, err := os.Getwd()
		if err != nil {
			return "", nil, err
		}
		dir = path.Join(here, dir)
	}
	data, err := os.ReadFile(path.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("JSON specification file %s not found", configFile)
	}
	return path.Clean(dir), data, err
}

// claim makes a container's directory, locked. One that a killed creator left without a state is taken over.
func (r *Runtime) claim(dir string) (*os.File, error) {
	if err := os.MkdirAll(r.Root, 0o700); err != nil {
		return nil, err
	}
	err := os.Mkdir(dir, 0o711)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	l, lockErr := lock(dir, false)
	if errors.Is(lockErr, unix.EWOULDBLOCK) {
		return nil, ErrExists
	}
	if lockErr != nil {
		return nil, lockErr
	}
	if _, statErr := os.Lstat(path.Join(dir, stateFile)); err != nil && !errors.Is(statErr, fs.ErrNotExist) {
		l.Close()
		return nil, ErrExists
	}
	return l, nil
}

// create takes the container up to where its command could run. With wait it is another process that lets it go.
func (b *birth) create(wait bool) error {
	if err := b.groups(); err != nil {
		return err
	}
	p, err := b.r.compile(b.Container, b.spec, b.o)
	if err != nil {
		return err
	}
	if p.HostMounts {
		if b.Beneath, err = mountOf(b.Rootfs); err != nil {
			return err
		}
	}
	start := runtime.StartOptions{
		Stdin: b.o.Stdio[0], Stdout: b.o.Stdio[1], Stderr: b.o.Stdio[2],
		ExtraFiles: preserved(b.o.PreserveFDs),
		Born:       b.born,
	}
	if !wait { // else it is the one who starts it
		a, err := b.agent(b.spec)
		if err != nil {
			return err
		}
		b.notified, start.Notify = a, a.take
	}
	if b.spec.Hooks != nil {
		run := b.mounted(&p.Hooks)
		start.Hooks = func(process *runtime.Process) ([]byte, error) {
			b.hooked = true
			return run(process)
		}
	}
	var into *os.File
	if start.CgroupProcs, into, err = b.Group.Enter(); err != nil {
		return err
	}
	if start.CgroupFD = into; into != nil {
		defer into.Close()
	}
	if wait {
		if start.Listener, start.Mark, err = waitingRoom(b.dir); err != nil {
			return err
		}
		defer start.Listener.Close()
		defer start.Mark.Close()
	}
	return b.start(p, start)
}

func (b *birth) start(p *child.Plan, o runtime.StartOptions) (err error) {
	if b.process, err = runtime.Start(p, o); err != nil {
		b.Process = runtime.Ref{}
		return err
	}
	b.hooked = true
	if err := b.Group.Settle(); err != nil {
		return err
	}
	return b.o.announce(b.process)
}

// announce hands a process's terminal and pid to who asked for them.
func (o *CreateOptions) announce(p *runtime.Process) error {
	if o.ConsoleSocket != "" && p.Console != nil {
		err := sendFD(o.ConsoleSocket, p.Console)
		p.Console.Close()
		p.Console = nil
		if err != nil {
			return fmt.Errorf("console socket: %w", err)
		}
	}
	if o.PidfdSocket != "" {
		if err := sendFD(o.PidfdSocket, p.Pidfd); err != nil {
			return fmt.Errorf("pidfd socket: %w", err)
		}
	}
	return writePid(o.PidFile, p.Pid)
}

// born records the process before it does anything, so that no process is left that nobody knows of.
func (b *birth) born(p *runtime.Process) error {
	if b.r.began != nil {
		*b.r.began = true
	}
	b.Process = p.Ref()
	return b.save()
}

// undo removes what a birth that failed has made.
func (b *birth) undo() {
	if b.process != nil {
		b.process.Kill()
	}
	if err := errors.Join(b.Group.Remove(), b.unmount()); err != nil {
		b.r.Warn(err)
	}
	if b.hooked {
		if err := b.stopped(b.spec); err != nil {
			b.r.Warn(err)
		}
	}
	if b.o.PidFile != "" && b.process != nil {
		os.Remove(b.o.PidFile)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		b.r.Warn(err)
	}
	b.lock.Close()
}

// preserved are the caller's descriptors from 3 on.
func preserved(n int) []*os.File {
	var list []*os.File
	for fd := 3; fd < 3+n; fd++ {
		list = append(list, os.NewFile(uintptr(fd), "descriptor "+strconv.Itoa(fd)))
	}
	return list
}

// writePid writes a pid file beside its place and renames it: who sees it sees the pid.
func writePid(file string, pid int) error {
	if file == "" {
		return nil
	}
	dir, name := path.Split(file)
	beside := path.Join(dir, "."+name)
	if err := os.WriteFile(beside, strconv.AppendInt(nil, int64(pid), 10), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, file)
}
