// Package monitor keeps one container: it starts it, carries its input and output, records how it ended and cleans up after it.
//
// It runs inside a foreground `run`, or as a background copy of hoy that is dispatched from a package initialiser, before any wide
// library is initialised. So it imports the standard library, golang.org/x/sys, oci/child and oci/runtime only.
package monitor

import "path"

// Place is where one container's files are. docs/state.md describes each of them.
type Place struct {
	Root string `json:"root"` // hoy's root directory, which outlives a boot
	Run  string `json:"run"`  // hoy's run directory, which does not
	ID   string `json:"id"`
}

// Containers is the directory of all containers.
func (p Place) Containers() string { return path.Join(p.Root, "containers") }

// Names is the directory of names: symbolic links to ids. Making one claims the name.
func (p Place) Names() string { return path.Join(p.Root, "containers", "names") }

// Garbage is the directory of what could not be removed where it was met. The next command that makes a container removes it.
func (p Place) Garbage() string { return path.Join(p.Root, "containers", "garbage") }

// Dir is the container's directory.
func (p Place) Dir() string { return path.Join(p.Root, "containers", p.ID) }

// File is a file in the container's directory.
func (p Place) File(name string) string { return p.Dir() + "/" + name }

// RunDir is the container's directory for one boot.
func (p Place) RunDir() string { return path.Join(p.Run, p.ID) }

// gone is where run directories are while they are being removed.
func (p Place) gone() string { return path.Join(p.Run, "gone") }

// MountPoint is where `mount` shows the container's root on the host.
func (p Place) MountPoint() string { return path.Join(p.Run, "mounts", p.ID) }

// RunFile is a file in the container's directory for one boot.
func (p Place) RunFile(name string) string { return p.RunDir() + "/" + name }

// The files of a container, in Dir and RunDir.
const (
	ConfigFile = "config.json"
	StateFile  = "state.json"
	LogFile    = "log"
	UpperDir   = "upper"
	SecretsDir = "secrets" // what the container's secrets say, by their numbers in the Config
	// OverlaysDir has a directory for each mount that is an overlay, by its number in the Config.
	OverlaysDir = "overlays"
	WorkDir     = "work"

	lockFile     = "lock"
	settingsFile = "monitor.json"
	socketFile   = "attach.sock"
	traceFile    = "monitor.log"
)
