// Package oci describes containers as data: the Config that flags write, the image config, and the runtime specification made from both.
package oci

import (
	"time"

	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/oci/health"
	"codeberg.org/hoy/hoy/oci/restart"
	"codeberg.org/hoy/hoy/oci/userns"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// ConfigVersion is the version that Config files on disk carry. A newer one is refused, an older one is migrated when it is read.
const ConfigVersion = 1

// Config describes one container, whole: flags, compose files and kube files write it, it is stored as it is in
// containers/<id>/config.json, and `inspect` and the runtime specification read it. A value that the image gave
// (entrypoint, user, environment …) is already merged in when the container is created.
type Config struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`   // 64 lower-case hexadecimal digits
	Name    string    `json:"name"` // without Docker's leading slash
	Created time.Time `json:"created"`

	Image    string `json:"image"`              // as the user typed it
	ImageID  string `json:"imageId"`            // digest of the image config, 64 hexadecimal digits
	Platform string `json:"platform,omitempty"` // os/arch[/variant] asked for
	Rootfs   string `json:"rootfs,omitempty"`   // a directory instead of an image

	// The process. Docker: Config.Entrypoint, Config.Cmd, Config.Env, Config.User, Config.WorkingDir.
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	Env        []string `json:"env,omitempty"`  // K=V, the image's first, then the user's; no duplicates
	User       string   `json:"user,omitempty"` // user[:group], by name or number, resolved in the container's root
	GroupAdd   []string `json:"groupAdd,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	EnvRules   EnvRules `json:"-"` // how MergeImage makes Env
	Tty        bool     `json:"tty,omitempty"`
	OpenStdin  bool     `json:"openStdin,omitempty"` // -i
	Init       bool     `json:"init,omitempty"`
	Systemd    string   `json:"systemd,omitempty"` // "true": when the command is systemd; "always"; see PrepareSystemd

	Attach      []string          `json:"attach,omitempty"` // -a: "stdin", "stdout", "stderr"; nil means Docker's default
	Detach      bool              `json:"detach,omitempty"`
	AutoRemove  bool              `json:"autoRemove,omitempty"` // --rm
	SigProxy    bool              `json:"sigProxy,omitempty"`
	DetachKeys  string            `json:"detachKeys,omitempty"`
	Umask       string            `json:"umask,omitempty"`       // octal; "" means 0022
	StopSignal  string            `json:"stopSignal,omitempty"`  // "" means SIGTERM
	StopTimeout *int              `json:"stopTimeout,omitempty"` // seconds; nil means 10
	Restart     restart.Policy    `json:"restart,omitzero"`
	Healthcheck *health.Check     `json:"healthcheck,omitempty"` // nil: none
	Timeout     int               `json:"timeout,omitempty"`     // seconds after which a run is killed; 0: never
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Ports       []string          `json:"exposedPorts,omitempty"` // "80/tcp", from the image and --expose

	// Identity and isolation.
	Accounts   Accounts `json:"accounts,omitzero"`
	Timezone   string   `json:"timezone,omitempty"` // of zoneinfo, or "local": /etc/localtime; "" means the image's
	Hostname   string   `json:"hostname,omitempty"` // "" means the first 12 digits of ID
	Domainname string   `json:"domainname,omitempty"`
	Privileged bool     `json:"privileged,omitempty"`
	CapAdd     []string `json:"capAdd,omitempty"` // with or without CAP_, or ALL
	CapDrop    []string `json:"capDrop,omitempty"`

	SecurityOpt []string          `json:"securityOpt,omitempty"` // as typed; Security reads them
	Network     string            `json:"network,omitempty"`     // NetworkMode reads it; "" means the default network
	PidMode     string            `json:"pidMode,omitempty"`
	IpcMode     string            `json:"ipcMode,omitempty"`
	UTSMode     string            `json:"utsMode,omitempty"`
	UsernsMode  string            `json:"usernsMode,omitempty"`
	UIDMap      []string          `json:"uidMap,omitempty"` // --uidmap, as typed; Userns reads them
	GIDMap      []string          `json:"gidMap,omitempty"`
	IDMap       *userns.Map       `json:"idMap,omitempty"` // of the container's own user namespace, made of these at its creation; nil: it has none
	CgroupnsMod string            `json:"cgroupnsMode,omitempty"`
	Sysctls     map[string]string `json:"sysctls,omitempty"`
	Ulimits     []Ulimit          `json:"ulimits,omitempty"`
	OomScoreAdj int               `json:"oomScoreAdj,omitempty"`

	// The root and what is mounted on it.
	ReadOnly bool     `json:"readOnly,omitempty"`
	ShmSize  int64    `json:"shmSize,omitempty"` // bytes; 0 means 64 MiB
	Mounts   []Mount  `json:"mounts,omitempty"`  // in the order they are to be mounted
	Devices  []Device `json:"devices,omitempty"`
	CDI      []string `json:"cdi,omitempty"` // devices by name, vendor/class=name; what they need is looked up at each start
	// Hooks are those of the devices in CDI, and known for one start only: nothing that is stored names a program of the host's.
	Hooks *specs.Hooks `json:"-"`
	// VolumesFrom are the containers whose mounts were taken over into Mounts, as typed.
	VolumesFrom []string `json:"volumesFrom,omitempty"`
	ImageVolume string   `json:"imageVolume,omitempty"` // the image's own: "anonymous" (default), "tmpfs", "ignore"
	// RootfsOverlay leaves Rootfs as it is: what the container writes is its own.
	RootfsOverlay bool `json:"rootfsOverlay,omitempty"`

	Secrets []Secret `json:"secrets,omitempty"`

	Resources Resources `json:"resources,omitzero"`

	// Networks are all networks of a container with NetworkBridge, the first one that of Network. Empty: the default one.
	Networks   []Network     `json:"networks,omitempty"`
	Publish    []record.Port `json:"publish,omitempty"`    // -p, as typed: the host's port may be a range, or 0
	PublishAll bool          `json:"publishAll,omitempty"` // -P
	Links      []string      `json:"links,omitempty"`      // "container:alias"
	NoHosts    bool          `json:"noHosts,omitempty"`    // the image's own /etc/hosts

	Dns        []string `json:"dns,omitempty"` // or NoDNS
	DnsSearch  []string `json:"dnsSearch,omitempty"`
	DnsOptions []string `json:"dnsOptions,omitempty"`
	ExtraHosts []string `json:"extraHosts,omitempty"` // "name:address"

	// What becomes known outside of hoy.
	Runtime        string `json:"runtime,omitempty"`        // --runtime, as typed: hoy's own, whatever OCI runtime it names
	Pidfile        string `json:"pidfile,omitempty"`        // gets the container's process id at each start
	MonitorPidfile string `json:"monitorPidfile,omitempty"` // gets its monitor's
	SdNotify       string `json:"sdNotify,omitempty"`       // who tells systemd that the service is up: "conmon" (default: its monitor), "container", "healthy" (its monitor, after a good health check), "ignore"

	LogDriver string            `json:"logDriver,omitempty"` // of LogDrivers; "" is "json-file"
	LogOpts   map[string]string `json:"logOpts,omitempty"`
}

