package seccomp

import (
	"fmt"
	"slices"
	"sort"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxArgs is how many arguments a system call has.
const maxArgs = 6

// ruleSet is a profile by system call: what is returned for each row of the table of calls.
type ruleSet struct {
	otherwise uint32 // the default action
	newer     uint32 // for calls that are newer than all the profile names
	verdicts  [len(calls)]verdict
	named     [len(calls)]bool // the profile names it, if only to say what is the default anyway
}

// verdict is what is returned for one system call: that of the first alternative that holds, else ret.
type verdict struct {
	ret          uint32
	alternatives []alternative
	final        bool // an unconditional rule has spoken
}

// alternative is a rule whose conditions must all hold.
type alternative struct {
	ret   uint32
	conds []condition
}

// condition is a comparison of one argument. narrow: only the low 32 bits count.
type condition struct {
	specs.LinuxSeccompArg
	narrow bool
}

// readRules checks a profile's rules and sorts them by system call. Names that no architecture knows are skipped: profiles
// name calls of other architectures and of later kernels.
func readRules(p *specs.LinuxSeccomp) (*ruleSet, error) {
	otherwise, err := result(p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	set := &ruleSet{otherwise: otherwise, newer: newerResult(p.DefaultAction, otherwise)}
	for i := range set.verdicts {
		set.verdicts[i].ret = otherwise
	}
	for i := range p.Syscalls {
		if err := set.add(&p.Syscalls[i]); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// notifies says whether any call is a listener's to judge.
func (s *ruleSet) notifies() (found bool, err error) {
	sendmsg, _ := rowOf("sendmsg")
	for i := range s.verdicts {
		if s.verdicts[i].gives(unix.SECCOMP_RET_USER_NOTIF) {
			if i == sendmsg {
				return false, ErrNotify
			}
			found = true
		}
	}
	return found, nil
}

func (v *verdict) gives(ret uint32) bool {
	return v.ret == ret || slices.ContainsFunc(v.alternatives, func(a alternative) bool { return a.ret == ret })
}

// newerResult is what calls get that are newer than the profile: ENOSYS, so that programs fall back to the older call they
// know (runc's libcontainer/seccomp/patchbpf), unless the default lets them through or hands them to a tracer.
func newerResult(action specs.LinuxSeccompAction, otherwise uint32) uint32 {
	switch action {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
		return otherwise
	}
	return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
}

// add takes one rule of the profile in. A rule that says what the default says is only remembered as named (runc).
func (s *ruleSet) add(rule *specs.LinuxSyscall) error {
	ret, err := result(rule.Action, rule.ErrnoRet)
	if err != nil {
		return err
	}
	for _, arg := range rule.Args {
		if err := checkArg(arg); err != nil {
			return err
		}
	}
	groups := groupArgs(rule.Args)
	for _, name := range rule.Names {
		row, ok := rowOf(name)
		if !ok {
			continue
		}
		s.named[row] = true
		if ret != s.otherwise {
			s.verdicts[row].add(name, ret, groups)
		}
	}
	return nil
}

// add puts a rule behind those that are there. An unconditional rule wins over all conditional ones, the first over later ones.
func (v *verdict) add(name string, ret uint32, groups [][]specs.LinuxSeccompArg) {
	if v.final {
		return
	}
	if len(groups) == 0 {
		*v = verdict{ret: ret, final: true}
		return
	}
	for _, args := range groups {
		conds := make([]condition, len(args))
		for i, arg := range args {
			conds[i] = condition{arg, isNarrow(name, arg)}
		}
		v.alternatives = append(v.alternatives, alternative{ret, conds})
	}
}

// groupArgs gives the conjunctions of a rule's conditions: one of all, but each for itself when an argument occurs twice
// (runc: profiles from before conditions were ANDed).
func groupArgs(args []specs.LinuxSeccompArg) [][]specs.LinuxSeccompArg {
	if len(args) == 0 {
		return nil
	}
	var seen [maxArgs]bool
	for _, arg := range args {
		if !seen[arg.Index] {
			seen[arg.Index] = true
			continue
		}
		groups := make([][]specs.LinuxSeccompArg, len(args))
		for i := range args {
			groups[i] = args[i : i+1]
		}
		return groups
	}
	return [][]specs.LinuxSeccompArg{args}
}

func checkArg(arg specs.LinuxSeccompArg) error {
	if arg.Index >= maxArgs {
		return fmt.Errorf("seccomp profile: argument index %d is larger than %d", arg.Index, maxArgs-1)
	}
	if !slices.Contains(operators, arg.Op) {
		return fmt.Errorf("seccomp profile: unknown operator %q", arg.Op)
	}
	return nil
}

// operators are the comparisons of the specification.
var operators = []specs.LinuxSeccompOperator{specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
	specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual}

// rowOf finds a system call in the table.
func rowOf(name string) (int, bool) {
	i := sort.Search(len(calls), func(i int) bool { return calls[i].name >= name })
	return i, i < len(calls) && calls[i].name == name
}
