package build

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// mounts adds a RUN's --mount options to its step.
func (d *dispatcher) mounts(c *instructions.RunCommand, op *runOp) error {
	for i, m := range instructions.GetMounts(c) {
		var from *stage
		if i < len(d.command.from) {
			from = d.command.from[i]
		}
		if err := d.mount(m, from, op); err != nil {
			return err
		}
	}
	return nil
}

func (d *dispatcher) mount(m *instructions.Mount, from *stage, op *runOp) error {
	out := runMount{Type: string(m.Type), ReadOnly: m.ReadOnly}
	switch m.Type {
	case instructions.MountTypeSSH:
		return errors.New("RUN --mount=type=ssh is not supported")
	case instructions.MountTypeSecret:
		return d.secret(m, op)
	}
	target := m.Target
	if !path.IsAbs(target) {
		target = path.Join("/", d.stage.config.Config.WorkingDir, target)
	}
	if out.Target = path.Clean(target); out.Target == "/" {
		return fmt.Errorf("invalid mount target %q", m.Target)
	}
	out.Source = path.Join("/", m.Source)
	switch m.Type {
	case instructions.MountTypeTmpfs:
		out.Size = m.SizeLimit
	case instructions.MountTypeCache:
		if err := cacheMount(m, &out); err != nil {
			return err
		}
	}
	if m.Type == instructions.MountTypeBind {
		if err := d.bindSource(m, from, &out); err != nil {
			return err
		}
	}
	op.Mounts = append(op.Mounts, out)
	return nil
}

// bindSource says where a bind's files come from: a stage, an image, nothing (scratch), or the context.
func (d *dispatcher) bindSource(m *instructions.Mount, from *stage, out *runMount) error {
	switch {
	case m.From == "":
		if !d.plan.hasFiles {
			return fmt.Errorf("cannot mount from the build context to %q: there is none", m.Target)
		}
		out.context = true
		return nil
	case from != nil:
		if err := d.checkOrder(from, fmt.Sprintf("cannot mount from stage %q to %q, stage needs to be defined before current command", m.From, m.Target)); err != nil {
			return err
		}
		out.from = from.top
	}
	out.hasFrom = true
	return nil
}

// cacheMount reads what only a cache mount has.
func cacheMount(m *instructions.Mount, out *runMount) error {
	if m.CacheID != out.Target {
		out.CacheID = m.CacheID
	}
	if m.CacheSharing != instructions.MountSharingShared {
		out.Sharing = string(m.CacheSharing)
	}
	out.mode, out.uid, out.gid = 0o755, 0, 0
	if m.Mode != nil {
		out.mode = uint32(*m.Mode) & 0o7777
	}
	if m.UID != nil {
		out.uid = int(*m.UID)
	}
	if m.GID != nil {
		out.gid = int(*m.GID)
	}
	if m.From != "" || m.Source != "" {
		return fmt.Errorf("cache mount %s: from and source are not supported", out.Target)
	}
	return nil
}

// secret adds a secret. Its value is in no key: a build that must notice a change says so with --no-cache.
func (d *dispatcher) secret(m *instructions.Mount, op *runOp) error {
	id := m.CacheID
	if m.Source != "" {
		id = m.Source
	}
	if id == "" {
		id = path.Base(m.Target)
	}
	given, ok := d.plan.options.Secrets[id]
	if !ok {
		if m.Required {
			return fmt.Errorf("secret %s: not found", id)
		}
		return nil
	}
	out := runMount{Type: string(m.Type), SecretID: id, Required: m.Required, ReadOnly: true, secret: given, mode: 0o400}
	if m.Env != nil {
		out.SecretEnv = *m.Env
		if out.SecretEnv == "" {
			out.SecretEnv = id
		}
	}
	if out.Target = m.Target; out.Target == "" && m.Env == nil {
		out.Target = "/run/secrets/" + path.Base(id)
	}
	if out.Target != "" && !strings.HasPrefix(out.Target, "/") {
		out.Target = path.Join("/", d.stage.config.Config.WorkingDir, out.Target)
	}
	if m.Mode != nil {
		out.mode = uint32(*m.Mode) & 0o7777
	}
	if m.UID != nil {
		out.uid = int(*m.UID)
	}
	if m.GID != nil {
		out.gid = int(*m.GID)
	}
	op.Mounts = append(op.Mounts, out)
	return nil
}
