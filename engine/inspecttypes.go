package engine

import (
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"codeberg.org/hoy/hoy/oci/health"
)

// ContainerInspect is one container as `docker inspect` shows it. Source: Docker Engine API 1.47, ContainerInspect.
type ContainerInspect struct {
	ID              string `json:"Id"`
	Created         string // RFC 3339 with nanoseconds, UTC
	Path            string
	Args            []string
	State           InspectState
	Image           string // sha256:…
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	LogPath         string
	Name            string // with a slash
	RestartCount    int
	Driver          string
	Platform        string
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	ExecIDs         []string
	HostConfig      InspectHostConfig
	GraphDriver     GraphDriver
	Mounts          []InspectMount
	Config          InspectConfig
	NetworkSettings NetworkSettings
	SizeRw          *int64 `json:",omitempty"` // bytes of the container's own files; only when asked for
	SizeRootFs      *int64 `json:",omitempty"` // with those of its image
}

// InspectState is the State of ContainerInspect.
type InspectState struct {
	Status     string
	Running    bool
	Paused     bool
	Restarting bool
	OOMKilled  bool
	Dead       bool
	Pid        int
	ExitCode   int
	Error      string
	StartedAt  string // "0001-01-01T00:00:00Z" when there is none
	FinishedAt string
	Health     *health.Status `json:",omitempty"`
}

// InspectConfig is the Config of ContainerInspect and ImageInspect.
type InspectConfig struct {
	Hostname     string
	Domainname   string
	User         string
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Tty          bool
	OpenStdin    bool
	StdinOnce    bool
	Env          []string
	Cmd          []string
	Image        string
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	OnBuild      []string
	Labels       map[string]string
	StopSignal   string              `json:",omitempty"`
	StopTimeout  *int                `json:",omitempty"`
	Healthcheck  *InspectHealthcheck `json:",omitempty"`
}

// InspectHealthcheck is Config.Healthcheck. Times are in nanoseconds.
type InspectHealthcheck struct {
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
	OnFailure     string        `json:",omitempty"` // hoy's own
}

// InspectHostConfig is the HostConfig of ContainerInspect.
type InspectHostConfig struct {
	Binds           []string
	ContainerIDFile string
	LogConfig       LogConfig
	NetworkMode     string
	PortBindings    map[string][]PortBinding
	RestartPolicy   RestartPolicy
	AutoRemove      bool
	VolumeDriver    string
	VolumesFrom     []string
	ConsoleSize     [2]uint
	CapAdd          []string
	CapDrop         []string
	CgroupnsMode    string
	Dns             []string
	DnsOptions      []string
	DnsSearch       []string
	ExtraHosts      []string
	GroupAdd        []string
	IpcMode         string
	Cgroup          string
	Links           []string
	OomScoreAdj     int
	PidMode         string
	Privileged      bool
	PublishAllPorts bool
	ReadonlyRootfs  bool
	SecurityOpt     []string
	Tmpfs           map[string]string `json:",omitempty"`
	UTSMode         string
	IDMappings      *IDMappings `json:",omitempty"` // podman's, of a container with a user namespace of its own
	UsernsMode      string
	ShmSize         int64
	Sysctls         map[string]string `json:",omitempty"`
	Runtime         string
	Isolation       string
	InspectResources
	Devices       []InspectDevice
	Ulimits       []InspectUlimit
	Mounts        []HostMount `json:",omitempty"`
	MaskedPaths   []string
	ReadonlyPaths []string
	Init          *bool             `json:",omitempty"`
	Annotations   map[string]string `json:",omitempty"`
}

// LogConfig is the log driver and its options.
type LogConfig struct {
	Type   string
	Config map[string]string
}

// RestartPolicy is HostConfig.RestartPolicy.
type RestartPolicy struct {
	Name              string
	MaximumRetryCount int
}

// PortBinding is one host address and port.
type PortBinding struct {
	HostIp   string
	HostPort string
}

// InspectDevice is one device of HostConfig.Devices.
type InspectDevice struct {
	PathOnHost        string
	PathInContainer   string
	CgroupPermissions string
}

// InspectUlimit is one limit of HostConfig.Ulimits.
type InspectUlimit struct {
	Name string
	Hard int64
	Soft int64
}

// HostMount is one `--mount` in HostConfig.Mounts.
type HostMount struct {
	Type     string
	Source   string `json:",omitempty"`
	Target   string
	ReadOnly bool `json:",omitempty"`
}

// InspectMount is one of ContainerInspect.Mounts.
type InspectMount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string `json:",omitempty"`
	Mode        string
	RW          bool
	Propagation string
}

// GraphDriver says where an object's file system is.
type GraphDriver struct {
	Name string
	Data map[string]string
}

// NetworkSettings is ContainerInspect.NetworkSettings.
type NetworkSettings struct {
	SandboxID  string
	SandboxKey string
	Ports      map[string][]PortBinding

	EndpointID          string
	Gateway             string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	MacAddress          string

	Networks map[string]*EndpointSettings
}

// EndpointSettings is a container's place on one network.
type EndpointSettings struct {
	NetworkID           string
	EndpointID          string
	Gateway             string
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	MacAddress          string
	Aliases             []string
	DNSNames            []string
}

// ImageInspect is one image as `docker image inspect` shows it. Source: Docker Engine API 1.47, ImageInspect.
type ImageInspect struct {
	ID           string `json:"Id"` // sha256:…
	RepoTags     []string
	RepoDigests  []string
	Parent       string
	Comment      string
	Created      string
	Author       string
	Config       *v1.ImageConfig
	Architecture string
	Variant      string `json:",omitempty"`
	Os           string
	Size         int64
	GraphDriver  GraphDriver
	RootFS       ImageRootFS
	Metadata     ImageMetadata
}

// ImageRootFS lists an image's layers by the digest of their uncompressed archive.
type ImageRootFS struct {
	Type   string
	Layers []string `json:",omitempty"`
}

// ImageMetadata is what the local store knows besides.
type ImageMetadata struct {
	LastTagTime string
}

// IDMappings are the ids of a container's own user namespace, each CONTAINER:OUTSIDE:COUNT.
type IDMappings struct {
	UidMap, GidMap []string //nolint:revive // podman's names
}
