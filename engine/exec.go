package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/event"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// Exec runs a command in a running container and returns its exit code; see Start for errors. The caller is the command's parent: no
// monitor takes part.
func (e *Engine) Exec(ctx context.Context, c *Container, o ExecOptions) (code int, err error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if c.Restarting() {
		return 0, c.errRestarting()
	}
	if !c.Running() {
		return 0, c.errNotRunning()
	}
	if c.State.Status == StatusPaused {
		return 0, fmt.Errorf("container %s is paused, unpause the container before exec", c.Name())
	}
	keys, err := o.keys()
	if err != nil {
		return 0, err
	}
	t := newTerminal(o.Streams, o.Tty)
	plan, err := execPlan(c, o, t.size())
	if err != nil {
		return 0, c.orEnded(err)
	}
	x := &execution{o: o, terminal: t, keys: keys, detached: make(chan struct{})}
	x.start.ExtraFiles = o.Kept
	entered, err := e.enterGroup(c, &x.start)
	if err != nil {
		return 0, c.orEnded(err)
	}
	defer entered()
	id := newID()
	event.Write(e.o.Root, execEvents(c, id, o.Cmd)...)
	if code, err = x.run(ctx, plan); err == nil && !o.Detach {
		e.happened(c, "exec_die", "execID", id, "exitCode", strconv.Itoa(code))
	}
	return code, c.orEnded(err)
}

func (o *ExecOptions) keys() ([]byte, error) {
	if !o.Tty || o.DetachKeys == noDetachKeys {
		return nil, nil
	}
	return parseKeys(o.DetachKeys)
}

// execPlan makes the process like the container's first one, but for what the options say.
func execPlan(c *Container, o ExecOptions, z monitor.Size) (*runtime.ExecPlan, error) {
	s, err := monitor.ReadSettings(c.place)
	if err != nil {
		return nil, err
	}
	p := monitor.ExecOf(s.Plan, *c.process)
	p.Args, p.Env = o.Cmd, execEnv(s.Plan.Env, o)
	p.Terminal, p.Rows, p.Cols = o.Tty && !o.Detach, z.Rows, z.Cols
	p.KeepFDs = len(o.Kept)
	if o.WorkingDir != "" {
		p.Cwd = o.WorkingDir
	}
	if o.User != "" {
		p.User = o.User
	}
	if o.Privileged {
		p.Seccomp = nil
		p.Caps.Bounding = boundingSetOf("/proc/self/status")
		p.Caps.Effective, p.Caps.Permitted = p.Caps.Bounding, p.Caps.Bounding
	}
	return p, nil
}

// execEnv is the container's environment with TERM as the new process has a terminal or not, and with what the options add.
func execEnv(first []string, o ExecOptions) []string {
	var env []string
	for _, kv := range first {
		if !strings.HasPrefix(kv, "TERM=") || o.Tty {
			env = append(env, kv)
		}
	}
	if o.Tty {
		env = oci.MergeEnv([]string{"TERM=xterm"}, env)
	}
	return oci.MergeEnv(env, o.Env)
}

func boundingSetOf(path string) uint64 {
	status, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return oci.BoundingSet(status)
}

// execution is one exec while it runs.
type execution struct {
	o        ExecOptions
	terminal *terminal
	keys     []byte
	start    runtime.StartOptions
	process  *runtime.Process
	detached chan struct{} // closed when the detach keys were typed

	theirs [3]*os.File
	lent   [3]bool
	input  *os.File   // our end of their stdin; nil: lent, or none
	output []*os.File // our ends of their stdout and stderr
	to     []*os.File
}