// EnvRules say what a container's environment has besides the image's and the user's variables, and what not.
type EnvRules struct {
	Host     []string // K=V, under the image's
	Merge    []string // K=V, in whose values ${K} is what K was until then
	Unset    []string // names of the image's that are left out
	UnsetAll bool     // leave out all of the image's
}

// Accounts say what /etc/passwd and /etc/group of a container are to have besides what the image says.
type Accounts struct {
	HostUsers []string `json:"hostUsers,omitempty"` // the host's users with these names, and their groups
	// User adds the container's user when Config.User is a number that the image has no name for, and its group likewise.
	User bool `json:"user,omitempty"`
	// UserEntry and GroupEntry are the lines of those, with $USERNAME, $UID, $GID, $NAME and $HOME, or $GROUPNAME, $GID and $USERLIST; "" for the usual ones.
	UserEntry  string `json:"userEntry,omitempty"`
	GroupEntry string `json:"groupEntry,omitempty"`
}

// MountType says what a Mount takes its content from. The values are Docker's.
type MountType string

// The mount types.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountTmpfs  MountType = "tmpfs"
	MountImage  MountType = "image"
	MountDevpts MountType = "devpts" // podman's
	MountRamfs  MountType = "ramfs"  // podman's
	MountGlob   MountType = "glob"   // podman's: a bind of each path that fits; the command line replaces it by these
)

