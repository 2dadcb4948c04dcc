package seccomp

import (
	"math"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// narrowArgs names the arguments, a bit an index, whose type in the kernel is int or unsigned int: of those registers it never
// looks at the upper half (SYSCALL_DEFINE in fs/, kernel/, net/), so a filter must not either. The list is searched
// only for rules with conditions. clone's flags are an unsigned long of which the kernel takes lower_32_bits.
var narrowArgs = []struct {
	name string
	args uint8
}{
	{"socket", 1<<0 | 1<<1 | 1<<2},
	{"socketpair", 1<<0 | 1<<1 | 1<<2},
	{"socketcall", 1 << 0},
	{"personality", 1 << 0},
	{"clone", 1 << 0},
	{"ioctl", 1<<0 | 1<<1},
	{"fcntl", 1<<0 | 1<<1},
	{"fcntl64", 1<<0 | 1<<1},
	{"prctl", 1 << 0},
	{"arch_prctl", 1 << 0},
	{"setns", 1<<0 | 1<<1},
	{"open", 1<<1 | 1<<2},
	{"openat", 1<<0 | 1<<2 | 1<<3},
	{"creat", 1 << 1},
	{"chmod", 1 << 1},
	{"fchmod", 1<<0 | 1<<1},
	{"fchmodat", 1<<0 | 1<<2},
	{"fchmodat2", 1<<0 | 1<<2 | 1<<3},
	{"mkdir", 1 << 1},
	{"mkdirat", 1<<0 | 1<<2},
	{"mknod", 1<<1 | 1<<2},
	{"mknodat", 1<<0 | 1<<2 | 1<<3},
	{"accept4", 1<<0 | 1<<3},
	{"bind", 1<<0 | 1<<2},
	{"connect", 1<<0 | 1<<2},
	{"listen", 1<<0 | 1<<1},
	{"shutdown", 1<<0 | 1<<1},
	{"setsockopt", 1<<0 | 1<<1 | 1<<2 | 1<<4},
	{"getsockopt", 1<<0 | 1<<1 | 1<<2},
	{"sendto", 1<<0 | 1<<3 | 1<<5},
	{"sendmsg", 1<<0 | 1<<2},
	{"recvmsg", 1<<0 | 1<<2},
	{"kill", 1<<0 | 1<<1},
	{"tkill", 1<<0 | 1<<1},
	{"tgkill", 1<<0 | 1<<1 | 1<<2},
	{"futex", 1<<1 | 1<<2 | 1<<5},
	{"keyctl", 1 << 0},
	{"bpf", 1<<0 | 1<<2},
	{"seccomp", 1<<0 | 1<<1},
	{"kcmp", 1<<0 | 1<<1 | 1<<2},
	{"perf_event_open", 1<<1 | 1<<2 | 1<<3},
	{"quotactl", 1<<0 | 1<<2},
	{"reboot", 1<<0 | 1<<1 | 1<<2},
	{"syslog", 1<<0 | 1<<2},
	{"madvise", 1 << 2},
	{"memfd_create", 1 << 1},
	{"dup3", 1<<0 | 1<<1 | 1<<2},
	{"pipe2", 1 << 1},
	{"eventfd2", 1<<0 | 1<<1},
	{"signalfd4", 1<<0 | 1<<3},
	{"epoll_create1", 1 << 0},
	{"epoll_ctl", 1<<0 | 1<<1 | 1<<2},
	{"inotify_init1", 1 << 0},
	{"fanotify_init", 1<<0 | 1<<1},
	{"userfaultfd", 1 << 0},
	{"getrandom", 1 << 2},
	{"umount2", 1 << 1},
	{"open_tree", 1<<0 | 1<<2},
	{"move_mount", 1<<0 | 1<<2 | 1<<4},
	{"fsopen", 1 << 1},
	{"fsmount", 1<<0 | 1<<1 | 1<<2},
	{"fsconfig", 1<<0 | 1<<1 | 1<<4},
	{"fspick", 1<<0 | 1<<2},
	{"mount_setattr", 1<<0 | 1<<2},
	{"pidfd_open", 1<<0 | 1<<1},
	{"pidfd_getfd", 1<<0 | 1<<1 | 1<<2},
	{"pidfd_send_signal", 1<<0 | 1<<1 | 1<<3},
	{"process_madvise", 1<<0 | 1<<3 | 1<<4},
	{"io_uring_setup", 1 << 0},
	{"io_uring_enter", 1<<0 | 1<<1 | 1<<2 | 1<<3},
	{"io_uring_register", 1<<0 | 1<<1 | 1<<3},
	{"sched_setscheduler", 1<<0 | 1<<1},
	{"setuid", 1 << 0},
	{"setgid", 1 << 0},
	{"setreuid", 1<<0 | 1<<1},
	{"setregid", 1<<0 | 1<<1},
	{"setresuid", 1<<0 | 1<<1 | 1<<2},
	{"setresgid", 1<<0 | 1<<1 | 1<<2},
	{"prlimit64", 1<<0 | 1<<1},
	{"setrlimit", 1 << 0},
	{"getrlimit", 1 << 0},
	{"setpriority", 1<<0 | 1<<1 | 1<<2},
	{"iopl", 1 << 0},
	{"wait4", 1<<0 | 1<<2},
	{"unlinkat", 1<<0 | 1<<2},
	{"linkat", 1<<0 | 1<<2 | 1<<4},
	{"renameat2", 1<<0 | 1<<2 | 1<<4},
	{"execveat", 1<<0 | 1<<4},
	{"faccessat", 1<<0 | 1<<2},
	{"faccessat2", 1<<0 | 1<<2 | 1<<3},
	{"timerfd_create", 1<<0 | 1<<1},
}

// isNarrow says whether only the low 32 bits of an argument count. A value that a rule gives beyond the type's range stays
// a comparison of 64 bits: cut down it would hold for arguments that the rule does not mean.
func isNarrow(name string, arg specs.LinuxSeccompArg) bool {
	if !fits32(arg.Value) || !fits32(arg.ValueTwo) {
		return false
	}
	for _, n := range narrowArgs {
		if n.name == name {
			return n.args>>arg.Index&1 == 1
		}
	}
	return false
}

// fits32 says whether a value is one of 32 bits, without sign or sign-extended.
func fits32(v uint64) bool { return v <= math.MaxUint32 || int64(v) == int64(int32(v)) }
