package seccomp

import (
	"cmp"
	"math"
	"slices"

	"golang.org/x/sys/unix"
)

// span is a run of system call numbers, from start to the next span, that get the same verdict.
type span struct {
	start   uint32
	verdict *verdict
}

// killed is the verdict on calls of an architecture that the profile does not name.
var killed = &verdict{ret: unix.SECCOMP_RET_KILL_PROCESS}

// spans cuts the numbers that arrive with a section's value of seccomp_data.arch into runs. The first starts at 0, and all
// numbers are covered, so that a binary search finds the run of any.
func (s *ruleSet) spans(sec section, want [columns]bool) []span {
	otherwise, newer := &verdict{ret: s.otherwise}, &verdict{ret: s.newer}
	line := make([]span, 0, 256)
	for _, r := range sec.regions {
		if !want[r.col] {
			// -1 is a call that a tracer has cancelled; it goes as before (libseccomp).
			above := line[len(line)-1].verdict
			line = append(line, span{r.from, killed}, span{math.MaxUint32, above})
			continue
		}
		line = push(line, span{r.from, otherwise})
		entries := s.entries(r)
		for i, e := range entries {
			line = push(line, e)
			after := otherwise
			if i == len(entries)-1 {
				after = newer
			}
			line = push(line, span{e.start + 1, after})
		}
	}
	return line
}

// entries are the calls of a region that the profile names, by number, each once.
func (s *ruleSet) entries(r region) []span {
	list := make([]span, 0, len(calls))
	for i := range calls {
		nr := uint32(calls[i].nr[r.col])
		if s.named[i] && calls[i].nr[r.col] >= 0 && nr >= r.from && nr < r.to {
			list = append(list, span{nr, &s.verdicts[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return slices.CompactFunc(list, func(a, b span) bool { return a.start == b.start })
}

// push adds a run. One that begins where the last does takes its place, one that says the same continues it.
func push(line []span, s span) []span {
	if n := len(line); n > 0 && line[n-1].start == s.start {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1].verdict.same(s.verdict) {
		return line
	}
	return append(line, s)
}

// same says whether two verdicts are the same for all arguments.
func (v *verdict) same(o *verdict) bool {
	return v.ret == o.ret && len(v.alternatives) == 0 && len(o.alternatives) == 0
}
