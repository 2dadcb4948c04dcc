// Package progress shows how a build goes on, in the words of BuildKit's plain output or as a list on a terminal that is drawn anew.
package progress

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// tickEvery is how often a terminal is drawn anew while nothing happens.
const tickEvery = 500 * time.Millisecond

// tailLines is how many of a step's last lines are kept to be shown again when it fails.
const tailLines = 10

// Printer shows the steps of one build. Its methods, and those of its steps, may be called by several goroutines.
type Printer struct {
	mu      sync.Mutex
	display display
	count   int

	stop   chan struct{} // ends the clock of a terminal; nil without one
	ticked sync.WaitGroup
}

// display shows what happens. It is called under the printer's lock.
type display interface {
	// event is called when a step begins, has a line to show, or ends.
	event(s *Step, e event, text string)
	close()
}

type event int

const (
	begin event = iota
	note
	line
	end
)

// New makes a printer. The mode is "quiet", "tty" or "plain".
func New(w io.Writer, mode string) *Printer {
	switch mode {
	case "quiet":
		return &Printer{display: quiet{}}
	case "tty":
		return newTicking(newTTY(w))
	}
	return &Printer{display: newPlain(w)}
}

// newTicking draws a terminal anew from time to time, so that the seconds go on while nothing happens.
func newTicking(t *tty) *Printer {
	p := &Printer{display: t, stop: make(chan struct{})}
	p.ticked.Go(func() {
		tick := time.NewTicker(tickEvery)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				p.mu.Lock()
				t.draw()
				p.mu.Unlock()
			}
		}
	})
	return p
}

// Close ends the display.
func (p *Printer) Close() {
	if p.stop != nil {
		close(p.stop)
		p.ticked.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.display.close()
}

// Step is one step of a build.
type Step struct {
	Name string

	printer *Printer
	number  int // as it is shown; given when it begins
	started time.Time
	ended   time.Time
	result  string // "DONE 0.1s", "CACHED", "ERROR: …", "CANCELED"; "" while it goes on
	partial []byte // a line that has not ended
	tail    []string
}

// Step makes a step. Nothing is shown until it begins.
func (p *Printer) Step(name string) *Step { return &Step{Name: name, printer: p} }

// Begin shows that the step begins. Further calls do nothing.
func (s *Step) Begin() {
	s.printer.mu.Lock()
	defer s.printer.mu.Unlock()
	s.begin()
}

func (s *Step) begin() {
	if s.number > 0 {
		return
	}
	s.printer.count++
	s.number, s.started = s.printer.count, time.Now()
	s.printer.display.event(s, begin, "")
}

// Note shows a line about the step.
func (s *Step) Note(format string, args ...any) {
	s.printer.mu.Lock()
	defer s.printer.mu.Unlock()
	s.begin()
	s.printer.display.event(s, note, fmt.Sprintf(format, args...))
}

// Write shows what the step's command writes, a line at a time with the seconds since the step began.
func (s *Step) Write(data []byte) (int, error) {
	s.printer.mu.Lock()
	defer s.printer.mu.Unlock()
	s.begin()
	s.partial = append(s.partial, data...)
	for {
		i := bytes.IndexByte(s.partial, '\n')
		if i < 0 {
			return len(data), nil
		}
		s.line(string(bytes.TrimSuffix(s.partial[:i], []byte("\r"))))
		s.partial = s.partial[i+1:]
	}
}

func (s *Step) line(text string) {
	text = fmt.Sprintf("%.3f %s", time.Since(s.started).Seconds(), text)
	s.tail = append(s.tail, text)
	if len(s.tail) > tailLines {
		s.tail = s.tail[1:]
	}
	s.printer.display.event(s, line, text)
}

// Tail gives the last lines that the step's command wrote.
func (s *Step) Tail() []string {
	s.printer.mu.Lock()
	defer s.printer.mu.Unlock()
	return s.tail
}

// Done shows that the step is done.
func (s *Step) Done() {
	s.end(func(seconds float64) string { return fmt.Sprintf("DONE %.1fs", seconds) })
}

// Cached shows that there was nothing to do.
func (s *Step) Cached() { s.end(func(float64) string { return "CACHED" }) }

// Failed shows why the step could not be done.
func (s *Step) Failed(err error) { s.end(func(float64) string { return "ERROR: " + err.Error() }) }

// Canceled shows that the step, if it had begun, was given up because another failed or the build was interrupted.
func (s *Step) Canceled() {
	if s.begun() {
		s.end(func(float64) string { return "CANCELED" })
	}
}

func (s *Step) begun() bool {
	s.printer.mu.Lock()
	defer s.printer.mu.Unlock()
	return s.number > 0
}

func (s *Step) end(result func(seconds float64) string) {
	s.printer.mu.Lock()
	defer s.printer.mu.Unlock()
	if s.result != "" {
		return
	}
	s.begin()
	if len(s.partial) > 0 {
		s.line(string(s.partial))
		s.partial = nil
	}
	s.ended = time.Now()
	s.result = result(s.ended.Sub(s.started).Seconds())
	s.printer.display.event(s, end, s.result)
}

// quiet shows nothing.
type quiet struct{}

func (quiet) event(*Step, event, string) {}
func (quiet) close()                     {}
