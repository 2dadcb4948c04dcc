package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/secret"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
)

// Secrets are the secrets of the user whose engine this is.
func (e *Engine) Secrets() secret.Store { return secret.In(e.o.Root) }

// findSecrets looks up what the container is to get. A secret that is changed or removed later stays in it as it was.
func (e *Engine) findSecrets(r *record) ([][]byte, error) {
	var data [][]byte
	for i := range r.Secrets {
		x, err := e.Secrets().Find(r.Secrets[i].Name)
		if err != nil {
			return nil, err
		}
		if r.Secrets[i].Env && strings.ContainsRune(string(x.Data), 0) {
			return nil, fmt.Errorf("secret %s has a NUL byte: it cannot be a variable", x.Name)
		}
		r.Secrets[i].ID = x.ID
		data = append(data, x.Data)
	}
	return data, nil
}

// writeSecrets keeps the container's copies, in its own directory, which is nobody else's.
func writeSecrets(p monitor.Place, data [][]byte, d monitor.Durability) error {
	if len(data) == 0 {
		return nil
	}
	if err := os.Mkdir(p.File(monitor.SecretsDir), 0o700); err != nil {
		return err
	}
	for i, x := range data {
		if err := monitor.WriteFile(secretFile(p, i), x, 0o600, d); err != nil {
			return err
		}
	}
	return nil
}

func secretFile(p monitor.Place, i int) string {
	return filepath.Join(p.File(monitor.SecretsDir), strconv.Itoa(i))
}

// addSecrets gives a start of the container its secrets: variables, and files that are made anew in the run directory, which lies in memory.
func (e *Engine) addSecrets(c *Container, plan *child.Plan) error {
	for i := range c.Config.Secrets {
		x := &c.Config.Secrets[i]
		data, err := os.ReadFile(secretFile(c.place, i))
		if err != nil {
			return fmt.Errorf("secret %s: %w", x.Name, err)
		}
		if x.Env {
			plan.Env = oci.MergeEnv(plan.Env, []string{x.Target + "=" + string(data)})
			continue
		}
		file := c.place.RunFile("secret-" + strconv.Itoa(i))
		uid, gid := x.UID, x.GID
		if ids := c.Config.IDMap; ids != nil { // of the ids that the container knows
			var known [2]bool
			uid, known[0] = ids.UID(x.UID)
			if gid, known[1] = ids.GID(x.GID); !known[0] || !known[1] {
				return fmt.Errorf("secret %s: the container has no user %d:%d", x.Name, x.UID, x.GID)
			}
		}
		if err := writeSecretFile(file, data, [3]uint32{uid, gid, x.Mode}); err != nil {
			return fmt.Errorf("secret %s: %w", x.Name, err)
		}
		plan.Mounts = append(plan.Mounts, child.Mount{
			Type: "bind", Source: file, Target: x.Target, File: true, Flags: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC,
		})
	}
	return nil
}

// writeSecretFile writes a file with an owner, a group and a mode.
func writeSecretFile(name string, data []byte, owner [3]uint32) error {
	os.Remove(name)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chown(int(owner[0]), int(owner[1])), f.Chmod(os.FileMode(owner[2])), f.Close())
}
