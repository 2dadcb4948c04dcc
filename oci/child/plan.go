// Package child is the inside of a container's birth: the table of named steps from the new namespaces to the container's process.
//
// It is reached from a package initialiser, before any wide library is initialised, so it imports the standard
// library and golang.org/x/sys only.
package child

import "codeberg.org/hoy/hoy/oci/userns"

// Plan is all that the child needs to become the container's process: plain data, made by oci from a Config or a
// runtime specification, sent by the parent over a socket (package wire); on disk it is JSON. Order within the lists is the order of work.
type Plan struct {
	Hostname   string `json:"hostname,omitempty"`
	Domainname string `json:"domainname,omitempty"`
	Rename     bool   `json:"rename,omitempty"` // set both in a UTS namespace that is joined too

	// Clone holds the CLONE_NEW* flags of the namespaces that the parent makes with the child; the child makes its cgroup namespace itself,
	// when it is in its group. Those in Join are entered instead.
	Clone uintptr         `json:"clone"`
	Join  []NamespaceJoin `json:"join,omitempty"`
	// TimeOffsets are lines of /proc/PID/timens_offsets for a new time namespace, which the parent writes.
	TimeOffsets []string `json:"timeOffsets,omitempty"`

	// Userns is the container's own user namespace, in which the child is born; nil: the parent's.
	Userns *Userns `json:"userns,omitempty"`

	// HostMounts leaves the child in the parent's mount namespace: the root is mounted there, on Rootfs.Bind, and becomes "/" by chroot(2). Who starts the child takes it off.
	HostMounts bool `json:"hostMounts,omitempty"`

	Rootfs      Rootfs   `json:"rootfs"`
	Propagation uintptr  `json:"propagation,omitempty"` // MS_* for the root; 0 means MS_PRIVATE|MS_REC
	Mounts      []Mount  `json:"mounts,omitempty"`
	Devices     []Device `json:"devices,omitempty"`
	Masked      []string `json:"masked,omitempty"`
	ReadOnly    []string `json:"readOnly,omitempty"`
	Sysctls     []KV     `json:"sysctls,omitempty"`

	Terminal bool     `json:"terminal,omitempty"`
	Rows     uint16   `json:"rows,omitempty"`
	Cols     uint16   `json:"cols,omitempty"`
	Rlimits  []Rlimit `json:"rlimits,omitempty"`
	OOMScore *int     `json:"oomScore,omitempty"`

	NoNewPrivileges bool   `json:"noNewPrivileges,omitempty"`
	Seccomp         []byte `json:"seccomp,omitempty"` // struct sock_filter, native order; empty: no filter
	SeccompFlags    uint   `json:"seccompFlags,omitempty"`
	Caps            Caps   `json:"caps"`

	// User is Docker's user[:group] by name or number; the child resolves it in the container's own /etc/passwd and
	// /etc/group. When IDs is set it wins, and nothing is looked up.
	User     string   `json:"user,omitempty"`
	GroupAdd []string `json:"groupAdd,omitempty"`
	IDs      *IDs     `json:"ids,omitempty"`
	// KeepGroups leaves the process the supplementary groups that its parent has, in place of its user's.
	KeepGroups bool `json:"keepGroups,omitempty"`

	Accounts *Accounts `json:"accounts,omitempty"` // what the files of users are to have besides; nil: nothing

	Init bool     `json:"init,omitempty"` // stay as process 1: reap, forward signals
	Args []string `json:"args"`           // Args[0] is looked up in the PATH of Env
	Env  []string `json:"env,omitempty"`  // HOME is added from the passwd entry where it is missing
	// Cwd is made when it does not exist, owned by the container's root (Docker does).
	Cwd     string  `json:"cwd,omitempty"`
	Umask   *uint32 `json:"umask,omitempty"`
	Hooks   Hooks   `json:"hooks,omitzero"`
	NoPivot bool    `json:"noPivot,omitempty"` // where the host's root is the initial ramfs: chroot(2) in place of pivot_root(2)
	// Personality is personality(2)'s, nil to keep the parent's.
	Personality *uint32 `json:"personality,omitempty"`
	// AppArmor and SELinux are what the command is executed as; "" leaves it to the kernel.
	AppArmor string `json:"appArmor,omitempty"`
	SELinux  string `json:"selinux,omitempty"`
	// MountLabel is the SELinux context of the file systems that are made.
	MountLabel string `json:"mountLabel,omitempty"`
	Keyring    string `json:"keyring,omitempty"` // name of a new session keyring; "" keeps none
	KeepFDs    int    `json:"keepFds,omitempty"` // descriptors 3 … 3+KeepFDs-1 stay open
	// ListenPID adds the process's number to Env: some of the descriptors are sockets for it (sd_listen_fds(3)). Not with Init.
	ListenPID bool `json:"listenPid,omitempty"`
	Rootless  bool `json:"rootless,omitempty"` // in a user namespace of an ordinary user: bind devices instead of mknod, userxattr overlay
}

// Userns is a container's own user namespace. What the child cannot open as a stranger there, the parent opens for it (OpenGiven).
type Userns struct {
	Map  userns.Map `json:"map"`            // its Outside ids are the parent's
	Path string     `json:"path,omitempty"` // one that exists, with that map
	// OfNetwork says that it is the owner of the network namespace in Join, which was made for the container. Else, without Path, it is made.
	OfNetwork bool `json:"ofNetwork,omitempty"`
}

