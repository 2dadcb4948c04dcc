package rootless

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Problem is something that the host lacks.
type Problem struct {
	What string // "newuidmap is not installed"
	Fix  string // the command or setting that mends it
}

// Problems lists what is missing for containers of the calling user, with the way to get it; nil when nothing is.
func Problems() []Problem {
	var problems []Problem
	if release := kernelRelease(); tooOld(release) {
		problems = append(problems, Problem{"Linux " + release + " is too old", "boot Linux 5.12 or newer"})
	}
	if !Rootless() {
		return problems
	}
	problems = append(problems, switches()...)
	if _, err := tools(UID(), GID()); err != nil {
		problems = append(problems, Problem{err.Error(), subidFix(err)})
	}
	return problems
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// tooOld says whether a kernel lacks what containers are made with: mount_setattr(2) is the newest of it. One whose release cannot be read is not.
func tooOld(release string) bool {
	const major, minor = 5, 12
	first, rest, _ := strings.Cut(release, ".")
	second := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	m, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(second)
	return err1 == nil && err2 == nil && (m < major || m == major && n < minor)
}

// kernelSwitches are the settings with which a host forbids user namespaces to ordinary users.
var kernelSwitches = []struct{ file, bad, what, fix string }{
	{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor keeps unknown programs from making user namespaces",
		"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give hoy a profile with `userns,`"},
}

func switches() []Problem {
	var found []Problem
	for _, s := range kernelSwitches {
		if value, err := os.ReadFile(s.file); err == nil && strings.TrimSpace(string(value)) == s.bad {
			found = append(found, Problem{s.what, s.fix})
		}
	}
	return found
}

// refusals explains why the kernel refused a user namespace.
func refusals(err error) []Problem {
	if found := switches(); len(found) > 0 {
		return found
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EUSERS):
		return []Problem{{"there are too many user namespaces, or the limit in one around this is 0", "raise user.max_user_namespaces where this runs"}}
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return []Problem{{"the kernel or a container around this one forbids it", "run hoy as root, or allow unshare and clone with CLONE_NEWUSER in the outer container's seccomp profile"}}
	case errors.Is(err, syscall.EINVAL):
		return []Problem{{"the kernel was built without user namespaces", "run hoy as root"}}
	}
	return nil
}

// subidFix is the command that gives a user more than one id.
func subidFix(missing error) string {
	if _, err := lookPath("newuidmap"); err != nil {
		return "install the package with newuidmap: apt-get install uidmap, or dnf install shadow-utils"
	}
	if strings.Contains(missing.Error(), "has no line") {
		return "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + orUID(userName(UID()), UID())
	}
	return "see that newuidmap and newgidmap are setuid root and that /etc/subuid and /etc/subgid name this user"
}
