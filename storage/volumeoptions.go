package storage

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// checkVolumeOptions holds the options of a volume of the driver local against each other: a directory of the host's in the volume's place, as
// type=none,device=DIR,o=bind, or a file system of its own, as type=tmpfs,device=tmpfs,o=size=10m, whose options the kernel judges when it is mounted.
// Docker's words where it has some (moby, volume/local/local_unix.go).
func checkVolumeOptions(options map[string]string) error {
	if len(options) == 0 {
		return nil
	}
	for name := range options {
		if !slices.Contains([]string{"type", "device", "o"}, name) {
			return fmt.Errorf("invalid option: %q", name)
		}
	}
	for _, name := range []string{"device", "type"} {
		if options[name] == "" {
			return fmt.Errorf("missing required option: %q", name)
		}
	}
	if !isBind(options) {
		return nil
	}
	for f := range strings.SplitSeq(options["o"], ",") {
		if !slices.Contains([]string{"bind", "rbind", "ro", "rw"}, f) {
			return fmt.Errorf("volume option o=%s: %q is not known: bind, rbind, ro or rw is expected", options["o"], f)
		}
	}
	if !filepath.IsAbs(options["device"]) {
		return fmt.Errorf("volume option device=%s: an absolute path is expected", options["device"])
	}
	return nil
}

// isBind says whether the volume stands for a directory of the host's.
func isBind(options map[string]string) bool {
	kind := options["type"]
	return kind == "none" || kind == "bind"
}

// ReadOnly says whether the volume's options forbid writing.
func (v *Volume) ReadOnly() bool { return slices.Contains(strings.Split(v.Options["o"], ","), "ro") }
