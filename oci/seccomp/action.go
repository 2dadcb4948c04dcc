package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxErrno is the kernel's MAX_ERRNO: a filter cannot return a larger one.
const maxErrno = 4095

// result is the value that a filter returns for an action of the specification. errno counts for the actions that carry
// one, and is EPERM when it is nil (runc).
func result(action specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	value := uint32(unix.EPERM)
	if errno != nil {
		if *errno > maxErrno {
			return 0, fmt.Errorf("seccomp profile: errno %d is too large", *errno)
		}
		value = uint32(*errno)
	}
	switch action {
	case specs.ActErrno:
		return unix.SECCOMP_RET_ERRNO | value, nil
	case specs.ActTrace:
		return unix.SECCOMP_RET_TRACE | value, nil
	}
	plain, ok := plainResult(action)
	if !ok {
		return 0, fmt.Errorf("seccomp profile: unknown action %q", action)
	}
	if errno != nil {
		return 0, fmt.Errorf("seccomp profile: action %s takes no errno", action)
	}
	return plain, nil
}

// plainResult is the filter result of the actions that carry no value.
func plainResult(action specs.LinuxSeccompAction) (uint32, bool) {
	switch action {
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, true
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, true
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, true
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, true
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, true
	case specs.ActNotify:
		return unix.SECCOMP_RET_USER_NOTIF, true
	}
	return 0, false
}

// filterFlags are the flags for seccomp(2). Without a list runc sets SPEC_ALLOW. TSYNC has no meaning before exec, and
// WAIT_KILLABLE_RECV none without a listener (the kernel would refuse it), whom a profile has that notifies.
func filterFlags(list []specs.LinuxSeccompFlag, notifies bool) (uint, error) {
	flags := uint(0)
	if notifies {
		flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	if list == nil {
		return flags | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, nil
	}
	for _, f := range list {
		switch f {
		case specs.LinuxSeccompFlagLog:
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case specs.LinuxSeccompFlagWaitKillableRecv:
			if notifies {
				flags |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
			}
		case "SECCOMP_FILTER_FLAG_TSYNC":
		default:
			return 0, fmt.Errorf("seccomp profile: unknown flag %q", f)
		}
	}
	return flags, nil
}
