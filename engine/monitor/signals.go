package monitor

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// CatchSignals calls pass for the signals that this process gets and that `run`, `start`, `attach` and `exec` pass on: all but those that concern
// hoy's own terminal, children, pipes and scheduler. SIGPIPE is caught and dropped. After stop all are dropped: the program is about to end.
func CatchSignals(pass func(syscall.Signal)) (stop func()) {
	ready, stop := catch(pass, firstSignals, otherSignals())
	<-ready
	return stop
}

// firstSignals are those that somebody may send in the first moments of a container.
var firstSignals = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE,
}

// lateSignals is when the others are caught: catching one costs the Go runtime 30 µs and a change of threads, and there are sixty.
const lateSignals = 50 * time.Millisecond

// otherSignals are all that firstSignals does not have and that are passed on.
func otherSignals() []os.Signal {
	var list []os.Signal
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE:
		case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH: // not passed on
		case syscall.SIGKILL, syscall.SIGSTOP, 32, 33: // cannot be caught, or are the C library's
		case syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGSYS: // hoy's own faults
		default:
			list = append(list, s)
		}
	}
	return list
}

// catch calls pass for the signals first, from when ready is closed, and for the signals late from lateSignals on, until stop. After that they do
// nothing: to give sixty signals back takes the Go runtime as long as to catch them, and this program ends soon.
func catch(pass func(syscall.Signal), first, late []os.Signal) (ready <-chan struct{}, stop func()) {
	caught := make(chan os.Signal, 64)
	begun, done, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		signal.Notify(caught, first...)
		close(begun)
		timer := time.NewTimer(lateSignals)
		defer timer.Stop()
		for {
			select {
			case s := <-caught:
				if number, ok := s.(syscall.Signal); ok && number != syscall.SIGPIPE {
					pass(number)
				}
			case <-timer.C:
				if len(late) > 0 {
					signal.Notify(caught, late...)
				}
			case <-done:
				return
			}
		}
	}()
	return begun, func() {
		close(done)
		<-ended
	}
}
