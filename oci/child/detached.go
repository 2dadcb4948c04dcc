package child

import (
	"strings"

	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// mounted is a mount that this process holds by its root, usually detached: it is nowhere in the tree yet.
type mounted struct {
	fd       int
	dir      bool // its root is a directory
	attached bool
	skipped  bool    // an optional one that could not be made
	volume   *volume // to be filled before it is mounted; else nil
}

func rootOf(fd int) inroot.Root { return inroot.Root(fd) }

// newMount makes a new file system and a detached mount of it with the MOUNT_ATTR_* attributes. The error for an option that the
// file system does not take has that option as its Path.
func newMount(kind string, options []option, attrs int) (mounted, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return mounted{}, err
	}
	defer unix.Close(fs)
	for _, o := range options {
		if o.value == "" {
			err = unix.FsconfigSetFlag(fs, o.key)
		} else {
			err = unix.FsconfigSetString(fs, o.key, o.value)
		}
		if err != nil {
			return mounted{}, at(o.String(), err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return mounted{}, explained(fs, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs)
	return mounted{fd: fd, dir: true}, err
}

// explained adds what the kernel wrote into the context of a file system that it would not make, "e overlay: …".
func explained(fs int, err error) error {
	buf := make([]byte, 256)
	n, readErr := unix.Read(fs, buf)
	if readErr != nil || n < 3 {
		return err
	}
	return because("", strings.TrimSpace(string(buf[2:n])), err)
}

// option is one option of a file system: a flag when value is empty.
type option struct{ key, value string }

// String is the option as mount(8) takes it.
func (o option) String() string { return strings.TrimSuffix(o.key+"="+o.value, "=") }

// refused says whether err is a file system that does not know the option key, or its value.
func refused(err error, key string) bool {
	if err == nil {
		return false
	}
	e := AsStep("", err)
	name, _, _ := strings.Cut(e.Path, "=")
	return e.Errno == unix.EINVAL && name == key
}

// optionsOf are the options of a new file system, with the source that mountinfo will show.
func optionsOf(m *Mount) []option {
	if m.Source == "" {
		return parseOptions(m.Data)
	}
	return append([]option{{"source", m.Source}}, parseOptions(m.Data)...)
}

// parseOptions takes "size=64m,mode=1777,ro" apart.
func parseOptions(data string) []option {
	var o []option
	for _, field := range strings.Split(data, ",") {
		if field == "" {
			continue
		}
		key, value, _ := strings.Cut(field, "=")
		o = append(o, option{key, value})
	}
	return o
}

// openTree makes a detached copy of the mount at a path, with all that is mounted below it when recursive. An empty path means dir itself.
func openTree(dir int, path string, recursive bool) (mounted, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(dir, path, flags)
	if err != nil {
		return mounted{}, err
	}
	st, err := fstat(fd)
	return mounted{fd: fd, dir: isDir(st)}, err
}

// setAttrs changes the attributes of the mount that fd is the root of, and with AT_RECURSIVE those below it.
func setAttrs(fd int, flags uint, a *unix.MountAttr) error {
	return unix.MountSetattr(fd, "", flags|unix.AT_EMPTY_PATH, a)
}

// attach puts a detached mount on what the descriptor target names, whatever its path has become meanwhile (CVE-2021-30465).
func attach(m mounted, target int) error {
	const flags = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	return unix.MoveMount(m.fd, "", target, "", flags)
}

func fstat(fd int) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return st, err
}

func isDir(st unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFDIR }

// isOn says whether an open file is on a file system of the kind magic (statfs(2)).
func isOn(fd int, magic int64) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && int64(st.Type) == magic
}