// NamespaceJoin is a namespace to enter instead of making one.
type NamespaceJoin struct {
	Type uintptr `json:"type"` // CLONE_NEW*
	Path string  `json:"path"` // /proc/PID/ns/… or a bound file
}

// Rootfs is the container's root: an overlay of Lower (top first) under Upper, or, without Lower, the directory Bind.
type Rootfs struct {
	Lower    []string `json:"lower,omitempty"`
	Upper    string   `json:"upper,omitempty"` // "" with Lower: a read-only overlay
	Work     string   `json:"work,omitempty"`
	Volatile bool     `json:"volatile,omitempty"` // nothing of it has to survive a power cut
	Bind     string   `json:"bind,omitempty"`
	ReadOnly bool     `json:"readOnly,omitempty"` // made read-only after all mounts are in place
	Data     []string `json:"data,omitempty"`     // overlay's data-only layers: where files of Lower without content have it
	// Mapped shows all directories with the owners that the map of Plan.Userns gives them: what is on disk is as without it.
	Mapped bool `json:"mapped,omitempty"`
}

// Mount is one mount in the container. The target is opened in-root, so a symbolic link of the image's cannot lead out.
type Mount struct {
	Type   string `json:"type,omitempty"` // "bind", or a file system: "proc", "tmpfs", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2"
	Source string `json:"source,omitempty"`
	// Subpath is a path below Source that is mounted in its place, opened in-root: links in Source cannot lead out of it.
	Subpath string  `json:"subpath,omitempty"`
	Target  string  `json:"target"`
	Flags   uintptr `json:"flags,omitempty"` // MOUNT_ATTR_* of mount_setattr(2): RDONLY, NOSUID, NODEV, NOEXEC …
	Clear   uintptr `json:"clear,omitempty"` // MOUNT_ATTR_* that are taken away
	// Recursive binds what is mounted below the source as well, and Flags and Clear hold for all of it, unless TopOnly.
	Recursive   bool    `json:"recursive,omitempty"`
	TopOnly     bool    `json:"topOnly,omitempty"`
	Propagation uintptr `json:"propagation,omitempty"` // MS_SHARED, MS_SLAVE, MS_PRIVATE, with MS_REC
	Data        string  `json:"data,omitempty"`        // file system options, comma separated
	// CopyUp fills an empty bind source from what the image has at Target, ownership and mode included, before it is mounted
	// (Docker: the first use of a volume). The source's first use is serialised by a file "copyup" beside it, which also
	// remembers that it was filled, so that one that was emptied later stays empty. A tmpfs is filled each time.
	CopyUp bool `json:"copyUp,omitempty"`
	// Layers is an overlay that is mounted in the place of a Source.
	Layers *Rootfs `json:"layers,omitempty"`
	// Chown gives the source, with all below it on its file system, to the container's user.
	Chown    bool `json:"chown,omitempty"`
	Optional bool `json:"optional,omitempty"` // a failure is not an error (mqueue, cgroup, sysfs in a nested user namespace)
	File     bool `json:"file,omitempty"`     // the target is a file, made empty where it is missing
	// IDMap shows the files of a bind with other owners: its Inside ids are those on disk, its Outside ids those that whoever opens the
	// source knows them by. The kernel allows it to root of the user namespace that the file system belongs to.
	IDMap *userns.Map `json:"idMap,omitempty"`
	// Of is a process, /proc/PID, in whose mount namespace the Source of a bind is; "": here.
	Of string `json:"of,omitempty"`
	// Shared is a file in which those are noted who have the file system mounted, when it is that of a volume; else "".
	Shared string `json:"shared,omitempty"`
	// Adopt gives an empty volume that nobody has filled to the container's root, whom it does not belong to without an id map.
	Adopt bool `json:"adopt,omitempty"`
}

// Device is a node below /dev, made with mknod or, in a user namespace, bound from the host's Source.
type Device struct {
	Path   string `json:"path"`
	Source string `json:"source,omitempty"`
	Type   string `json:"type"` // "c", "b", "p"
	Major  uint32 `json:"major"`
	Minor  uint32 `json:"minor"`
	Mode   uint32 `json:"mode"`
	UID    uint32 `json:"uid,omitempty"`
	GID    uint32 `json:"gid,omitempty"`
}

// Accounts are lines for /etc/passwd and /etc/group.
type Accounts struct {
	Passwd []string `json:"passwd,omitempty"` // whole lines, added where the file has no such name
	Group  []string `json:"group,omitempty"`
	// UserEntry is the line of the container's user when that is a number without one: $USERNAME, $UID, $GID, $NAME and $HOME are
	// filled in. GroupEntry is that of its group: $GROUPNAME, $GID and $USERLIST. "" adds none.
	UserEntry  string `json:"userEntry,omitempty"`
	GroupEntry string `json:"groupEntry,omitempty"`
}

// KV is a name and a value, in order.
type KV struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Rlimit is one setrlimit(2).
type Rlimit struct {
	Resource int    `json:"resource"` // RLIMIT_*
	Soft     uint64 `json:"soft"`
	Hard     uint64 `json:"hard"`
}

// Caps are the five capability sets, a bit a capability.
type Caps struct {
	Bounding    uint64 `json:"bounding"`
	Effective   uint64 `json:"effective"`
	Permitted   uint64 `json:"permitted"`
	Inheritable uint64 `json:"inheritable,omitempty"`
	Ambient     uint64 `json:"ambient,omitempty"`
}

// IDs are the numeric identity of the process.
type IDs struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
}