// Mount is one `-v`, `--mount`, `--tmpfs` or image VOLUME.
type Mount struct {
	Type         MountType `json:"type"`
	Source       string    `json:"source,omitempty"`       // an absolute host path, or a volume's name; "" for an anonymous volume until create names it
	Target       string    `json:"target"`                 // absolute, inside the container
	ReadOnly     bool      `json:"readOnly,omitempty"`     // recursively, as Docker since 25
	TopOnly      bool      `json:"topOnly,omitempty"`      // bind: ReadOnly is for the mount itself, not for those below it (bind-recursive=writable)
	NonRecursive bool      `json:"nonRecursive,omitempty"` // bind: leave out what is mounted below the source (bind-recursive=disabled)
	Propagation  string    `json:"propagation,omitempty"`  // rprivate (default), private, rshared, shared, rslave, slave
	NoCopy       bool      `json:"noCopy,omitempty"`       // volumes: do not fill an empty one from the image
	Subpath      string    `json:"subpath,omitempty"`
	Create       bool      `json:"create,omitempty"`    // bind: make a missing source a directory (-v does, --mount does not)
	Anonymous    bool      `json:"anonymous,omitempty"` // volumes: removed with the container by --rm and rm -v
	Options      []string  `json:"options,omitempty"`   // tmpfs and bind: further mount options, "noexec", "size=64m", "mode=1777"
	Relabel      string    `json:"relabel,omitempty"`   // "z" or "Z" (SELinux); "" none

	// Chown gives the source, with all below it, to the container's user before it is mounted.
	Chown bool `json:"chown,omitempty"`
	// Overlay leaves the source as it is: what the container writes goes with it, or is in Upper, with overlay's scratch directory Work.
	Overlay bool   `json:"overlay,omitempty"`
	Upper   string `json:"upper,omitempty"`
	Work    string `json:"work,omitempty"`
	// IDMap shows the owners of the source's files as others: see ParseIDMap; "" as they are.
	IDMap string `json:"idMap,omitempty"`
	// CopyUp fills a tmpfs from the image.
	CopyUp bool `json:"copyUp,omitempty"`
	// Image and Layer are what an image mount's Source was when the container was created: its id and that of its top layer.
	Image string `json:"image,omitempty"`
	Layer string `json:"layer,omitempty"`
	// VolumeLabels and VolumeOptions are those of a volume that this mount makes; once it is there, the volume's own options.
	VolumeLabels  map[string]string `json:"volumeLabels,omitempty"`
	VolumeOptions map[string]string `json:"volumeOptions,omitempty"`
}

// Lasting says whether what is mounted is there while the container does not run.
func (m *Mount) Lasting() bool {
	return m.Type == MountBind && !m.Overlay || m.Type == MountVolume && !m.Overlay && !m.FileSystem() || m.Type == MountImage
}

// FileSystem says whether it is a volume that is a file system of its own, mounted with the first container that uses it, and no directory.
func (m *Mount) FileSystem() bool {
	kind := m.VolumeOptions["type"]
	return m.Type == MountVolume && kind != "" && kind != "none" && kind != "bind"
}

// Device is one `--device`.
type Device struct {
	Source      string `json:"source"`      // host path
	Target      string `json:"target"`      // path in the container
	Permissions string `json:"permissions"` // of "rwm"
}

// Ulimit is one `--ulimit`, with the name as Docker spells it ("nofile") and -1 for unlimited.
type Ulimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}
