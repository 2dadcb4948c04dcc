package cli

import (
	"context"
	"path"
	"slices"

	"codeberg.org/hoy/hoy/storage"
)

var imageFilters = []string{"before", "dangling", "label", "reference", "since"}

// images selects from list. Source: moby, daemon/images/images.go.
func (f filters) images(ctx context.Context, store *storage.Store, list []*storage.Image) ([]*storage.Image, error) {
	before, err := f.image(ctx, store, "before")
	if err != nil {
		return nil, err
	}
	since, err := f.image(ctx, store, "since")
	if err != nil {
		return nil, err
	}
	dangling, danglingGiven, err := f.flag("dangling")
	if err != nil {
		return nil, err
	}
	var out []*storage.Image
	for _, img := range list {
		switch {
		case before != nil && !img.Created.Before(before.Created),
			since != nil && !img.Created.After(since.Created),
			danglingGiven && dangling != (len(img.Names) == 0),
			len(f["reference"]) > 0 && len(f.names(img.Names)) == 0,
			!f.matchLabels(imageLabels(img)):
		default:
			out = append(out, img)
		}
	}
	return out, nil
}

// image is the image that `before` or `since` names, or nil.
func (f filters) image(ctx context.Context, store *storage.Store, name string) (*storage.Image, error) {
	if len(f[name]) == 0 {
		return nil, nil
	}
	return store.Image(ctx, f[name][0])
}

func imageLabels(img *storage.Image) map[string]string {
	if img.Config == nil {
		return nil
	}
	return img.Config.Config.Labels
}

// names are those of an image's names that the filter `reference` leaves.
func (f filters) names(names []string) []string {
	if len(f["reference"]) == 0 {
		return names
	}
	var out []string
	for _, name := range names {
		if slices.ContainsFunc(f["reference"], func(pattern string) bool { return matchReference(pattern, name) }) {
			out = append(out, name)
		}
	}
	return out
}

// matchReference says whether a pattern of path.Match fits the name in its short or its full form, with or without the tag.
func matchReference(pattern, name string) bool {
	for _, form := range []string{storage.FamiliarName(name), name} {
		repository, _ := splitTag(form)
		for _, candidate := range []string{form, repository} {
			if ok, err := path.Match(pattern, candidate); err == nil && ok {
				return true
			}
		}
	}
	return false
}
