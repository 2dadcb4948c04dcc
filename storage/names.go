package storage

import (
	"fmt"
	"strings"

	"go.podman.io/image/v5/docker/reference"
)

// NormalName gives the name in full: busybox → docker.io/library/busybox:latest. ErrBadReference.
func NormalName(name string) (string, error) {
	named, err := parseName(name)
	if err != nil {
		return "", err
	}
	return named.String(), nil
}

// parseName reads an image name by Docker's rules. A name with both a tag and a digest keeps the digest alone.
func parseName(name string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, badReference(name, err)
	}
	if digested, ok := named.(reference.Digested); ok {
		named, err = reference.WithDigest(reference.TrimNamed(named), digested.Digest())
		if err != nil {
			return nil, badReference(name, err)
		}
	}
	return reference.TagNameOnly(named), nil
}

// parseTag reads a name that may be given to an image: one without a digest.
func parseTag(name string) (reference.NamedTagged, error) {
	named, err := parseName(name)
	if err != nil {
		return nil, err
	}
	tagged, ok := named.(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("%w: %s: a tag cannot have a digest", ErrBadReference, name)
	}
	return tagged, nil
}

func badReference(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), ErrBadReference.Error())
	if text = strings.TrimPrefix(text, ": "); text != "" {
		return fmt.Errorf("%w: %q: %s", ErrBadReference, name, text)
	}
	return fmt.Errorf("%w: %q", ErrBadReference, name)
}

// FamiliarName shortens a full name as Docker prints it: docker.io/library/busybox:latest → busybox:latest.
func FamiliarName(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}
