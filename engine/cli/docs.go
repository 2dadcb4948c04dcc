package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// docsCommand is `hoy __docs man DIR` and `hoy __docs markdown DIR`: the manual, written from the tree of commands. `make docs` calls it.
func docsCommand(s *session) *command {
	return &command{
		args:  "man|markdown DIRECTORY",
		short: "Write the manual",
		min:   2,
		max:   2,
		run: func(_ context.Context, args []string) error {
			pages, err := s.manual(args[0])
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[1], 0o777); err != nil {
				return err
			}
			for name, text := range pages {
				if err := os.WriteFile(filepath.Join(args[1], name), []byte(text), 0o666); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// manual is all pages of one kind, by the names of their files.
func (s *session) manual(kind string) (map[string]string, error) {
	render, suffix := manPage, ".1"
	switch kind {
	case "man":
	case "markdown":
		render, suffix = markdownPage, ".md"
	default:
		return nil, fmt.Errorf("unknown kind of manual %q: must be man or markdown", kind)
	}
	pages := map[string]string{}
	root, _ := s.find(nil)
	s.walk(root, func(f found) { pages[pageName(f)+suffix] = render(s, f) })
	return pages, nil
}

// walk visits f and what is below it, each command once: under the shortest of its names.
func (s *session) walk(f found, visit func(found)) {
	visit(f)
	for _, n := range f.subs {
		child := f.child(s, n)
		if n.hidden || len(child.aliases) > 0 && s.shortest(child) != child.pathName() {
			continue
		}
		s.walk(child, visit)
	}
}

// shortest is the way to call the command that it has its page under: Docker's lists of aliases end with it, but for those of
// groups, which begin with it.
func (s *session) shortest(f found) string {
	best := f.aliases[0]
	for _, a := range f.aliases {
		if strings.Count(a, " ") < strings.Count(best, " ") {
			best = a
		}
	}
	return s.name + " " + best
}

func pageName(f found) string { return strings.Join(f.path, "-") }

// below lists the commands of a group that are shown, with the page that describes each.
func (f found) below(s *session, line func(c found, page string)) {
	for _, n := range f.subs {
		if n.hidden {
			continue
		}
		c := f.child(s, n)
		page := pageName(c)
		if len(c.aliases) > 0 {
			page = strings.ReplaceAll(s.shortest(c), " ", "-")
		}
		line(c, page)
	}
}
