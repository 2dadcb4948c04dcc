package bundle

import (
	"os"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// RunOptions are those of `run`.
type RunOptions struct {
	CreateOptions
	Detach bool
	Keep   bool // do not remove the container when it has ended
	// Console connects the caller's terminal with the container's, until done is called.
	Console func(master *os.File) (done func(), err error)
}

// Run creates and starts a container, and, unless it is detached, waits for its end and gives its exit code.
func (r *Runtime) Run(id string, o RunOptions) (code int, err error) {
	o.attached = !o.Detach
	b, err := r.begin(id, &o.CreateOptions)
	if err != nil {
		return 0, err
	}
	between, err := b.o.interpose(o.Detach)
	if err == nil {
		err = b.create(false)
	}
	between.handOver()
	if err == nil {
		code, err = b.run(&o, between)
	}
	if err != nil {
		b.undo()
		return 0, err
	}
	b.lock.Close()
	if o.Detach || o.Keep {
		return code, nil
	}
	return code, b.remove()
}

// run lets the command go. From here on the container exists; what fails is its own.
func (b *birth) run(o *RunOptions, between *pipes) (code int, err error) {
	state, err := b.hookState(specs.StateCreated)
	if err != nil {
		return 0, err
	}
	err = b.process.GoWith(state)
	b.notified.close()
	if err != nil {
		b.process = nil // it has been reaped
		return 0, err
	}
	if err := b.started(b.spec); err != nil || o.Detach {
		return 0, err
	}
	return attend(b.process, o.Console, between)
}

// attend stays with a process in the foreground until it ends, and passes signals on to it.
func attend(p *runtime.Process, console func(*os.File) (func(), error), between *pipes) (int, error) {
	stop := monitor.CatchSignals(func(s syscall.Signal) { p.Signal(s) })
	defer stop()
	if p.Console != nil && console != nil {
		done, err := console(p.Console)
		if err != nil {
			return 0, err
		}
		defer done()
	}
	status, err := p.Wait()
	between.wait()
	return status.Code, err
}

// pipes stand between a terminal of the caller's and a container without one (TIOCSTI, CVE-2017-5226).
type pipes struct {
	theirs []*os.File
	copied []chan struct{}
}

// interpose puts pipes in the place of terminals. Who detaches has chosen what it gives.
func (o *CreateOptions) interpose(detach bool) (*pipes, error) {
	p := new(pipes)
	if detach {
		return p, nil
	}
	for i, f := range o.Stdio {
		if f == nil || !isTerminal(f) {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return p, err
		}
		if i == 0 {
			o.Stdio[i] = r
			p.theirs = append(p.theirs, r)
			go func() { // nobody waits for it: a read of a terminal cannot be ended
				copyAll(w, f)
				w.Close()
			}()
			continue
		}
		o.Stdio[i] = w
		p.theirs = append(p.theirs, w)
		done := make(chan struct{})
		p.copied = append(p.copied, done)
		go func() {
			copyAll(f, r)
			close(done)
		}()
	}
	return p, nil
}

// handOver closes the container's ends on our side.
func (p *pipes) handOver() {
	for _, f := range p.theirs {
		f.Close()
	}
}

// wait waits until all is shown that was written.
func (p *pipes) wait() {
	for _, c := range p.copied {
		<-c
	}
}

func copyAll(to, from *os.File) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