func (x *execution) run(ctx context.Context, plan *runtime.ExecPlan) (int, error) {
	if err := x.connect(plan.Terminal); err != nil {
		x.close()
		return 0, err
	}
	var err error
	x.start.Stdin, x.start.Stdout, x.start.Stderr = x.theirs[0], x.theirs[1], x.theirs[2]
	x.process, err = runtime.Exec(plan, x.start)
	x.close()
	if err != nil {
		return 0, err
	}
	if x.o.Detach {
		// For as long as this process lives it is the parent, and a container does not end while a process of it is not reaped.
		go x.process.Wait()
		return 0, nil
	}
	if x.process.Console != nil {
		x.input, x.output, x.to = x.process.Console, []*os.File{x.process.Console}, []*os.File{x.o.Out}
	}
	return x.attend(ctx)
}

// connect makes what lies between the caller's descriptors and the process's. As with `run`, a terminal of the caller's never enters the
// container; what is none is handed over as it is.
func (x *execution) connect(tty bool) error {
	if tty || x.o.Detach {
		return nil
	}
	if x.o.Interactive {
		if err := x.connectInput(x.o.In); err != nil {
			return err
		}
	}
	for i, f := range []*os.File{1: x.o.Out, 2: x.o.Err} {
		if f == nil {
			continue
		}
		if !isTerminal(f) {
			x.theirs[i], x.lent[i] = f, true
			continue
		}
		r, w, err := pipe()
		if err != nil {
			return err
		}
		x.theirs[i] = w
		x.output, x.to = append(x.output, r), append(x.to, f)
	}
	return nil
}

func (x *execution) connectInput(in *os.File) error {
	if in == nil || !isTerminal(in) {
		x.theirs[0], x.lent[0] = in, true
		return nil
	}
	r, w, err := pipe()
	x.theirs[0], x.input = r, w
	return err
}

// pipe gives a pipe that any user of the container may open again as /dev/stdout.
func pipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	unix.Fchmod(fds[0], 0o666)
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// close closes our copies of the process's ends.
func (x *execution) close() {
	for i, f := range x.theirs {
		if f != nil && !x.lent[i] {
			f.Close()
		}
	}
}

// attend carries the streams until the process ends, or the user detaches.
func (x *execution) attend(ctx context.Context) (int, error) {
	if x.process.Console != nil && x.o.Interactive {
		if err := x.terminal.raw(); err != nil {
			return 0, err
		}
		defer x.terminal.restore()
	}
	if x.input != nil && x.o.Interactive && x.o.In != nil {
		go x.copyInput(newKeyReader(x.o.In, x.keys))
	}
	stopSizes := x.terminal.follow(x.resize)
	defer stopSizes()
	// An interrupted exec leaves no process behind.
	stopSignals := monitor.CatchSignals(func(s syscall.Signal) { x.process.Signal(s) })
	defer stopSignals()
	stop := context.AfterFunc(ctx, func() { x.process.Signal(syscall.SIGKILL) })
	defer stop()
	copied := x.copyOutput()
	ended := make(chan result, 1)
	go func() {
		status, err := x.process.Wait()
		ended <- result{status.Code, err}
	}()
	select {
	case r := <-ended:
		<-copied
		return r.code, r.err
	case <-x.detached:
		return 0, ErrDetached
	}
}

type result struct {
	code int
	err  error
}

func (x *execution) copyInput(from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if _, failed := x.input.Write(buf[:n]); failed != nil {
			return
		}
		if errors.Is(err, ErrDetached) {
			close(x.detached)
			return
		}
		if err != nil {
			if x.process.Console == nil {
				x.input.Close()
			}
			return
		}
	}
}

// copyOutput copies what the process writes; the channel is closed when all is copied.
func (x *execution) copyOutput() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		parts := make(chan struct{})
		for i, from := range x.output {
			go func() {
				io.Copy(x.to[i], from) // EIO is a terminal's end
				from.Close()           // when nobody reads any more, the process is to learn it
				parts <- struct{}{}
			}()
		}
		for range x.output {
			<-parts
		}
	}()
	return done
}

func (x *execution) resize(z monitor.Size) {
	if c := x.process.Console; c != nil && z != (monitor.Size{}) {
		unix.IoctlSetWinsize(int(c.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: z.Rows, Col: z.Cols})
	}
}
