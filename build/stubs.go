package build

import (
	"path"

	"codeberg.org/hoy/hoy/build/rootfs"
)

// engineTargets is what the engine mounts in every container: where the image has no file to mount on, it makes one.
var engineTargets = []string{
	"/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
}

// stubs are the files that are made to be mounted on and do not belong into the layer.
type stubs struct {
	lower   []string
	options rootfs.Options
	missing [][]string // for each target that is not there: its path and those of the directories above it that are not, the deepest first
	parents []string   // the deepest directories above them that are there
}

// findStubs finds the mount targets that a root file system does not have, before they are made. A link is followed as the engine
// follows it, in-root.
func findStubs(lower, targets []string, o rootfs.Options) (*stubs, error) {
	t, err := rootfs.Open(lower, o)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	s := &stubs{lower: lower, options: o}
	for _, target := range append(append([]string(nil), engineTargets...), targets...) {
		n, rest, err := t.Resolve(target)
		if err != nil {
			continue // the engine could not mount there either
		}
		if len(rest) == 0 {
			continue
		}
		var paths []string
		for i := range rest {
			paths = append([]string{path.Join(append([]string{n.Path}, rest[:i+1]...)...)}, paths...)
		}
		s.missing = append(s.missing, paths)
		s.parents = append(s.parents, n.Path)
	}
	return s, nil
}

// remove takes the stubs out of the upper directory, as far as they are still empty: what the command put there stays. Nothing is
// followed on the way, so a link that the command left in a stub's place leads nowhere.
func (s *stubs) remove(upper string) error {
	w, err := rootfs.NewWriter(upper, s.lower, s.options)
	if err != nil {
		return err
	}
	defer w.Close()
	for i, paths := range s.missing {
		for _, p := range paths {
			removed, err := w.RemoveEmpty(p)
			if err != nil {
				return err
			}
			if !removed {
				break
			}
		}
		if err := w.DropCopyUp(s.parents[i]); err != nil {
			return err
		}
	}
	return nil
}
