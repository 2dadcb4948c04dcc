package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/storage/lease"
	"github.com/opencontainers/go-digest"
	cstorage "go.podman.io/storage"
	"golang.org/x/sys/unix"
)

// RemoveOptions says how Remove removes.
type RemoveOptions struct {
	Force bool // take a name from an image that containers use; remove by id an image with several names

	// NoPrune keeps untagged parents. Images here have none, as those that BuildKit makes: their layers lie on the base's, and
	// the base is removed by itself.
	NoPrune bool

	// InUse names the containers that use an image, as they are to be named in the error; nil: none. It is asked while no
	// container directory can begin to name the image (HoldImages).
	InUse func(imageID string) []string
}

// Removed is one line of what Remove did: one of the two is set.
type Removed struct {
	Untagged string // the familiar name that was taken away
	Deleted  string // sha256:… of the image, or of a layer and all below it (its chain id)
}

// Remove takes a name away and, with the last name, deletes the image and every layer nothing else needs, by the rules of
// `docker rmi` (moby, daemon/images/image_delete.go). But an image that a container uses is never deleted: its layers are mounted where
// they are. With Force it loses its name. Errors: ErrNoImage, ErrImageInUse, ErrImageTagged.
func (s *Store) Remove(ctx context.Context, ref string, o RemoveOptions) ([]Removed, error) {
	release, err := s.lock("hold", unix.LOCK_EX)
	if err != nil {
		return nil, s.explain(err)
	}
	defer release()
	img, err := s.Image(ctx, ref)
	if err != nil {
		return nil, err
	}
	r := &removal{store: s, img: img, ref: ref, options: o}
	if o.InUse != nil {
		r.users = o.InUse(img.ID)
	}
	if err := r.plan(); err != nil {
		return nil, err
	}
	if err := s.withRoom(r.do); err != nil {
		return nil, s.explain(fmt.Errorf("remove %s: %w", ref, err))
	}
	for _, one := range r.removed {
		switch id := "sha256:" + img.ID; {
		case one.Untagged != "":
			s.tell("image", "untag", id, "name", id)
		case one.Deleted == id:
			s.tell("image", "delete", id, "name", id)
		}
	}
	return r.removed, nil
}

// removal is one Remove.
type removal struct {
	store   *Store
	img     *Image
	ref     string
	options RemoveOptions
	users   []string // containers

	names   []string // to be taken away
	deletes bool     // the image itself too
	removed []Removed
}

// plan decides what is to be done, or why not.
func (r *removal) plan() error {
	if name, ok := r.byName(); ok {
		return r.planName(name)
	}
	if len(r.users) > 0 {
		return r.inUse("cannot be forced")
	}
	if !single(r.img.Names) && !r.options.Force {
		return fmt.Errorf("%w: %s (must be forced): %s", ErrImageTagged, r.ref, strings.Join(familiar(r.img.Names), ", "))
	}
	r.names, r.deletes = r.img.Names, true
	return nil
}

// byName says by which of its names the image was given, if by one.
func (r *removal) byName() (string, bool) {
	named, err := parseName(r.ref)
	if err != nil || !contains(r.img.Names, named.String()) {
		return "", false
	}
	return named.String(), true
}

func (r *removal) planName(name string) error {
	if len(r.users) > 0 && !r.options.Force && single(r.img.Names) {
		return r.inUse("must be forced")
	}
	r.names = withDigests(name, r.img.Names)
	r.deletes = len(r.names) == len(r.img.Names) && len(r.users) == 0
	return nil
}

func (r *removal) inUse(hint string) error {
	return fmt.Errorf("%w: %s (%s): container %s", ErrImageInUse, r.ref, hint, strings.Join(r.users, ", "))
}

// single says whether all names are within one repository, with at most one tag (moby's isSingleReference).
func single(names []string) bool {
	tags, repos := 0, map[string]bool{}
	for _, name := range names {
		repo, isTag := splitName(name)
		repos[repo] = true
		if isTag {
			tags++
		}
	}
	return tags <= 1 && len(repos) <= 1
}

// withDigests gives a name and, when it is the last tag of its repository, the names by digest that the image has in it.
func withDigests(name string, names []string) []string {
	repo, isTag := splitName(name)
	drop := []string{name}
	if !isTag {
		return drop
	}
	for _, other := range names {
		otherRepo, otherIsTag := splitName(other)
		if other == name || otherRepo != repo {
			continue
		}
		if otherIsTag {
			return []string{name}
		}
		drop = append(drop, other)
	}
	return drop
}

// splitName gives the repository of a full name, and whether the name is a tag rather than a digest.
func splitName(name string) (repository string, isTag bool) {
	if repo, _, ok := strings.Cut(name, "@"); ok {
		return repo, false
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], true
	}
	return name, true
}

func familiar(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, FamiliarName(name))
	}
	return out
}

// do does what plan decided. It may be called again after it failed.
func (r *removal) do() error {
	lib, err := r.store.library()
	if err != nil {
		return err
	}
	r.removed = nil
	for _, name := range familiar(r.names) {
		r.removed = append(r.removed, Removed{Untagged: name})
	}
	if r.deletes {
		return r.delete(lib)
	}
	if err := lib.RemoveNames(r.img.ID, r.names); err != nil {
		return err
	}
	return r.store.syncFiles(filepath.Dir(r.store.dir.ImagesFile()))
}

// delete deletes the image. The library forgets the image before its layers; the journal is for a kill between the two.
func (r *removal) delete(lib cstorage.Store) error {
	s := r.store
	busy, release, err := s.tryLock(filepath.Join("used", r.img.ID))
	if err != nil {
		return err
	}
	if busy {
		return fmt.Errorf("%w: %s: a build", ErrImageInUse, r.ref)
	}
	defer release()
	l, err := lease.New(s.leases())
	if err != nil {
		return err
	}
	defer l.Release()
	layers := slices.Clone(r.img.LayerIDs)
	slices.Reverse(layers)
	if err := s.writeJournal(l.Dir, journal{Layers: layers}); err != nil {
		return err
	}
	gone, err := lib.DeleteImage(r.img.ID, true)
	if err != nil {
		return err
	}
	r.removed = append(r.removed, Removed{Deleted: "sha256:" + r.img.ID})
	for i, id := range r.img.LayerIDs {
		if below := len(r.img.DiffIDs) - i; below > 0 && contains(gone, id) {
			r.removed = append(r.removed, Removed{Deleted: chainID(r.img.DiffIDs[:below])})
		}
	}
	os.Remove(s.lockPath(filepath.Join("used", r.img.ID)))
	return s.syncFiles(filepath.Dir(s.dir.ImagesFile()), filepath.Dir(s.dir.LayersFile()))
}

// chainID identifies a layer together with all below it (OCI image specification, config.md).
func chainID(diffIDs []string) string {
	chain := ""
	for _, d := range diffIDs {
		if chain == "" {
			chain = d
		} else {
			chain = digest.FromString(chain + " " + d).String()
		}
	}
	return chain
}
