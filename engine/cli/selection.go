package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// selection are podman's flags that name containers in the place of arguments.
type selection struct {
	all, latest, ignore bool
	cidfiles            []string
	filters             filters
	fits                func(*engine.Container) bool // of --all: which of them; nil: every one
}

// given says whether the flags stand for the containers.
func (l *selection) given() bool {
	return l.all || l.latest || len(l.cidfiles) > 0 || len(l.filters) > 0
}

// implied is how many arguments the flags stand for: see command.implied.
func (l *selection) implied() int {
	if l.given() {
		return 1
	}
	return 0
}

func latestFlag(p *bool) *flags.Flag {
	return flags.Bool(p, "latest,l", "Act on the latest container, which was created last")
}

// listFlags are those of commands that take several containers. what are the containers that --all means.
func (l *selection) listFlags(what string) []*flags.Flag {
	return []*flags.Flag{
		flags.Bool(&l.all, "all,a", "Act on all "+what),
		flags.List(&l.cidfiles, "cidfile", "Read the container ID from the file").From("file"),
		filterFlag(&l.filters, "filter", "Act on the containers that fit the conditions", psFilters...),
		latestFlag(&l.latest),
	}
}

func (l *selection) ignoreFlag() *flags.Flag {
	return flags.Bool(&l.ignore, "ignore,i", "Ignore errors when a specified container is missing")
}

// refs are the containers that the arguments or the flags name.
func (s *session) refs(l *selection, args []string) ([]string, error) {
	if !l.given() && !l.ignore {
		return args, nil
	}
	e, err := s.open()
	if err != nil {
		return nil, err
	}
	if l.given() && len(args) > 0 {
		return nil, errors.New("--all, --latest, --cidfile and --filter cannot be used together with names of containers")
	}
	for _, name := range l.cidfiles {
		id, err := os.ReadFile(name)
		if err != nil && !(l.ignore && errors.Is(err, os.ErrNotExist)) {
			return nil, fmt.Errorf("read the container ID file: %w", err)
		}
		if len(id) > 0 {
			args = append(args, strings.TrimSpace(string(id)))
		}
	}
	if l.latest {
		id, err := latest(e)
		return append(args, id), err
	}
	if l.all || len(l.filters) > 0 {
		return l.fitting(e)
	}
	return l.there(e, args), nil
}

// latest is the id of the container that was created last.
func latest(e *engine.Engine) (string, error) {
	list, err := e.List(engine.ListOptions{All: true})
	if len(list) == 0 {
		return "", errors.Join(errors.New("no containers"), err)
	}
	return list[0].ID(), nil
}

// fitting are the containers that --all and --filter select.
func (l *selection) fitting(e *engine.Engine) ([]string, error) {
	list, err := e.List(engine.ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	if list, err = l.filters.containers(e, list); err != nil {
		return nil, err
	}
	var names []string
	for _, c := range list {
		if l.fits == nil || l.fits(c) {
			names = append(names, c.Name())
		}
	}
	return names, nil
}

// there leaves out, with --ignore, what is not there.
func (l *selection) there(e *engine.Engine, refs []string) []string {
	if !l.ignore {
		return refs
	}
	var out []string
	for _, ref := range refs {
		if _, err := e.Find(ref); !errors.Is(err, engine.ErrNoContainer) {
			out = append(out, ref)
		}
	}
	return out
}

// eachSelected is eachContainer with the containers that the arguments or the flags name.
func (s *session) eachSelected(l *selection, args []string, do func(*engine.Engine, *engine.Container) error) error {
	refs, err := s.refs(l, args)
	if err != nil {
		return err
	}
	return s.eachContainer(refs, do)
}

// oneRef is the container of a command that takes one: the latest, or the first argument. rest are the other arguments.
func (s *session) oneRef(newest bool, args []string) (ref string, rest []string, err error) {
	if !newest {
		return args[0], args[1:], nil
	}
	e, err := s.open()
	if err != nil {
		return "", nil, err
	}
	ref, err = latest(e)
	return ref, args, err
}

// oneContainer finds it.
func (s *session) oneContainer(newest bool, args []string) (*engine.Engine, *engine.Container, []string, error) {
	ref, rest, err := s.oneRef(newest, args)
	if err != nil {
		return nil, nil, nil, err
	}
	e, c, err := s.container(ref)
	return e, c, rest, err
}

// one is command.implied of a command that takes one container or --latest.
func one(newest *bool) func() int {
	return func() int {
		if *newest {
			return 1
		}
		return 0
	}
}
