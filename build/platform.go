package build

import (
	"fmt"
	"runtime"
	"strings"
)

// archNames are other names of Go's architectures, as containerd's platforms package knows them.
var archNames = map[string]string{"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm", "i386": "386"}

// checkPlatform accepts this machine's platform: os/arch[/variant], or one of the two alone.
func checkPlatform(p string) error {
	if p == "" {
		return nil
	}
	words := strings.Split(strings.ToLower(p), "/")
	osName, arch := words[0], runtime.GOARCH
	switch {
	case len(words) > 3:
		return fmt.Errorf("%q: invalid platform: os/arch[/variant] is expected", p)
	case len(words) > 1:
		arch = words[1]
	case osName != runtime.GOOS:
		osName, arch = runtime.GOOS, words[0]
	}
	if a, ok := archNames[arch]; ok {
		arch = a
	}
	if osName != runtime.GOOS || arch != runtime.GOARCH {
		return fmt.Errorf("platform %s is not this machine's (%s/%s): hoy builds for its own platform only", p, runtime.GOOS, runtime.GOARCH)
	}
	return nil
}
