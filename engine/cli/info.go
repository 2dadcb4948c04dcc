package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/rootless"
)

// hostInfo is what `info` knows: the engine's view, and what the host lacks.
type hostInfo struct {
	*engine.Info
	Problems   []rootless.Problem
	ClientInfo clientInfo
}

// clientInfo is Docker's ClientInfo, which scripts ask for Plugins and Context.
type clientInfo struct {
	Debug bool
	engine.ClientVersion
	Plugins  []string
	Warnings []string
}

func infoCommand(s *session) *command {
	var text string
	return &command{
		args:    "[OPTIONS]",
		short:   "Display system-wide information",
		aliases: []string{"system info", "info"},
		flags: []*flags.Flag{
			flags.Bool(&s.global.debug, "debug,D", "Enable debug mode").Hide(), // podman's place for the global flag
			objectFormatFlag(&text),
		},
		run: func(context.Context, []string) error {
			if text != "" {
				return s.printValue(text, func() (any, error) { return s.info() })
			}
			i, err := s.info()
			if err != nil {
				return err
			}
			return s.printInfo(i)
		},
	}
}

func (s *session) info() (*hostInfo, error) {
	e, err := s.open()
	if err != nil {
		return nil, err
	}
	i, err := e.Info()
	if err != nil {
		return nil, err
	}
	v, err := s.version()
	if err != nil {
		return nil, err
	}
	return &hostInfo{
		Info:       i,
		Problems:   rootless.Problems(),
		ClientInfo: clientInfo{Debug: s.global.debug, ClientVersion: v.Client, Plugins: []string{}},
	}, nil
}

// printInfo is Docker's layout, and under it what is missing. Source: docker/cli, cli/command/system/info.go.
func (s *session) printInfo(i *hostInfo) error {
	var b strings.Builder
	c := &i.ClientInfo
	fmt.Fprintf(&b, "Client:\n Version:    %s\n Context:    %s\n Debug Mode: %t\n\nServer:\n", c.Version, c.Context, c.Debug)
	fmt.Fprintf(&b, " Containers: %d\n  Running: %d\n  Paused: %d\n  Stopped: %d\n Images: %d\n",
		i.Containers, i.ContainersRunning, i.ContainersPaused, i.ContainersStopped, i.Images)
	line(&b, "Server Version", i.ServerVersion)
	line(&b, "Storage Driver", i.Driver)
	for _, pair := range i.DriverStatus {
		fmt.Fprintf(&b, "  %s: %s\n", pair[0], pair[1])
	}
	line(&b, "Logging Driver", i.LoggingDriver)
	line(&b, "Cgroup Driver", i.CgroupDriver)
	line(&b, "Cgroup Version", i.CgroupVersion)
	fmt.Fprintf(&b, " Plugins:\n  Volume: %s\n  Network: %s\n  Log: %s\n",
		strings.Join(i.Plugins.Volume, " "), strings.Join(i.Plugins.Network, " "), strings.Join(i.Plugins.Log, " "))
	line(&b, "Runtimes", strings.Join(slices.Sorted(maps.Keys(i.Runtimes)), " "))
	line(&b, "Default Runtime", i.DefaultRuntime)
	securityOptions(&b, i.SecurityOptions)
	line(&b, "Kernel Version", i.KernelVersion)
	line(&b, "Operating System", i.OperatingSystem)
	line(&b, "OSType", i.OSType)
	line(&b, "Architecture", i.Architecture)
	fmt.Fprintf(&b, " CPUs: %d\n Total Memory: %s\n", i.NCPU, format.Memory(i.MemTotal))
	line(&b, "Name", i.Name)
	line(&b, "ID", i.ID)
	line(&b, "Docker Root Dir", i.DockerRootDir)
	line(&b, "Run Dir", i.RunDir)
	fmt.Fprintf(&b, " Debug Mode: %t\n", c.Debug)
	if len(i.Problems) > 0 {
		b.WriteString(" Missing on this host:\n")
	}
	for _, p := range i.Problems {
		fmt.Fprintf(&b, "  %s\n   Fix: %s\n", p.What, p.Fix)
	}
	_, err := io.WriteString(s.Out, b.String())
	for _, w := range i.Warnings {
		fmt.Fprintln(s.Err, w)
	}
	return err
}

// line prints a field unless it is empty.
func line(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, " %s: %s\n", name, value)
	}
}

// securityOptions prints "name=seccomp,profile=builtin" as a name and its options.
func securityOptions(w io.Writer, options []string) {
	if len(options) > 0 {
		fmt.Fprintln(w, " Security Options:")
	}
	for _, option := range options {
		for _, field := range strings.Split(option, ",") {
			switch key, value, _ := strings.Cut(field, "="); key {
			case "name":
				fmt.Fprintf(w, "  %s\n", value)
			case "profile":
				fmt.Fprintf(w, "   Profile: %s\n", value)
			}
		}
	}
}
