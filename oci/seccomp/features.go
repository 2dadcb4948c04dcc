package seccomp

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Actions are those that a profile may name.
func Actions() []string {
	return []string{string(specs.ActAllow), string(specs.ActErrno), string(specs.ActKill), string(specs.ActKillProcess), string(specs.ActKillThread),
		string(specs.ActLog), string(specs.ActTrace), string(specs.ActTrap)}
}

// Operators are those that a profile may compare arguments by.
func Operators() []string {
	return []string{string(specs.OpEqualTo), string(specs.OpGreaterEqual), string(specs.OpGreaterThan), string(specs.OpLessEqual),
		string(specs.OpLessThan), string(specs.OpMaskedEqual), string(specs.OpNotEqual)}
}

// Archs are the architectures whose system calls can be filtered.
func Archs() []string {
	var list []string
	for _, a := range columnsOf {
		list = append(list, string(a.arch))
	}
	slices.Sort(list)
	return list
}

// Flags are those that a profile may have.
func Flags() []string {
	return []string{string(specs.LinuxSeccompFlagLog), string(specs.LinuxSeccompFlagSpecAllow), "SECCOMP_FILTER_FLAG_TSYNC"}
}
