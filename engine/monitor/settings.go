package monitor

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/event"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/health"
)

// SettingsVersion is the version that Settings on disk carry.
const SettingsVersion = 1

// Settings are all that a monitor must know of its container. They are in the run directory, for the monitor, for the one that takes over
// from a killed one, and for `exec`, which joins what the plan describes.
type Settings struct {
	Version int `json:"version"`
	Place
	Plan *child.Plan `json:"plan"`

	AutoRemove bool          `json:"autoRemove,omitempty"` // --rm
	Volumes    []string      `json:"volumes,omitempty"`    // with AutoRemove: directories of anonymous volumes, removed with the container
	Log        Log           `json:"logging"`
	Brief      Brief         `json:"brief"`           // as it was at the start
	Joins      []event.Event `json:"joins,omitempty"` // what the start connects the container with: "connect", "mount"

	Health      *health.Check  `json:"health,omitempty"`
	StopSignal  syscall.Signal `json:"stopSignal"`
	StopTimeout time.Duration  `json:"stopTimeout"` // from StopSignal to SIGKILL; negative: never

	Timeout   time.Duration `json:"timeout,omitempty"`   // after which a run is killed; 0: never
	OpenStdin bool          `json:"openStdin,omitempty"` // -i
	StdinOnce bool          `json:"stdinOnce,omitempty"` // the end of an attached client's input is the container's
	Guard     string        `json:"guard,omitempty"`     // directory of the control group with the device filter, of a container without groups of its own
	// Network is what is served in the container's network namespace; nil: nothing.
	Network *Network `json:"network,omitempty"`

	Pidfile        string `json:"pidfile,omitempty"`        // gets the process id of the container; "" is none
	MonitorPidfile string `json:"monitorPidfile,omitempty"` // gets the monitor's own
	NotifyReady    bool   `json:"notifyReady,omitempty"`    // systemd is told when the container's command runs (sd_notify(3))
	NotifyHealthy  bool   `json:"notifyHealthy,omitempty"`  // systemd is told when the container is healthy
	NotifyMain     bool   `json:"notifyMain,omitempty"`     // systemd is told the monitor's process id

	// Hooked is what the plan's hooks get of the container, but for status and process; nil: there are none.
	Hooked *specs.State `json:"hooked,omitempty"`

	// Kept are the caller's files that become the container's descriptors from 3 on: as many as the plan says.
	Kept []*os.File `json:"-"`

	Foreground bool `json:"foreground,omitempty"` // the container dies with its monitor
}

// WriteSettings writes the settings to the run directory, which the caller's lock has made. They are written in place: nobody reads them before
// the container's state says that it runs.
func WriteSettings(s *Settings) error {
	s.Version = SettingsVersion
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	return writeNew(s.RunFile(settingsFile), data, 0o600, Fleeting)
}

// ReplaceSettings is WriteSettings for a container that runs.
func ReplaceSettings(s *Settings) error { return WriteJSON(s.RunFile(settingsFile), s, Fleeting) }

// ReadSettings reads the settings of a container that was started in this boot.
func ReadSettings(p Place) (*Settings, error) {
	s := new(Settings)
	if err := ReadJSON(p.RunFile(settingsFile), s, SettingsVersion); err != nil {
		return nil, err
	}
	return s, nil
}

// ReadNetwork reads what is served of the container's network; nil: nothing.
func ReadNetwork(p Place) (*Network, error) {
	var s struct {
		Network *Network `json:"network"`
	}
	err := ReadJSON(p.RunFile(settingsFile), &s, SettingsVersion)
	return s.Network, err
}

// isTerminal says whether a descriptor is a terminal.
func isTerminal(fd uintptr) bool {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	return err == nil
}
