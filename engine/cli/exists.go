package cli

import (
	"context"
	"errors"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/storage"
)

// existsCommand is `container exists` and its kin, which answer by their exit code: 0 or, for what is not there, 1.
func (s *session) existsCommand(arg, kind string, find func(ref string) error, none error) *command {
	return &command{
		args:  arg,
		short: "Check if " + article(kind) + " exists: exit code 0, or 1",
		min:   1,
		max:   1,
		run: func(_ context.Context, args []string) error {
			if _, err := s.open(); err != nil {
				return coded{err, codeUsage}
			}
			err := find(args[0])
			switch {
			case errors.Is(err, none):
				return status(1)
			case err != nil:
				return coded{err, codeUsage}
			}
			return nil
		},
	}
}

func existsContainerCommand(s *session) *command {
	c := s.existsCommand("CONTAINER", "container", func(ref string) error {
		_, err := s.engine.Find(ref)
		return err
	}, engine.ErrNoContainer)
	c.complete = first(allContainers)
	return c
}

func existsImageCommand(s *session) *command {
	c := s.existsCommand("IMAGE", "image", func(ref string) error {
		_, err := s.engine.Store.Image(context.Background(), ref)
		if errors.Is(err, storage.ErrBadReference) {
			return storage.ErrNoImage
		}
		return err
	}, storage.ErrNoImage)
	c.complete = first(completeImages)
	return c
}

func existsVolumeCommand(s *session) *command {
	c := s.existsCommand("VOLUME", "volume", func(ref string) error {
		_, err := s.engine.Store.Volume(ref)
		if errors.Is(err, storage.ErrBadVolumeName) {
			return storage.ErrNoVolume
		}
		return err
	}, storage.ErrNoVolume)
	c.complete = first(completeVolumes)
	return c
}

// article puts "a" or "an" before a word.
func article(word string) string {
	if strings.ContainsAny(word[:1], "aeiou") {
		return "an " + word
	}
	return "a " + word
}
