package monitor

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/health"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// healthFile holds what the health check of a running container has found: health.Status.
const healthFile = "health.json"

// ReadHealth reads what the health check of a running container has found; false: nothing yet.
func ReadHealth(p Place) (health.Status, bool) {
	var s health.Status
	err := ReadJSON(p.RunFile(healthFile), &s, 0)
	return s, err == nil
}

// lastHealth is what is kept of it when the run has ended. As in Docker a container that does not run is not healthy.
func (p Place) lastHealth() *health.Status {
	s, ok := ReadHealth(p)
	if !ok {
		return nil
	}
	s.Status = health.Unhealthy
	return &s
}

// ExecOf is the plan of one more process in a container that is like its first one: same user, rights and environment.
func ExecOf(first *child.Plan, process runtime.Ref) *runtime.ExecPlan {
	return &runtime.ExecPlan{
		Pid:             process.Pid,
		StartTime:       process.StartTime,
		Env:             first.Env,
		Cwd:             first.Cwd,
		User:            first.User,
		GroupAdd:        first.GroupAdd,
		KeepGroups:      first.KeepGroups,
		NoNewPrivileges: first.NoNewPrivileges,
		AppArmor:        first.AppArmor,
		SELinux:         first.SELinux,
		Seccomp:         first.Seccomp,
		SeccompFlags:    first.SeccompFlags,
		Caps:            first.Caps,
		Rlimits:         first.Rlimits,
		Umask:           first.Umask,
	}
}

// prober runs the health check of a container from the start of a run to its end.
type prober struct {
	k      *keeper
	plan   *runtime.ExecPlan
	status health.Status
	asked  chan chan<- int // somebody wants a check now, and its exit code
	stop   chan struct{}
	done   chan struct{}
}

// startProbes begins to check the container's health, as far as it has a check. before is what an earlier monitor has found in this run, or nil.
func (k *keeper) startProbes(process runtime.Ref, before *health.Status) {
	command := k.s.Health.Command()
	if command == nil {
		return
	}
	p := &prober{k: k, plan: ExecOf(k.s.Plan, process), asked: make(chan chan<- int), stop: make(chan struct{}), done: make(chan struct{})}
	p.plan.Args = command
	if before != nil {
		p.status = *before
	} else {
		p.status = health.Status{Status: health.Starting}
		p.write()
	}
	k.prober.Store(p)
	go p.loop()
}

// stopProbes ends that, and a check that is just being made.
func (k *keeper) stopProbes() {
	if p := k.prober.Swap(nil); p != nil {
		close(p.stop)
		<-p.done
	}
}

// probe makes a check now, for a client, and gives its exit code; noProbe when there is nothing to check.
func (k *keeper) probe() int {
	p := k.prober.Load()
	if p == nil {
		return noProbe
	}
	reply := make(chan int, 1)
	select {
	case p.asked <- reply:
	case <-p.done:
		return noProbe
	}
	select {
	case code := <-reply:
		return code
	case <-p.done:
		return noProbe
	}
}

const noProbe = -2

func (p *prober) loop() {
	defer close(p.done)
	check := p.k.s.Health
	timer := time.NewTimer(check.Next(&p.status, time.Since(p.k.began)))
	defer timer.Stop()
	for {
		var reply chan<- int
		select {
		case <-timer.C:
		case reply = <-p.asked:
		case <-p.stop:
			return
		}
		if g, err := p.k.s.Group(); reply != nil || err != nil || !g.Frozen() { // a paused one could not answer
			running := time.Since(p.k.began)
			result, ended := p.check(check.Limit())
			if !ended {
				return
			}
			p.add(result, running)
			if reply != nil {
				reply <- result.ExitCode
			}
		}
		timer.Reset(check.Next(&p.status, time.Since(p.k.began)))
	}
}

// add takes a result in, and does what is to be done about it.
func (p *prober) add(r health.Result, running time.Duration) {
	before := p.status.Status
	p.status.Add(p.k.s.Health, r, running)
	p.write()
	if p.status.Status != before {
		p.k.happened("health_status: " + p.status.Status)
	}
	switch p.status.Status {
	case health.Unhealthy:
		p.k.unhealthy()
	case health.Healthy:
		if before != health.Healthy {
			p.k.notifyHealthy()
		}
	}
}

// write publishes the status. That a full disk keeps it from that is the next check's to mend.
func (p *prober) write() { WriteJSON(p.k.s.RunFile(healthFile), p.status, Fleeting) }

// unhealthy does what --health-on-failure says.
func (k *keeper) unhealthy() {
	switch k.s.Health.OnFailure {
	case health.OnFailureKill:
		k.passOn(syscall.SIGKILL)
	case health.OnFailureStop:
		MarkStopped(k.s.Place, true)
		k.stopRun()
	case health.OnFailureRestart:
		MarkRestart(k.s.Place)
		k.stopRun()
	}
}

// stopRun ends a run as `stop` does, without waiting for it.
func (k *keeper) stopRun() {
	k.passOn(k.s.StopSignal)
	if k.s.StopTimeout >= 0 {
		k.grace.after(max(k.s.StopTimeout, time.Millisecond), k.passOn)
	}
}

// check runs the command once. It says no when the run of the container ended meanwhile.
func (p *prober) check(limit time.Duration) (r health.Result, ended bool) {
	r = health.Result{Start: time.Now(), ExitCode: -1}
	proc, output, err := p.start()
	if err != nil {
		r.Output, r.End = err.Error(), time.Now()
		return r, true
	}
	defer output.Close()
	text := make(chan string, 1)
	go func() { text <- readOutput(output, p.k.s.Health.MaxOutput()) }()
	status := make(chan int, 1)
	go func() {
		s, _ := proc.Wait()
		status <- s.Code
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	late := ""
	select {
	case r.ExitCode = <-status:
		ended = true
	case <-timer.C:
		late, ended = fmt.Sprintf("Health check exceeded timeout (%v)", limit), true
	case <-p.stop:
	}
	if late != "" || !ended {
		proc.Signal(syscall.SIGKILL)
		<-status
	}
	output.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // for what a process in the background still writes nobody waits
	r.Output, r.End = <-text, time.Now()
	if late != "" && r.Output != "" {
		late += ": "
	}
	r.Output = late + r.Output
	return r, ended
}

// start executes the command in the container; it gives the reading end of its output.
func (p *prober) start() (*runtime.Process, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	unix.SetNonblock(fds[0], true)
	output, theirs := os.NewFile(uintptr(fds[0]), "output"), os.NewFile(uintptr(fds[1]), "output")
	defer theirs.Close()
	o := runtime.StartOptions{Stdout: theirs, Stderr: theirs, KillWithParent: true}
	entered, err := p.k.enter(&o)
	if err != nil {
		output.Close()
		return nil, nil, err
	}
	defer entered()
	proc, err := runtime.Exec(p.plan, o)
	if err != nil {
		output.Close()
	}
	return proc, output, err
}

// readOutput reads to the end, and keeps the beginning.
func readOutput(from io.Reader, limit int) string {
	kept, buf := []byte(nil), make([]byte, 1024)
	more := ""
	for {
		n, err := from.Read(buf)
		room := min(n, limit-len(kept))
		kept = append(kept, buf[:room]...)
		if room < n {
			more = "..."
		}
		if err != nil {
			return string(kept) + more
		}
	}
}
