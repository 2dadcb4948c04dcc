package rootless

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

// Problem is something that the host lacks.
type Problem struct {
	What string // "newuidmap is not installed"
	Fix  string // the command or setting that mends it
}

// Problems lists what is missing for containers of the calling user, with the way to get it; nil when nothing is.
func Problems() []Problem {
	if !Rootless() {
		return nil
	}
	problems := switches()
	if _, err := tools(UID(), GID()); err != nil {
		problems = append(problems, Problem{err.Error(), subidFix(err)})
	}
	return problems
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
