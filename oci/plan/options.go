package plan

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mountAttrs are the mount options that are attributes of one mount: what they set and what they take away (mount_setattr(2)).
// With the prefix r (rro, rnosuid …) they hold for all mounts below as well.
var mountAttrs = []struct {
	name       string
	set, clear uintptr
}{
	{"ro", unix.MOUNT_ATTR_RDONLY, 0},
	{"rw", 0, unix.MOUNT_ATTR_RDONLY},
	{"nosuid", unix.MOUNT_ATTR_NOSUID, 0},
	{"suid", 0, unix.MOUNT_ATTR_NOSUID},
	{"nodev", unix.MOUNT_ATTR_NODEV, 0},
	{"dev", 0, unix.MOUNT_ATTR_NODEV},
	{"noexec", unix.MOUNT_ATTR_NOEXEC, 0},
	{"exec", 0, unix.MOUNT_ATTR_NOEXEC},
	{"nodiratime", unix.MOUNT_ATTR_NODIRATIME, 0},
	{"diratime", 0, unix.MOUNT_ATTR_NODIRATIME},
	{"noatime", unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME},
	{"atime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	{"relatime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	{"norelatime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	{"strictatime", unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME},
	{"nostrictatime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	{"nosymfollow", unix.MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"symfollow", 0, unix.MOUNT_ATTR_NOSYMFOLLOW},
}

// propagationFlags gives the flags of mount(2) for the words of mount propagation.
var propagationFlags = []struct {
	name  string
	flags uintptr
}{
	{"private", unix.MS_PRIVATE},
	{"rprivate", unix.MS_PRIVATE | unix.MS_REC},
	{"shared", unix.MS_SHARED},
	{"rshared", unix.MS_SHARED | unix.MS_REC},
	{"slave", unix.MS_SLAVE},
	{"rslave", unix.MS_SLAVE | unix.MS_REC},
	{"unbindable", unix.MS_UNBINDABLE},
	{"runbindable", unix.MS_UNBINDABLE | unix.MS_REC},
}

// superblockWords are options without value of the whole file system, not of one mount of it.
var superblockWords = []string{"sync", "async", "dirsync", "mand", "nomand", "iversion", "noiversion", "silent", "loud"}

// mountOptions are options of a mount, sorted by where the kernel takes them.
type mountOptions struct {
	set, clear  uintptr
	propagation uintptr
	bind        bool // "bind" or "rbind"
	recursive   bool // "rbind"
	idmap       bool // "idmap" or "ridmap": the files are shown with the container's ids
	deep        bool // an attribute holds for the mounts below as well ("rro")
	data        []string
}

// readMountOptions sorts options. A later one wins over an earlier one that says otherwise.
func readMountOptions(options []string) mountOptions {
	var m mountOptions
	for _, o := range options {
		switch o {
		case "bind":
			m.bind = true
		case "rbind":
			m.bind, m.recursive = true, true
		case "idmap", "ridmap":
			m.idmap = true
		case "", "defaults", "remount":
		default:
			if !m.attribute(o) && !m.propagate(o) {
				m.data = append(m.data, o)
			}
		}
	}
	return m
}

// attribute takes o when it is an attribute of a mount.
func (m *mountOptions) attribute(o string) bool {
	for _, a := range mountAttrs {
		plain := a.name == o
		if !plain && !(o[0] == 'r' && o[1:] == a.name) {
			continue
		}
		m.set = m.set&^a.clear | a.set
		m.clear = m.clear&^a.set | a.clear
		m.deep = m.deep || !plain
		return true
	}
	return false
}

// propagate takes o when it is a word of mount propagation.
func (m *mountOptions) propagate(o string) bool {
	flags := propagationOf(o)
	if flags != 0 {
		m.propagation = flags
	}
	return flags != 0
}

// propagationOf gives the flags of mount(2) for a word; 0 where there is none.
func propagationOf(word string) uintptr {
	for _, p := range propagationFlags {
		if p.name == word {
			return p.flags
		}
	}
	return 0
}

// IsMountWord says whether o is an option that every file system takes.
func IsMountWord(o string) bool {
	if o == "" {
		return false
	}
	var m mountOptions
	return m.attribute(o) || m.propagate(o) || slices.Contains(superblockWords, o)
}

// dataString gives the options for the file system itself. "async" and its kin say what holds anyway.
func (m *mountOptions) dataString() string {
	m.data = slices.DeleteFunc(m.data, func(o string) bool {
		return o == "async" || o == "nomand" || o == "noiversion" || o == "loud" || o == "silent"
	})
	return strings.Join(m.data, ",")
}

// MountWords are the options of mounts that are known by name, for `features`. Others are the file system's own.
func MountWords() []string {
	words := []string{"bind", "rbind", "defaults", "remount", "tmpcopyup", "idmap"}
	for _, a := range mountAttrs {
		words = append(words, a.name, "r"+a.name)
	}
	for _, p := range propagationFlags {
		words = append(words, p.name)
	}
	words = append(words, superblockWords...)
	slices.Sort(words)
	return slices.Compact(words)
}
