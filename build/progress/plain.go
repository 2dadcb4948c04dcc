package progress

import (
	"fmt"
	"io"
	"time"
)

// antiFlicker is how long a step that is shown must be silent before another that has not ended is shown instead.
const antiFlicker = 5 * time.Second

// plain is BuildKit's plain output: blocks of lines "#<step> text", a block a step. A step whose block is left is marked by "...".
type plain struct {
	w       io.Writer
	current *Step // whose block is open
	last    time.Time
	waiting []*Step            // that have begun, or something to show, while another's block is open
	text    map[*Step][]string // what they have to show
	any     bool
}

func newPlain(w io.Writer) *plain { return &plain{w: w, text: map[*Step][]string{}} }

func (p *plain) event(s *Step, e event, text string) {
	if e != begin {
		p.text[s] = append(p.text[s], text)
	}
	switch {
	case e == end:
		p.show(s)
		p.current = nil
		p.next()
	case s == p.current || p.current == nil || e != begin && time.Since(p.last) > antiFlicker:
		p.show(s)
	default:
		p.wait(s)
	}
}

func (p *plain) wait(s *Step) {
	for _, w := range p.waiting {
		if w == s {
			return
		}
	}
	p.waiting = append(p.waiting, s)
}

// next opens the block of the first step that waits for it.
func (p *plain) next() {
	for len(p.waiting) > 0 && p.current == nil {
		s := p.waiting[0]
		p.waiting = p.waiting[1:]
		if s.result == "" {
			p.show(s)
		}
	}
}

// show writes what a step has to show, in its block.
func (p *plain) show(s *Step) {
	if p.current != s {
		p.turnTo(s)
	}
	for _, text := range p.text[s] {
		fmt.Fprintf(p.w, "#%d %s\n", s.number, text)
	}
	delete(p.text, s)
	p.last = time.Now()
}

func (p *plain) turnTo(s *Step) {
	if p.current != nil {
		fmt.Fprintf(p.w, "#%d ...\n", p.current.number)
		p.wait(p.current)
	}
	if p.any {
		fmt.Fprintln(p.w)
	}
	p.any, p.current = true, s
	fmt.Fprintf(p.w, "#%d %s\n", s.number, s.Name)
}

func (p *plain) close() {
	for _, s := range p.waiting {
		if len(p.text[s]) > 0 {
			p.show(s)
		}
	}
}
