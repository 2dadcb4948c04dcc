package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/storage"
)

// Completers say nothing of what goes wrong: a shell that waits for the next key has no place for it.

// first completes only the first argument.
func first(next completer) completer {
	return func(s *session, args []string) []choice {
		if len(args) > 0 {
			return nil
		}
		return next(s, args)
	}
}

func allContainers(s *session, args []string) []choice {
	return s.containerChoices(args, func(*engine.Container) bool { return true })
}

func runningContainers(s *session, args []string) []choice {
	return s.containerChoices(args, (*engine.Container).Running)
}

func stoppedContainers(s *session, args []string) []choice {
	return s.containerChoices(args, func(c *engine.Container) bool { return !c.Running() })
}

// removableContainers are the stopped ones, or all when running ones are to be killed.
func removableContainers(s *session, force bool, args []string) []choice {
	return s.containerChoices(args, func(c *engine.Container) bool { return force || !c.Running() })
}

// containerChoices are the names of the containers that fit, but for those that were typed already.
func (s *session) containerChoices(args []string, fits func(*engine.Container) bool) []choice {
	e, err := s.open()
	if err != nil {
		return nil
	}
	list, _ := e.List(engine.ListOptions{All: true})
	var out []choice
	for _, c := range list {
		if fits(c) && !slices.Contains(args, c.Name()) {
			out = append(out, choice{c.Name(), fmt.Sprintf("%s, %s", shortImage(c.Config.Image), statusText(c.State, time.Now()))})
		}
	}
	return out
}

func completeImages(s *session, args []string) []choice {
	e, err := s.open()
	if err != nil {
		return nil
	}
	list, _ := e.Store.Images(context.Background())
	var out []choice
	for _, img := range list {
		note := format.ShortID(img.ID) + ", " + format.Size(img.Size)
		for _, name := range img.Names {
			if name = storage.FamiliarName(name); !slices.Contains(args, name) {
				out = append(out, choice{name, note})
				if repository, tag := splitTag(name); tag == "latest" {
					out = append(out, choice{repository, note})
				}
			}
		}
	}
	return out
}

func completeVolumes(s *session, args []string) []choice {
	e, err := s.open()
	if err != nil {
		return nil
	}
	list, _ := e.Store.Volumes()
	var out []choice
	for _, v := range list {
		if !slices.Contains(args, v.Name) {
			out = append(out, choice{word: v.Name})
		}
	}
	return out
}

func completeNetworks(s *session, args []string) []choice {
	e, err := s.open()
	if err != nil {
		return nil
	}
	out := []choice{{word: "host"}, {word: "none"}}
	e.Networks(func(all *netns.Networks) error {
		list, err := all.List()
		for _, x := range list {
			out = append(out, choice{x.Name, x.Driver})
		}
		return err
	})
	return slices.DeleteFunc(out, func(c choice) bool { return slices.Contains(args, c.word) })
}

// completeObjects are all that `inspect` takes.
func completeObjects(s *session, args []string) []choice {
	return slices.Concat(allContainers(s, args), completeImages(s, args), completeVolumes(s, args))
}

// completeCommands are the commands that can follow the words of `help`.
func completeCommands(s *session, args []string) []choice {
	f, rest := s.find(args)
	if len(rest) > 0 {
		return nil
	}
	return f.commands(s)
}

func completeDirs(*session, []string) []choice { return []choice{{word: askDirs}} }
