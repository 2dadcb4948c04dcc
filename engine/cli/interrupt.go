package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// impatience is how long after the first signal a second one is taken for the same: timeout(1) and shells signal a process and then its
// group, and so may hit it twice.
const impatience = 500 * time.Millisecond

// interruptible gives a context that the first SIGINT or SIGTERM ends, so that what was begun can be cleared away. A little later the
// signals do again what they did before: the next one kills. done comes at the command's end; it gives no signals back, which takes the Go runtime longer than
// the rest of the program.
func (s *session) interruptible(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	finish := make(chan struct{})
	go func() {
		select {
		case <-finish:
			return
		case <-signals:
			cancel()
		}
		select {
		case <-finish:
		case <-time.After(impatience):
			signal.Stop(signals)
		}
	}()
	return ctx, func() {
		close(finish)
		cancel()
	}
}
