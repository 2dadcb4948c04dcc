// Package child is the inside of a container's birth: the table of named steps from the new namespaces to the container's process.
//
// It is reached from a package initialiser, before any wide library is initialised, so it imports the standard
// library and golang.org/x/sys only.
package child

// Plan is all that the child needs to become the container's process: plain data, made by oci from a Config or a
// runtime specification, sent by the parent over a socket (package wire); on disk it is JSON. Order within the lists is the order of work.
type Plan struct {
	Hostname   string `json:"hostname,omitempty"`
	Domainname string `json:"domainname,omitempty"`

	// Clone holds the CLONE_NEW* flags of the namespaces that the parent makes with the child; the child makes its cgroup namespace itself,
	// when it is in its group. Those in Join are entered instead.
	Clone uintptr         `json:"clone"`
	Join  []NamespaceJoin `json:"join,omitempty"`

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

	Init bool     `json:"init,omitempty"` // stay as process 1: reap, forward signals
	Args []string `json:"args"`           // Args[0] is looked up in the PATH of Env
	Env  []string `json:"env,omitempty"`  // HOME is added from the passwd entry where it is missing
	// Cwd is made when it does not exist, owned by the container's root (Docker does).
	Cwd      string  `json:"cwd,omitempty"`
	Umask    *uint32 `json:"umask,omitempty"`
	Keyring  string  `json:"keyring,omitempty"`  // name of a new session keyring; "" keeps none
	KeepFDs  int     `json:"keepFds,omitempty"`  // descriptors 3 … 3+KeepFDs-1 stay open
	Rootless bool    `json:"rootless,omitempty"` // in a user namespace of an ordinary user: bind devices instead of mknod, userxattr overlay
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
	// remembers that it was filled, so that one that was emptied later stays empty.
	CopyUp   bool `json:"copyUp,omitempty"`
	Optional bool `json:"optional,omitempty"` // a failure is not an error (mqueue, cgroup, sysfs in a nested user namespace)
	File     bool `json:"file,omitempty"`     // the target is a file, made empty where it is missing
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
