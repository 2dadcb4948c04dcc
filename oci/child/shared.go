package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// openShared opens the file system of a volume that is mounted with the first container that uses it and goes with the last. It is in no mount
// namespace but theirs, so that no crash leaves it: who comes later copies the mount of one that runs. m.Shared names those, one a line; who has it
// locked is being born, and the lock goes with its exec.
func (b *birth) openShared(m *Mount) (mounted, error) {
	file, err := os.OpenFile(m.Shared, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return mounted{}, err
	}
	b.shared = append(b.shared, file)
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return mounted{}, at(m.Shared, err)
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return mounted{}, err
	}
	users := runningUsers(string(data))
	got, err := b.mountOfUser(m, users)
	if err != nil {
		return got, err
	}
	self, err := selfUser(got.fd, m.Target)
	if err != nil {
		return got, err
	}
	var list strings.Builder
	for _, u := range append(users, self) {
		fmt.Fprintf(&list, "%s %s %d %q\n", u.pid, u.start, u.dev, u.target)
	}
	if err := file.Truncate(0); err != nil {
		return got, at(m.Shared, err)
	}
	_, err = file.WriteAt([]byte(list.String()), 0)
	return got, at(m.Shared, err)
}

// mountOfUser copies the mount of one who has it, or makes the file system.
func (b *birth) mountOfUser(m *Mount, users []sharedUser) (mounted, error) {
	for _, u := range users {
		f, err := userns.MountOf("/proc/"+u.pid, u.target)
		if err != nil {
			if _, running := startOf(u.pid); !running {
				continue
			}
			if errors.Is(err, os.ErrPermission) {
				err = errors.New("another container has this volume mounted, in a user namespace of its own: as root they can share it")
			}
			return mounted{}, err
		}
		defer f.Close()
		if dev, err := deviceOf(int(f.Fd())); err != nil || dev != u.dev { // the container has led the path elsewhere
			continue
		}
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return mounted{}, err
		}
		const attrs = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
		return mounted{fd: fd, dir: true}, setAttrs(fd, 0, &unix.MountAttr{Attr_clr: attrs &^ uint64(m.Flags), Attr_set: uint64(m.Flags)})
	}
	got, err := b.newFileSystem(m)
	if err == unix.EPERM {
		err = because("", "an ordinary user may not mount a file system of type "+m.Type, err)
	}
	return got, err
}

// sharedUser is a container that has the file system of a volume mounted.
type sharedUser struct {
	pid    string
	start  string // field 22 of /proc/PID/stat
	dev    uint64
	target string
}

// selfUser is the container that this process becomes. It comes while the host's /proc is in sight.
func selfUser(mount int, target string) (u sharedUser, err error) {
	if u.pid, err = os.Readlink("/proc/self"); err != nil {
		return u, err
	}
	u.start, _ = startOf(u.pid)
	u.target = target
	u.dev, err = deviceOf(mount)
	return u, err
}

func deviceOf(fd int) (uint64, error) {
	st, err := fstat(fd)
	return st.Dev, err
}

// runningUsers reads those that still run.
func runningUsers(list string) (running []sharedUser) {
	for line := range strings.Lines(list) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) < 4 {
			continue
		}
		u := sharedUser{pid: fields[0], start: fields[1]}
		u.dev, _ = strconv.ParseUint(fields[2], 10, 64)
		u.target, _ = strconv.Unquote(fields[3])
		if start, ok := startOf(u.pid); ok && start == u.start {
			running = append(running, u)
		}
	}
	return running
}

// startOf says when a process began, and whether it runs: it is not one that nobody has waited for.
func startOf(pid string) (start string, running bool) {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", false
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return "", false
	}
	return fields[19], !strings.Contains("ZX", fields[0])
}
