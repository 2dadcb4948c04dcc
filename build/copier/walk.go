package copier

import (
	"path"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/build/rootfs"
	"github.com/moby/patternmatcher"
)

// walk collects the files below one source.
type walk struct {
	tree    *rootfs.Tree
	ignore  *matcher // .dockerignore: paths from the root
	exclude *matcher // --exclude: paths from the source
	include *matcher // --parents: paths from the source; nil takes everything
	only    []string // the names of the include pattern
	pending []Entry  // directories that count when something in them does
	entries []Entry
}

// state is what the matchers found for a directory.
type state struct {
	ignore, exclude, include patternmatcher.MatchInfo
	included                 bool // the include pattern matched the directory or one above it
}

func newWalk(s *selector, source *rootfs.Node, include *string) (*walk, error) {
	w := &walk{tree: s.tree}
	w.ignore = newMatcher(s.request.Ignore)
	if len(s.request.Exclude) > 0 {
		pm, err := patternmatcher.New(s.request.Exclude)
		if err != nil {
			return nil, err
		}
		w.exclude = newMatcher(pm)
	}
	if include != nil && *include != "" {
		pm, err := patternmatcher.New([]string{*include})
		if err != nil {
			return nil, err
		}
		w.include, w.only = newMatcher(pm), strings.Split(*include, "/")
	}
	return w, nil
}

// source adds the source itself and, of a directory, what is in it.
func (w *walk) source(n *rootfs.Node, name string) error {
	st := state{included: w.include == nil}
	ignored, err := w.ignore.path(n.Path, &st.ignore)
	if err != nil {
		return err
	}
	if !n.IsDir() {
		excluded, err := w.exclude.match(name, &patternmatcher.MatchInfo{}, &st.exclude)
		if err == nil && !ignored && !excluded {
			w.add(Entry{Node: *n})
		}
		return err
	}
	if ignored && !w.ignore.mayKeepBelow(n.Path) {
		return nil
	}
	w.pending = append(w.pending, Entry{Node: *n})
	if !ignored {
		w.flush()
	}
	return w.dir(n, "", st)
}

func (w *walk) dir(n *rootfs.Node, rel string, parent state) error {
	nodes, err := w.tree.ReadDir(n)
	if err != nil {
		return err
	}
	w.entries = slices.Grow(w.entries, len(nodes))
	for i := range nodes {
		if err := w.child(&nodes[i], strings.TrimPrefix(nodes[i].Path[len(n.Path)-len(rel):], "/"), parent); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) child(n *rootfs.Node, rel string, parent state) error {
	var st state
	ignored, err := w.ignore.match(n.Path, &parent.ignore, &st.ignore)
	if err != nil {
		return err
	}
	excluded, err := w.exclude.match(rel, &parent.exclude, &st.exclude)
	if err != nil {
		return err
	}
	st.included = parent.included
	if !st.included {
		if st.included, err = w.include.match(rel, &parent.include, &st.include); err != nil {
			return err
		}
	}
	drop := ignored || excluded || !st.included
	if !n.IsDir() {
		if !drop {
			w.add(Entry{Node: *n, Rel: rel})
		}
		return nil
	}
	if ignored && !w.ignore.mayKeepBelow(n.Path) || excluded && !w.exclude.mayKeepBelow(rel) ||
		!st.included && !mayMatchBelow(w.only, strings.Split(rel, "/")) {
		return nil
	}
	w.pending = append(w.pending, Entry{Node: *n, Rel: rel})
	if !drop {
		w.flush()
	}
	if err := w.dir(n, rel, st); err != nil {
		return err
	}
	if k := len(w.pending) - 1; k >= 0 && w.pending[k].Rel == rel {
		w.pending = w.pending[:k]
	}
	return nil
}

func (w *walk) add(e Entry) {
	w.flush()
	w.entries = append(w.entries, e)
}

func (w *walk) flush() {
	w.entries = append(w.entries, w.pending...)
	w.pending = w.pending[:0]
}

// mayMatchBelow says whether files below the directory rel may match a pattern, by its names.
func mayMatchBelow(pattern, rel []string) bool {
	for i, name := range rel {
		if i >= len(pattern) {
			return false
		}
		if pattern[i] == "**" {
			return true
		}
		if ok, err := path.Match(pattern[i], name); err == nil && !ok {
			return false
		}
	}
	return true
}

// matcher is a list of patterns with what must be known to leave out whole directories. A nil matcher matches nothing.
type matcher struct {
	patterns *patternmatcher.PatternMatcher
	keeps    []string // the "!" patterns without wildcards
	keepAny  bool     // there is a "!" pattern with a wildcard
}

func newMatcher(pm *patternmatcher.PatternMatcher) *matcher {
	if pm == nil {
		return nil
	}
	m := &matcher{patterns: pm}
	for _, p := range pm.Patterns() {
		if !p.Exclusion() {
			continue
		}
		literal := strings.TrimSuffix(strings.TrimSuffix(p.String(), "/**"), "/*")
		m.keeps = append(m.keeps, literal)
		m.keepAny = m.keepAny || hasWildcards(literal)
	}
	return m
}

// match says whether a path matches, given what was found for its directory.
func (m *matcher) match(p string, parent, found *patternmatcher.MatchInfo) (bool, error) {
	if m == nil {
		return false, nil
	}
	ok, info, err := m.patterns.MatchesUsingParentResults(p, *parent)
	*found = info
	return ok, err
}

// path is match for a path whose directories have not been looked at.
func (m *matcher) path(p string, found *patternmatcher.MatchInfo) (ok bool, err error) {
	if m == nil || p == "" {
		return false, nil
	}
	var info patternmatcher.MatchInfo
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			continue
		}
		parent := info
		if ok, err = m.match(p[:i], &parent, &info); err != nil {
			return false, err
		}
	}
	*found = info
	return ok, nil
}

// mayKeepBelow says whether a "!" pattern may take something back that lies below a directory that matches.
func (m *matcher) mayKeepBelow(dir string) bool {
	if m == nil {
		return false
	}
	if m.keepAny {
		return true
	}
	for _, k := range m.keeps {
		if strings.HasPrefix(k+"/", dir+"/") {
			return true
		}
	}
	return false
}
