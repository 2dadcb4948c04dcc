package storage

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// PullOptions says how an image is fetched.
type PullOptions struct {
	Platform  string    // os/arch[/variant]; "" is this machine's
	Quiet     bool      // write no progress
	Progress  io.Writer // Docker's progress lines; nil: none
	TLSVerify *bool     // nil: verify, but registries on the loopback may speak HTTP or show any certificate
	AuthFile  string    // credentials; "": the file that REGISTRY_AUTH_FILE names, else containers' auth.json, then Docker's config.json

	Credentials *Credentials  // instead of the file's; nil: none
	CertDir     string        // certificates for the registry; "": Docker's
	Retry       *int          // how often a pull is tried again when what failed may pass; nil: twice
	RetryDelay  time.Duration // between two tries; 0: longer each time
}

// Credentials are what a registry knows somebody by.
type Credentials struct{ User, Password string }

// Pull fetches an image from a registry and names it ref. Errors: ErrNoImage (unknown or denied), ErrBadReference, ErrCorrupt, ErrNoSpace.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (*Image, error) {
	named, err := parseName(ref)
	if err != nil {
		return nil, err
	}
	p, err := parsePlatform(o.Platform)
	if err != nil {
		return nil, err
	}
	if o.Quiet || o.Progress == nil {
		o.Progress = io.Discard
	}
	fetch := &pull{store: s, named: named, platform: p, system: s.system(p), out: newProgress(o.Progress)}
	fetch.system.AuthFilePath = cmp.Or(o.AuthFile, os.Getenv("REGISTRY_AUTH_FILE"))
	fetch.system.DockerInsecureSkipTLSVerify = types.NewOptionalBool(local(named))
	if o.TLSVerify != nil {
		fetch.system.DockerInsecureSkipTLSVerify = types.NewOptionalBool(!*o.TLSVerify)
	}
	if c := o.Credentials; c != nil {
		fetch.system.DockerAuthConfig = &types.DockerAuthConfig{Username: c.User, Password: c.Password}
	}
	fetch.system.DockerCertPath = o.CertDir
	if fetch.attempts, fetch.delay = pullAttempts, o.RetryDelay; o.Retry != nil {
		fetch.attempts = 1 + *o.Retry
	}
	return fetch.run(ctx)
}

// pull is one Pull.
type pull struct {
	store    *Store
	named    reference.Named
	platform platform
	system   *types.SystemContext
	out      *progress
	attempts int
	delay    time.Duration // 0: longer each time
}

// pullAttempts is how often a pull is tried when what failed may pass, and nothing was said about it.
const pullAttempts = 3

func (p *pull) run(ctx context.Context) (*Image, error) {
	name := reference.FamiliarString(p.named)
	before, _ := p.store.Image(ctx, p.named.String())
	for try := 1; ; try++ {
		err := p.once(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if try >= p.attempts || !transient(err) {
			return nil, describePull(name, p.store.explain(err))
		}
		p.out.line("%s: Retrying after: %v", tagOrDigest(p.named), cause(err))
		if err := p.pause(ctx, try); err != nil {
			return nil, err
		}
	}
	img, err := p.store.Image(ctx, p.named.String())
	if err != nil {
		return nil, err
	}
	p.store.tell("image", "pull", name, "name", reference.FamiliarName(p.named))
	if before != nil && before.ID == img.ID {
		p.out.line("Status: Image is up to date for %s", name)
	} else {
		p.out.line("Status: Downloaded newer image for %s", name)
	}
	return img, nil
}

// pause waits before the next attempt: longer each time, and not as long as everybody else who was turned away.
func (p *pull) pause(ctx context.Context, try int) error {
	delay := p.delay
	if delay == 0 {
		base := time.Duration(try) * time.Second
		delay = base/2 + rand.N(base)
	}
	select {
	case <-time.After(delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pull) once(ctx context.Context) error {
	from, err := docker.NewReference(p.named)
	if err != nil {
		return err
	}
	img, err := peek(ctx, from, p.system)
	if err != nil {
		return err
	}
	defer img.close()
	if err := p.platform.check(img); err != nil {
		return err
	}
	p.out.begin(p.named, img)
	notify := make(chan types.ProgressProperties)
	shown := p.out.follow(notify)
	err = p.store.bring(ctx, incoming{image: img, system: p.system, names: []string{p.named.String()}, notify: notify})
	close(notify)
	<-shown
	if err != nil {
		return err
	}
	p.out.end(img)
	return nil
}

// check says whether an image that is the only one of its name is for the platform that was asked for.
func (p platform) check(img *peeked) error {
	if c := img.config.Platform; !p.matches(c) {
		return fmt.Errorf("%w for platform %s/%s: it is for %s/%s", ErrNoImage, p.os, p.arch, c.OS, c.Architecture)
	}
	return nil
}
