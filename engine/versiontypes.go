package engine

// Version is what `version` shows. There is no server: Server describes the same binary, because scripts read
// `{{.Server.Version}}`. Source: docker/cli, cli/command/system/version.go.
type Version struct {
	Client ClientVersion
	Server ServerVersion
}

// ClientVersion is Version.Client.
type ClientVersion struct {
	Version           string
	APIVersion        string `json:"ApiVersion"`
	DefaultAPIVersion string `json:"DefaultAPIVersion"`
	GitCommit         string
	GoVersion         string
	Os                string
	Arch              string
	BuildTime         string
	Context           string
}

// ServerVersion is Version.Server.
type ServerVersion struct {
	Platform      PlatformName
	Version       string
	APIVersion    string `json:"ApiVersion"`
	MinAPIVersion string
	GitCommit     string
	GoVersion     string
	Os            string
	Arch          string
	KernelVersion string
	BuildTime     string
	Components    []Component
}

// PlatformName is a product's name.
type PlatformName struct {
	Name string
}

// Component is one part of the engine with its version.
type Component struct {
	Name    string
	Version string
	Details map[string]string
}

// Info is what `info` shows. Source: Docker Engine API 1.47, SystemInfo; fields that have no meaning without a daemon are left out.
type Info struct {
	ID                 string
	Containers         int
	ContainersRunning  int
	ContainersPaused   int
	ContainersStopped  int
	Images             int
	Driver             string
	DriverStatus       [][2]string
	Plugins            InfoPlugins
	MemoryLimit        bool
	SwapLimit          bool
	PidsLimit          bool
	IPv4Forwarding     bool
	LoggingDriver      string
	CgroupDriver       string
	CgroupVersion      string
	KernelVersion      string
	OperatingSystem    string
	OSVersion          string
	OSType             string
	Architecture       string
	NCPU               int
	MemTotal           int64
	DockerRootDir      string
	Name               string
	ServerVersion      string
	DefaultRuntime     string
	Runtimes           map[string]InfoRuntime
	SecurityOptions    []string
	IndexServerAddress string
	Warnings           []string
	Rootless           bool
	RunDir             string
	Version            InfoVersion
}

// InfoVersion is the platform as scripts ask for it: {{.Version.OsArch}}.
type InfoVersion struct {
	Version string
	OsArch  string
}

// InfoPlugins lists what an engine offers by kind.
type InfoPlugins struct {
	Volume  []string
	Network []string
	Log     []string
}

// InfoRuntime is one OCI runtime.
type InfoRuntime struct {
	Path string `json:"path"`
}
