package seccomp

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Places in struct seccomp_data (linux/seccomp.h).
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// code is a piece of a program that jumps forward only, and never past its own end but for what its maker says.
type code []bpf.Instruction

// program is the whole filter: by architecture, then by number, then by arguments. Only the paths to rules with conditions
// read anything but number and architecture, so that the kernel can tell the calls that are always allowed
// (seccomp_is_const_allow) and skips the filter for them.
func program(h host, want [columns]bool, set *ruleSet) code {
	prog := code{load(offArch)}
	for _, sec := range h.sections {
		if !want[sec.regions[0].col] {
			continue
		}
		spans := set.spans(sec, want)
		body := append(code{load(offNr)}, search(spans, set.otherwise, sec.regions[0].col.wide())...)
		prog = append(prog, skipUnless(bpf.JumpEqual, sec.audit, body)...)
	}
	return append(prog, ret(unix.SECCOMP_RET_KILL_PROCESS))
}

// search finds, with the number in the accumulator, its run among spans and returns that run's verdict.
func search(spans []span, otherwise uint32, wide bool) code {
	if len(spans) == 1 {
		return spans[0].verdict.code(otherwise, wide)
	}
	mid := len(spans) / 2
	low := search(spans[:mid], otherwise, wide)
	high := search(spans[mid:], otherwise, wide)
	return append(skipUnless(bpf.JumpLessThan, spans[mid].start, low), high...)
}

// skipUnless runs body when the accumulator compares so with val, and goes on behind it when not. Conditional jumps reach
// 255 instructions only.
func skipUnless(test bpf.JumpTest, val uint32, body code) code {
	if len(body) <= math.MaxUint8 {
		return append(code{bpf.JumpIf{Cond: test, Val: val, SkipFalse: uint8(len(body))}}, body...)
	}
	return append(code{bpf.JumpIf{Cond: test, Val: val, SkipTrue: 1}, bpf.Jump{Skip: uint32(len(body))}}, body...)
}

// code returns what the first alternative says that holds.
func (v *verdict) code(otherwise uint32, wide bool) code {
	var out code
	for _, a := range v.alternatives {
		out = append(out, a.code(wide)...)
	}
	if len(v.alternatives) > 0 {
		return append(out, ret(otherwise))
	}
	return code{ret(v.ret)}
}

// code returns the alternative's result when all its conditions hold, and runs out of its end when one does not.
func (a alternative) code(wide bool) code {
	out := code{ret(a.ret)}
	for i := len(a.conds) - 1; i >= 0; i-- {
		out = append(a.conds[i].code(wide, uint8(len(out))), out...)
	}
	return out
}

// code runs out of its end when the condition holds, and skips fail instructions more when it does not.
func (c condition) code(wide bool, fail uint8) code {
	wide = wide && !c.narrow
	switch c.Op {
	case specs.OpMaskedEqual:
		return equal(c.Index, c.Value, c.ValueTwo, jumps{wide, 0, fail})
	case specs.OpEqualTo:
		return equal(c.Index, math.MaxUint64, c.Value, jumps{wide, 0, fail})
	case specs.OpNotEqual:
		return equal(c.Index, math.MaxUint64, c.Value, jumps{wide, fail, 0})
	case specs.OpGreaterThan:
		return greater(c.Index, bpf.JumpGreaterThan, c.Value, jumps{wide, 0, fail})
	case specs.OpGreaterEqual:
		return greater(c.Index, bpf.JumpGreaterOrEqual, c.Value, jumps{wide, 0, fail})
	case specs.OpLessThan:
		return greater(c.Index, bpf.JumpGreaterOrEqual, c.Value, jumps{wide, fail, 0})
	default: // OpLessEqual; readRules has refused all else
		return greater(c.Index, bpf.JumpGreaterThan, c.Value, jumps{wide, fail, 0})
	}
}

// jumps says on how many bits a test compares, and how many instructions it skips when it holds and when not.
type jumps struct {
	wide    bool
	yes, no uint8
}

// equal tests argument & mask == datum, upper half first.
func equal(arg uint, mask, datum uint64, j jumps) code {
	low := append(masked(offLow(arg), uint32(mask)), bpf.JumpIf{Val: uint32(datum), SkipTrue: j.yes, SkipFalse: j.no})
	if !j.wide {
		return low
	}
	high := append(masked(offHigh(arg), uint32(mask>>32)), bpf.JumpIf{Val: uint32(datum >> 32), SkipFalse: uint8(len(low)) + j.no})
	return append(high, low...)
}

// masked loads the word at off and the bits of mask of it.
func masked(off, mask uint32) code {
	if mask == math.MaxUint32 {
		return code{load(off)}
	}
	return code{load(off), bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask}}
}

// greater tests, with test, whether an argument is greater than datum (or equal): the upper half decides unless it is equal.
func greater(arg uint, test bpf.JumpTest, datum uint64, j jumps) code {
	low := code{load(offLow(arg)), bpf.JumpIf{Cond: test, Val: uint32(datum), SkipTrue: j.yes, SkipFalse: j.no}}
	if !j.wide {
		return low
	}
	return append(code{
		load(offHigh(arg)),
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(datum >> 32), SkipTrue: 3 + j.yes},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(datum >> 32), SkipFalse: 2 + j.no},
	}, low...)
}

// offLow and offHigh are the places of an argument's halves. Both hosts are little-endian.
func offLow(arg uint) uint32  { return offArgs + 8*uint32(arg) }
func offHigh(arg uint) uint32 { return offArgs + 8*uint32(arg) + 4 }

func load(off uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: off, Size: 4} }

func ret(value uint32) bpf.Instruction { return bpf.RetConstant{Val: value} }

// assemble gives the program as the kernel wants it: struct sock_filter of linux/filter.h.
func assemble(c code) ([]byte, error) {
	if len(c) > maxInstructions {
		return nil, ErrTooLong
	}
	raw, err := bpf.Assemble(c)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	out := make([]byte, 0, 8*len(raw))
	for _, r := range raw {
		out = binary.NativeEndian.AppendUint16(out, r.Op)
		out = append(out, r.Jt, r.Jf)
		out = binary.NativeEndian.AppendUint32(out, r.K)
	}
	return out, nil
}
