package storage

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// checkVolumeOptions holds the options of a volume of the driver local against what there is here: a directory of the host's in the volume's
// place, as type=none,device=DIR,o=bind. Docker's words where it has some (moby, volume/local/local_unix.go).
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
	flags := strings.Split(options["o"], ",")
	if t := options["type"]; t != "none" && t != "bind" || !slices.Contains(flags, "bind") && !slices.Contains(flags, "rbind") {
		return fmt.Errorf("volume options type=%s, o=%s: a volume mounts nothing but a directory (type=none, o=bind); a tmpfs is made by --tmpfs", t, options["o"])
	}
	for _, f := range flags {
		if !slices.Contains([]string{"bind", "rbind", "ro", "rw"}, f) {
			return fmt.Errorf("volume option o=%s: %q is not known: bind, rbind, ro or rw is expected", options["o"], f)
		}
	}
	if !filepath.IsAbs(options["device"]) {
		return fmt.Errorf("volume option device=%s: an absolute path is expected", options["device"])
	}
	return nil
}

// Device is the directory of the host's that the volume stands for, or "".
func (v *Volume) Device() string { return v.Options["device"] }

// ReadOnly says whether the volume's options forbid writing.
func (v *Volume) ReadOnly() bool { return slices.Contains(strings.Split(v.Options["o"], ","), "ro") }
