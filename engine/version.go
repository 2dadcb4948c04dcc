package engine

import (
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// Release is hoy's version.
const Release = "0.1.0"

// apiVersion is the version of Docker's Engine API whose words and fields hoy's output follows.
const apiVersion = "1.47"

// Version is what `version` shows, with Docker's field names.
func (e *Engine) Version() *Version {
	commit, built := buildInfo()
	kernel := kernelRelease()
	return &Version{
		Client: ClientVersion{
			Version:           Release,
			APIVersion:        apiVersion,
			DefaultAPIVersion: apiVersion,
			GitCommit:         commit,
			GoVersion:         runtime.Version(),
			Os:                runtime.GOOS,
			Arch:              runtime.GOARCH,
			BuildTime:         built,
			Context:           "default",
		},
		Server: ServerVersion{
			Platform:      PlatformName{Name: "hoy"},
			Version:       Release,
			APIVersion:    apiVersion,
			MinAPIVersion: apiVersion,
			GitCommit:     commit,
			GoVersion:     runtime.Version(),
			Os:            runtime.GOOS,
			Arch:          runtime.GOARCH,
			KernelVersion: kernel,
			BuildTime:     built,
			Components: []Component{{
				Name:    "Engine",
				Version: Release,
				Details: map[string]string{"Os": runtime.GOOS, "Arch": runtime.GOARCH, "KernelVersion": kernel, "GitCommit": commit},
			}},
		},
	}
}

// buildInfo gives the commit that this program was built from and its time, where the build has recorded them.
func buildInfo() (commit, built string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				built = t.Format(time.ANSIC)
			}
		}
	}
	return commit, built
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
