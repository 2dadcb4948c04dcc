package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/oci"
	"golang.org/x/sys/unix"
)

// runMount is one --mount of a RUN. The exported fields are in its key.
type runMount struct {
	Type      string
	Target    string
	Source    string `json:",omitempty"`
	ReadOnly  bool   `json:",omitempty"`
	Size      int64  `json:",omitempty"` // tmpfs
	Content   string `json:",omitempty"` // bind: of the mounted files
	From      string `json:",omitempty"` // bind, in the quick key: the identity of the root they are of
	SecretID  string `json:",omitempty"`
	SecretEnv string `json:",omitempty"`
	Required  bool   `json:",omitempty"`
	CacheID   string `json:",omitempty"` // cache: when it is not the target
	Sharing   string `json:",omitempty"` // cache: when it is not "shared"

	hasFrom bool
	from    *step // nil with hasFrom: an empty root
	context bool

	mode     uint32
	uid, gid int
	secret   Secret

	selected []copier.Selection
}

// cacheID names a cache: by its target when it has no id, as BuildKit does.
func (m *runMount) cacheID() string {
	if m.CacheID != "" {
		return m.CacheID
	}
	return m.Target
}

// selectContext names the files of the context that a bind shows.
func (m *runMount) selectContext(ctx context.Context, x *executor) error {
	tree, err := x.context.open()
	if err != nil {
		return err
	}
	m.selected, err = copier.Select(tree, copier.Request{Path: m.Source, Literal: true, Ignore: x.ignore})
	if err != nil {
		return sourceError(err)
	}
	m.Content, err = copier.Hash(ctx, m.selected, copier.HashOptions{Digests: x.context.digests(), Owner: true})
	return err
}

// selectFrom names the files of another step that a bind shows.
func (m *runMount) selectFrom(ctx context.Context, x *executor, from *result) error {
	tree, err := x.tree(from)
	if err != nil {
		return err
	}
	m.selected, err = copier.Select(tree, copier.Request{Path: m.Source, Literal: true})
	if err != nil {
		return sourceError(err)
	}
	m.Content, err = copier.Hash(ctx, m.selected, copier.HashOptions{})
	return err
}

// mounting makes one RUN's mounts.
type mounting struct {
	executor *executor
	spec     *RunSpec
	temp     string            // this RUN's directory for files of its own
	count    int               // of directories in it
	targets  []string          // what is mounted on, besides what every container has
	caches   map[string]string // cache id → directory
	releases []func()
}

func (m *mounting) release() error {
	for _, f := range m.releases {
		f()
	}
	return os.RemoveAll(m.temp)
}

// newDir makes a directory in temp.
func (m *mounting) newDir(name string) (string, error) {
	m.count++
	dir := filepath.Join(m.temp, name+strconv.Itoa(m.count))
	return dir, os.Mkdir(dir, 0o755)
}

func (m *mounting) bind(source, target string, readOnly bool) {
	m.spec.Config.Mounts = append(m.spec.Config.Mounts,
		oci.Mount{Type: oci.MountBind, Source: source, Target: target, ReadOnly: readOnly})
	m.targets = append(m.targets, target)
}

// all adds the mounts of a RUN. The caches are locked first, in the order of their ids, so that no two builds wait for each other.
func (m *mounting) all(ctx context.Context, o *runOp) error {
	if err := m.lockCaches(ctx, o.Mounts); err != nil {
		return err
	}
	if o.Script != nil {
		if err := m.script(o.Script); err != nil {
			return err
		}
	}
	for i := range o.Mounts {
		if err := m.one(&o.Mounts[i]); err != nil {
			return fmt.Errorf("mount %s: %w", o.Mounts[i].Target, err)
		}
	}
	return nil
}

func (m *mounting) one(r *runMount) error {
	switch r.Type {
	case "tmpfs":
		t := oci.Mount{Type: oci.MountTmpfs, Target: r.Target, ReadOnly: r.ReadOnly}
		if r.Size > 0 {
			t.Options = []string{"size=" + strconv.FormatInt(r.Size, 10)}
		}
		m.spec.Config.Mounts = append(m.spec.Config.Mounts, t)
		m.targets = append(m.targets, r.Target)
		return nil
	case "cache":
		m.bind(m.caches[r.cacheID()], r.Target, r.ReadOnly)
		return nil
	case "secret":
		return m.secretFile(r)
	}
	return m.bindFiles(r)
}

func (m *mounting) script(s *script) error {
	dir, err := m.newDir("script")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(s.Name)), []byte(s.Data), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(dir, filepath.Base(s.Name)), 0o755); err != nil { // whatever the umask says
		return err
	}
	m.bind(dir, scriptDir, true)
	return nil
}

// secretFile gives a secret as a file, a variable, or both.
func (m *mounting) secretFile(r *runMount) error {
	data, err := r.secret.read()
	if err != nil {
		return fmt.Errorf("secret %s: %w", r.SecretID, err)
	}
	if r.SecretEnv != "" {
		m.spec.Config.Env = append(m.spec.Config.Env, r.SecretEnv+"="+string(data))
	}
	if r.Target == "" {
		return nil
	}
	dir, err := m.newDir("secret")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	if err := errors.Join(os.Chown(path, r.uid, r.gid), unix.Chmod(path, r.mode)); err != nil {
		return err
	}
	m.bind(path, r.Target, true)
	return nil
}

func (s Secret) read() ([]byte, error) {
	if s.Path != "" {
		return os.ReadFile(s.Path)
	}
	v, ok := os.LookupEnv(s.Env)
	if !ok {
		return nil, fmt.Errorf("%s is not in the environment", s.Env)
	}
	return []byte(v), nil
}

// lockCaches opens the cache mounts.
func (m *mounting) lockCaches(ctx context.Context, mounts []runMount) error {
	var wanted []*runMount
	for i := range mounts {
		if mounts[i].Type == "cache" {
			wanted = append(wanted, &mounts[i])
		}
	}
	slices.SortStableFunc(wanted, func(a, b *runMount) int {
		if a.cacheID() < b.cacheID() {
			return -1
		}
		return 1
	})
	m.caches = map[string]string{}
	for _, w := range wanted {
		if m.caches[w.cacheID()] != "" {
			continue
		}
		dir, release, err := m.executor.cache.Mount(ctx, cache.MountOptions{
			ID: w.cacheID(), Sharing: w.Sharing, Mode: w.mode, UID: w.uid, GID: w.gid,
		})
		if err != nil {
			return fmt.Errorf("cache mount %s: %w", w.Target, err)
		}
		m.caches[w.cacheID()] = dir
		m.releases = append(m.releases, release)
	}
	return nil
}
