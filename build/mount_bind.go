package build

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sys/unix"
)

// bindFiles mounts files of another step or of the context. Where one directory shows them it is bound. Where several layers make
// them up, where .dockerignore leaves some out, or where the RUN may write (and what it writes is dropped), they are an overlay.
func (m *mounting) bindFiles(r *runMount) error {
	s := &r.selected[0]
	first := &s.Entries[0].Node
	if !first.IsDir() {
		return m.bindFile(r, s)
	}
	lower := s.Tree.Dirs(first)
	if len(lower) == 0 {
		return m.emptyDir(r)
	}
	if r.context && m.executor.ignore != nil {
		mask, err := m.mask(s)
		if err != nil {
			return err
		}
		if mask != "" {
			lower = append([]string{mask}, lower...)
		}
	}
	if r.ReadOnly && len(lower) == 1 {
		m.bind(lower[0], r.Target, true)
		return nil
	}
	return m.overlay(r, lower)
}

// emptyDir mounts an empty directory: that of an empty root.
func (m *mounting) emptyDir(r *runMount) error {
	dir, err := m.newDir("empty")
	if err != nil {
		return err
	}
	m.bind(dir, r.Target, r.ReadOnly)
	return nil
}

// bindFile mounts a file, or a copy of it where the RUN may write.
func (m *mounting) bindFile(r *runMount, s *copier.Selection) error {
	first := &s.Entries[0].Node
	if r.ReadOnly {
		m.bind(s.Tree.HostPath(first), r.Target, true)
		return nil
	}
	dir, err := m.newDir("file")
	if err != nil {
		return err
	}
	data, err := s.Open()
	if err != nil {
		return err
	}
	defer data.Close()
	copied, err := os.OpenFile(filepath.Join(dir, "file"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer copied.Close()
	if _, err := copied.ReadFrom(data); err != nil {
		return err
	}
	if err := copied.Chmod(os.FileMode(first.Stat.Mode & 0o777)); err != nil {
		return err
	}
	m.bind(copied.Name(), r.Target, false)
	return nil
}

func (m *mounting) overlay(r *runMount, lower []string) error {
	if r.context && strings.HasPrefix(m.temp, strings.TrimSuffix(lower[len(lower)-1], "/")+"/") {
		return errors.New("hoy's root directory lies in the build context, which overlay does not take")
	}
	o := Overlay{Target: r.Target, Lower: lower, ReadOnly: r.ReadOnly}
	var err error
	if r.ReadOnly {
		if len(lower) == 1 { // overlay wants two without an upper directory
			empty, err := m.newDir("empty")
			if err != nil {
				return err
			}
			o.Lower = append(o.Lower, empty)
		}
	} else {
		if o.Upper, err = m.newDir("upper"); err != nil {
			return err
		}
		if o.Work, err = m.newDir("work"); err != nil {
			return err
		}
	}
	m.spec.Overlays = append(m.spec.Overlays, o)
	m.targets = append(m.targets, r.Target)
	return nil
}

// mask makes a layer of whiteouts for the files of a context's directory that were not selected: what .dockerignore leaves out, a
// RUN does not see. It gives "" when there are none.
func (m *mounting) mask(s *copier.Selection) (string, error) {
	selected := map[string]bool{}
	for i := range s.Entries {
		selected[s.Entries[i].Rel] = true
	}
	k := &masking{tree: s.Tree, selected: selected, mounting: m}
	err := k.walk(&s.Entries[0].Node, "")
	return k.dir, err
}

type masking struct {
	tree     *rootfs.Tree
	selected map[string]bool
	mounting *mounting
	dir      string
}

func (k *masking) walk(n *rootfs.Node, rel string) error {
	nodes, err := k.tree.ReadDir(n)
	if err != nil {
		return err
	}
	for i := range nodes {
		child := &nodes[i]
		p := path.Join(rel, path.Base(child.Path))
		switch {
		case !k.selected[p]:
			err = k.hide(p)
		case child.IsDir():
			err = k.walk(child, p)
		}
		if err != nil {
			return err
		}
	}
	return k.like(n, rel)
}

// like gives a directory of the mask, which hides the context's, the mode and owner of that one.
func (k *masking) like(n *rootfs.Node, rel string) error {
	if k.dir == "" {
		return nil
	}
	full := filepath.Join(k.dir, rel)
	err := os.Chown(full, int(n.Stat.Uid), int(n.Stat.Gid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, unix.Chmod(full, n.Stat.Mode&0o7777))
}

// hide makes the whiteout of one file, and the directories above it.
func (k *masking) hide(p string) (err error) {
	if k.dir == "" {
		if k.dir, err = k.mounting.newDir("mask"); err != nil {
			return err
		}
	}
	full := filepath.Join(k.dir, p)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return unix.Mknod(full, unix.S_IFCHR, 0)
}
