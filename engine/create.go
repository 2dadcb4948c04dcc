package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"codeberg.org/hoy/hoy/engine/cdi"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
)

// Create makes a container from cfg (filled by flags, validated here): it gets the image, merges its config in, names
// the container (cfg.Name, or a made-up one) and writes its directory. cfg is not changed; the container returned has all that was filled in.
// An error leaves nothing behind.
func (e *Engine) Create(ctx context.Context, cfg *oci.Config, o CreateOptions) (*Container, error) {
	if e.o.Outside {
		return nil, ErrNeedsUserns
	}
	r := &record{Config: *cfg, Leased: o.Run, userTyped: cfg.User != ""}
	r.Mounts, r.Secrets = slices.Clone(cfg.Mounts), slices.Clone(cfg.Secrets)
	if err := e.check(r); err != nil {
		return nil, err
	}
	release, lower, err := e.mergeImage(ctx, r, o)
	if err != nil {
		return nil, err
	}
	defer release()
	releaseMounts, err := e.findImageMounts(ctx, r, o)
	if err != nil {
		return nil, err
	}
	defer releaseMounts()
	if len(r.Entrypoint)+len(r.Cmd) == 0 {
		return nil, errors.New("no command specified")
	}
	lower, releaseIDs, err := e.mapIDs(ctx, r, lower, o)
	if err != nil {
		return nil, err
	}
	defer releaseIDs()
	if r.SdNotify == "healthy" && r.Healthcheck == nil {
		return nil, errors.New("--sdnotify healthy needs a health check: --health-cmd, or the image's HEALTHCHECK")
	}
	r.PrepareSystemd()
	e.ownGroups(r)
	monitor.Sweep(e.place(""))
	secrets, err := e.findSecrets(r)
	if err != nil {
		return nil, err
	}
	b := &birth{e: e, r: r, secrets: secrets}
	c, err := b.create(ctx, lower)
	if err != nil {
		b.undo()
		return nil, err
	}
	e.happened(c, "create")
	if !o.Run {
		c.lease = nil
		monitor.RemoveRunDir(b.p)
		b.lock.Close()
	}
	return c, nil
}

// check says what is wrong with a container before its image is looked for.
func (e *Engine) check(r *record) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := e.inheritMounts(r); err != nil {
		return err
	}
	if err := checkBinds(r.Mounts); err != nil {
		return err
	}
	if sec, err := r.Security(); err == nil && sec.NeedsLabels() {
		host, err := oci.ReadHost(e.o.Rootless)
		if err == nil {
			err = sec.CheckLabels(host)
		}
		if err != nil {
			return err
		}
	}
	if len(r.CDI) > 0 {
		if err := cdi.Read(cdi.Dirs()).Find(r.CDI); err != nil {
			return err
		}
	}
	return e.checkLimits(&r.Resources)
}

// mapIDs gives the container the ids of its own that it asks for, and layers whose files belong to them where the kernel cannot show the image's
// so. What release lets go, others may take before the container is written.
func (e *Engine) mapIDs(ctx context.Context, r *record, image lowers, o CreateOptions) (lower lowers, release func(), err error) {
	free, err := e.ownIDs(r, image.dirs)
	if err != nil {
		return image, nil, err
	}
	mapped, err := e.mapped(r.IDMap, o.Ahead)
	if err != nil {
		free()
		return image, nil, err
	}
	if r.Shifted = !mapped; mapped || r.Rootfs != "" {
		return image, free, nil
	}
	held, err := e.holdShifted()
	if err != nil {
		free()
		return image, nil, err
	}
	release = func() { held(); free() }
	if lower, err = e.shift(ctx, image.dirs, r.IDMap, o.Progress); err != nil {
		release()
		return image, nil, err
	}
	return lower, release, nil
}

// ownGroups sees to it that control groups that a container may write are its own, and not its caller's. An ordinary user's container cannot
// write what is not delegated to it.
func (e *Engine) ownGroups(r *record) {
	sec, err := r.Security()
	if err == nil && sec.WritableCgroups && r.Resources.Cgroups == "" && !e.o.Rootless {
		r.Resources.Cgroups = "enabled"
	}
}

// birth is a container that is being made, and what is to be undone when that fails.
type birth struct {
	e       *Engine
	r       *record
	p       monitor.Place
	lock    *os.File
	named   string
	volumes []string // anonymous ones, made for it
	secrets [][]byte // what r's secrets say
}

// create writes the container's directory, under its lock. The config comes last: with it the container exists.
func (b *birth) create(ctx context.Context, lower lowers) (*Container, error) {
	b.r.ID, b.r.Created = newID(), time.Now().UTC()
	b.p = b.e.place(b.r.ID)
	var err error
	if b.lock, err = b.p.Lock(); err != nil {
		return nil, err
	}
	if err := makeDirs(b.p, lower.dirs); err != nil {
		return nil, err
	}
	if err := writeSecrets(b.p, b.secrets, b.r.durability()); err != nil {
		return nil, err
	}
	if err := b.makeVolumes(); err != nil {
		return nil, err
	}
	if err := b.claim(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := writeRecord(b.p, b.r); err != nil {
		return nil, err
	}
	d := b.r.durability()
	if err := errors.Join(monitor.SyncDir(b.p.Names(), d), monitor.SyncDir(b.p.Containers(), d)); err != nil {
		return nil, err
	}
	c := newContainer(b.p, b.r)
	c.State.Status, c.lease, c.lower = StatusCreated, b.lock, lower
	return c, nil
}

func (b *birth) claim() (err error) {
	if b.r.Name == "" {
		b.r.Name, err = b.e.claimAnyName(b.p)
	} else {
		err = b.e.claimName(b.p, b.r.Name)
	}
	if err == nil {
		b.named = b.r.Name
	}
	return err
}

func (b *birth) undo() {
	if b.lock == nil {
		return
	}
	os.Remove(b.p.File(monitor.ConfigFile))
	monitor.ReleaseName(b.p, b.named)
	for _, name := range b.volumes {
		b.e.Store.RemoveVolume(name, nil)
	}
	monitor.RemoveTree(b.p.Dir())
	monitor.RemoveRunDir(b.p)
	b.lock.Close()
}

func newID() string {
	id := make([]byte, 32)
	rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// makeDirs makes the container's directory with overlay's upper and work directories. The upper directory is the container's /, so it gets
// the owner and mode of the image's.
func makeDirs(p monitor.Place, lower []string) error {
	err := os.Mkdir(p.Dir(), 0o700)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(p.Containers(), 0o700); err != nil {
			return err
		}
		err = os.Mkdir(p.Dir(), 0o700)
	}
	if err != nil || len(lower) == 0 {
		return err
	}
	return makeUpper(p.File(monitor.UpperDir), p.File(monitor.WorkDir), lower[0])
}

// checkBinds refuses --mount of a source that does not exist. -v makes it, when the container is started.
func checkBinds(mounts []oci.Mount) error {
	for _, m := range mounts {
		if m.Type != oci.MountBind || m.Create {
			continue
		}
		if _, err := os.Lstat(m.Source); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: %s", m.Source)
		}
	}
	return nil
}
