package copier

import (
	"path"
	"slices"
	"strings"
	"sync"

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

	reading sync.WaitGroup // who reads ahead
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
	defer w.reading.Wait()
	return w.dir(n, "", st, nil)
}

// dir adds what is in a directory, whose nodes are in l when they have been read ahead.
func (w *walk) dir(n *rootfs.Node, rel string, parent state, l *listing) error {
	nodes, err := l.wait(w.tree, n)
	if err != nil {
		return err
	}
	found := make([]found, len(nodes))
	for i := range nodes {
		name := strings.TrimPrefix(nodes[i].Path[len(n.Path)-len(rel):], "/")
		if found[i], err = w.judge(&nodes[i], name, parent); err != nil {
			return err
		}
	}
	w.ahead(found)
	w.entries = slices.Grow(w.entries, len(nodes))
	for i := range found {
		if err := w.child(&found[i]); err != nil {
			return err
		}
	}
	return nil
}

// found is a file of a directory that is being walked.
type found struct {
	node    *rootfs.Node
	rel     string
	state   state // of a directory
	drop    bool
	descend bool
	listing *listing
}

// judge says what the matchers want of a file.
func (w *walk) judge(n *rootfs.Node, rel string, parent state) (found, error) {
	f := found{node: n, rel: rel}
	st := &f.state
	ignored, err := w.ignore.match(n.Path, &parent.ignore, &st.ignore)
	if err != nil {
		return f, err
	}
	excluded, err := w.exclude.match(rel, &parent.exclude, &st.exclude)
	if err != nil {
		return f, err
	}
	st.included = parent.included
	if !st.included {
		if st.included, err = w.include.match(rel, &parent.include, &st.include); err != nil {
			return f, err
		}
	}
	f.drop = ignored || excluded || !st.included
	f.descend = n.IsDir() && !(ignored && !w.ignore.mayKeepBelow(n.Path) || excluded && !w.exclude.mayKeepBelow(rel) ||
		!st.included && !mayMatchBelow(w.only, strings.Split(rel, "/")))
	return f, nil
}

func (w *walk) child(f *found) error {
	if !f.node.IsDir() {
		if !f.drop {
			w.add(Entry{Node: *f.node, Rel: f.rel})
		}
		return nil
	}
	if !f.descend {
		return nil
	}
	w.pending = append(w.pending, Entry{Node: *f.node, Rel: f.rel})
	if !f.drop {
		w.flush()
	}
	if err := w.dir(f.node, f.rel, f.state, f.listing); err != nil {
		return err
	}
	if k := len(w.pending) - 1; k >= 0 && w.pending[k].Rel == f.rel {
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
