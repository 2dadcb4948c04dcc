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

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// Create makes a container from cfg (filled by flags, validated here): it gets the image, merges its config in, names
// the container (cfg.Name, or a made-up one) and writes its directory. cfg is not changed; the container returned has all that was filled in.
// An error leaves nothing behind.
func (e *Engine) Create(ctx context.Context, cfg *oci.Config, o CreateOptions) (*Container, error) {
	if e.o.Outside {
		return nil, ErrNeedsUserns
	}
	r := &record{Config: *cfg, Leased: o.Run}
	r.Mounts = slices.Clone(cfg.Mounts)
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := e.inheritMounts(r); err != nil {
		return nil, err
	}
	if err := checkBinds(r.Mounts); err != nil {
		return nil, err
	}
	if err := e.checkLimits(&r.Resources); err != nil {
		return nil, err
	}
	release, lower, err := e.mergeImage(ctx, r, o)
	if err != nil {
		return nil, err
	}
	defer release()
	if len(r.Entrypoint)+len(r.Cmd) == 0 {
		return nil, errors.New("no command specified")
	}
	monitor.Sweep(e.place(""))
	b := &birth{e: e, r: r}
	c, err := b.create(ctx, lower)
	if err != nil {
		b.undo()
		return nil, err
	}
	if !o.Run {
		c.lease = nil
		monitor.RemoveRunDir(b.p)
		b.lock.Close()
	}
	return c, nil
}

// birth is a container that is being made, and what is to be undone when that fails.
type birth struct {
	e       *Engine
	r       *record
	p       monitor.Place
	lock    *os.File
	named   string
	volumes []string // anonymous ones, made for it
}

// create writes the container's directory, under its lock. The config comes last: with it the container exists.
func (b *birth) create(ctx context.Context, lower []string) (*Container, error) {
	b.r.ID, b.r.Created = newID(), time.Now().UTC()
	b.p = b.e.place(b.r.ID)
	var err error
	if b.lock, err = b.p.Lock(); err != nil {
		return nil, err
	}
	if err := makeDirs(b.p, lower); err != nil {
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
	if err := os.Mkdir(p.File(monitor.WorkDir), 0o700); err != nil {
		return err
	}
	upper := p.File(monitor.UpperDir)
	if err := os.Mkdir(upper, 0o755); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(lower[0], &st); err != nil {
		return fmt.Errorf("stat %s: %w", lower[0], err)
	}
	return errors.Join(os.Chown(upper, int(st.Uid), int(st.Gid)), unix.Chmod(upper, st.Mode&0o7777))
}

// mergeImage finds the image, pulls it where it must, and merges its config into r. Until release is called no image and no volume is removed.
func (e *Engine) mergeImage(ctx context.Context, r *record, o CreateOptions) (release func(), lower []string, err error) {
	if r.Rootfs != "" {
		release, err := e.Store.HoldImages()
		return release, nil, err
	}
	img, release, err := e.image(ctx, r, o)
	if err != nil {
		return nil, nil, err
	}
	r.MergeImage(&img.Config.Config)
	r.ImageID = img.ID
	if len(img.LayerIDs) > 0 {
		r.TopLayer = img.LayerIDs[0]
	}
	return release, img.Layers, nil
}

// image gives the image, held, by the pull policy in o.
func (e *Engine) image(ctx context.Context, r *record, o CreateOptions) (*storage.Image, func(), error) {
	if o.Pull != "always" {
		img, release, err := e.heldImage(ctx, r.Image)
		if err == nil {
			if err = img.CheckPlatform(r.Platform); err != nil {
				release()
			}
		}
		if !errors.Is(err, storage.ErrNoImage) || o.Pull == "never" {
			return img, release, err
		}
		if o.Progress != nil && !o.Quiet {
			fmt.Fprintf(o.Progress, "Unable to find image '%s' locally\n", withTag(r.Image))
		}
	}
	options := storage.PullOptions{Platform: r.Platform, Quiet: o.Quiet, Progress: o.Progress}
	if _, err := e.Store.Pull(ctx, r.Image, options); err != nil {
		return nil, nil, err
	}
	return e.heldImage(ctx, r.Image)
}

func (e *Engine) heldImage(ctx context.Context, ref string) (*storage.Image, func(), error) {
	release, err := e.Store.HoldImages()
	if err != nil {
		return nil, nil, err
	}
	img, err := e.Store.Image(ctx, ref)
	if err != nil {
		release()
		return nil, nil, err
	}
	return img, release, nil
}

// withTag shows a reference as Docker does when it says that it pulls it.
func withTag(ref string) string {
	if full, err := storage.NormalName(ref); err == nil {
		return storage.FamiliarName(full)
	}
	return ref
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
