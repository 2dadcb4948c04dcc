package oci

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"codeberg.org/hoy/hoy/oci/userns"
)

// IDHost is what a container's id map depends on of the host and of the caller.
type IDHost struct {
	Rootless bool
	UID, GID uint32 // the user's own, on the host
	// Namespace is the map of the namespace that hoy is in: its Outside ids are the host's. As root it is the identity.
	Namespace userns.Map
}

// MaxRanges is how many ranges the kernel takes in one map (UID_GID_MAP_MAX_EXTENTS).
const MaxRanges = 340

// Resolve gives the id map of a container's own user namespace, with the ids of hoy's namespace outside. Nil: it has none of its own. Of
// UsernsAuto and UsernsContainer the caller knows more.
func (u *Userns) Resolve(h *IDHost) (*userns.Map, error) {
	var m *userns.Map
	var err error
	switch u.Kind {
	case UsernsKeepID:
		m, err = u.keepID(h)
	case UsernsNomap:
		if !h.Rootless {
			return nil, errors.New("--userns nomap is for ordinary users' containers")
		}
		m = &userns.Map{}
		m.UIDs, m.GIDs = h.Subordinate()
		for _, ranges := range [][]userns.Range{m.UIDs, m.GIDs} {
			for i := range ranges {
				ranges[i].Inside = 0
			}
		}
	case UsernsMap:
		m, err = h.typed(u.Maps)
	}
	if m == nil || err != nil {
		return nil, err
	}
	return m, h.Check(m)
}

// keepID gives the user's own id, which is 0 in hoy's namespace, the same number in the container, and the subordinate ids all others in order.
func (u *Userns) keepID(h *IDHost) (*userns.Map, error) {
	if !h.Rootless {
		return nil, errors.New("--userns keep-id is for ordinary users' containers")
	}
	uid, gid := h.UID, h.GID
	if u.UID != nil {
		uid = *u.UID
	}
	if u.GID != nil {
		gid = *u.GID
	}
	return &userns.Map{UIDs: keepID(uid, u.limit(h.Namespace.UIDs)), GIDs: keepID(gid, u.limit(h.Namespace.GIDs))}, nil
}

// limit is how many subordinate ids a container gets.
func (u *Userns) limit(namespace []userns.Range) uint32 {
	n := total(namespace)
	if n > 0 {
		n-- // the user's own
	}
	if u.Size > 0 {
		n = min(n, u.Size)
	}
	return n
}

func keepID(own, subordinate uint32) []userns.Range {
	before := min(own, subordinate)
	var out []userns.Range
	if before > 0 {
		out = append(out, userns.Range{Inside: 0, Outside: 1, Count: before})
	}
	out = append(out, userns.Range{Inside: own, Outside: 0, Count: 1})
	if after := subordinate - before; after > 0 {
		out = append(out, userns.Range{Inside: own + 1, Outside: own + 1, Count: after})
	}
	return out
}

func total(ranges []userns.Range) (n uint32) {
	for _, r := range ranges {
		n += r.Count
	}
	return n
}

// typed gives --uidmap and --gidmap with the ids of hoy's namespace.
func (h *IDHost) typed(s MapSpec) (*userns.Map, error) {
	uids, err := typed(s.UIDs, h.Namespace.UIDs)
	if err != nil {
		return nil, fmt.Errorf("--uidmap: %w", err)
	}
	gids, err := typed(s.GIDs, h.Namespace.GIDs)
	if err != nil {
		return nil, fmt.Errorf("--gidmap: %w", err)
	}
	return &userns.Map{UIDs: uids, GIDs: gids}, nil
}

func typed(list []MapRange, namespace []userns.Range) ([]userns.Range, error) {
	var out []userns.Range
	if slices.ContainsFunc(list, func(r MapRange) bool { return r.Add }) {
		for _, r := range namespace {
			out = append(out, userns.Range{Inside: r.Inside, Outside: r.Inside, Count: r.Count})
		}
	}
	for _, m := range list {
		r := m.Range
		if m.Host {
			from, ok := insideOf(namespace, r.Outside, r.Count)
			if !ok {
				return nil, fmt.Errorf("the host's ids from %d on are not all of this user's", r.Outside)
			}
			r.Outside = from
		}
		if m.Add {
			out = cut(out, r)
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b userns.Range) int { return cmp.Compare(a.Inside, b.Inside) })
	return out, nil
}

// insideOf finds count ids of the host's from outside on in one range of a namespace.
func insideOf(namespace []userns.Range, outside, count uint32) (uint32, bool) {
	for _, r := range namespace {
		if outside >= r.Outside && uint64(outside)+uint64(count) <= uint64(r.Outside)+uint64(r.Count) {
			return r.Inside + (outside - r.Outside), true
		}
	}
	return 0, false
}

// cut takes the ids of r, on either side, out of ranges.
func cut(ranges []userns.Range, r userns.Range) []userns.Range {
	var out []userns.Range
	for _, x := range ranges {
		for _, y := range hole(x, r.Inside-x.Inside, r.Inside, x.Inside, r.Count) {
			out = append(out, hole(y, r.Outside-y.Outside, r.Outside, y.Outside, r.Count)...)
		}
	}
	return out
}

// hole is what is left of x without count ids from the one at from on, which lies offset after x's first, start.
func hole(x userns.Range, offset, from, start, count uint32) []userns.Range {
	if uint64(from)+uint64(count) <= uint64(start) || uint64(from) >= uint64(start)+uint64(x.Count) {
		return []userns.Range{x}
	}
	var out []userns.Range
	skip := uint64(0) // how many of x come before what follows the hole
	if from > start {
		out = append(out, userns.Range{Inside: x.Inside, Outside: x.Outside, Count: offset})
	}
	skip = uint64(from) + uint64(count) - uint64(start)
	if skip < uint64(x.Count) {
		n := uint32(skip)
		out = append(out, userns.Range{Inside: x.Inside + n, Outside: x.Outside + n, Count: x.Count - n})
	}
	return out
}

// Check says what is wrong with a map: the kernel would only say EINVAL, or nothing works in the container.
func (h *IDHost) Check(m *userns.Map) error {
	for _, k := range []struct {
		what              string
		ranges, namespace []userns.Range
	}{{"uid", m.UIDs, h.Namespace.UIDs}, {"gid", m.GIDs, h.Namespace.GIDs}} {
		if len(k.ranges) > MaxRanges {
			return fmt.Errorf("%d %s ranges: the kernel takes %d", len(k.ranges), k.what, MaxRanges)
		}
		if a, b, ok := userns.Overlap(k.ranges); ok {
			return fmt.Errorf("%s maps overlap: %s and %s", k.what, show(a), show(b))
		}
		for _, r := range k.ranges {
			if !within(k.namespace, r) {
				return fmt.Errorf("%s map %s: this user has the ids %s", k.what, show(r), showInside(k.namespace))
			}
		}
		if !slices.ContainsFunc(k.ranges, func(r userns.Range) bool { return r.Inside == 0 }) {
			return fmt.Errorf("the container has no %s 0: a map must include it", k.what)
		}
	}
	return nil
}

func show(r userns.Range) string { return fmt.Sprintf("%d:%d:%d", r.Inside, r.Outside, r.Count) }

func showInside(ranges []userns.Range) string {
	text := ""
	for i, r := range ranges {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d-%d", r.Inside, uint64(r.Inside)+uint64(r.Count)-1)
	}
	return text
}

// within says whether all of r's Outside ids are in the namespace, whose ranges lie one after the other.
func within(namespace []userns.Range, r userns.Range) bool {
	next, end := uint64(r.Outside), uint64(r.Outside)+uint64(r.Count)
	for moved := true; moved && next < end; {
		moved = false
		for _, n := range namespace {
			if next >= uint64(n.Inside) && next < uint64(n.Inside)+uint64(n.Count) {
				next, moved = uint64(n.Inside)+uint64(n.Count), true
			}
		}
	}
	return next >= end
}

// FreeRange finds size ids in the ranges of free (Inside) that are in no range of used (Outside), the lowest that there are.
func FreeRange(free, used []userns.Range, size uint32) (uint32, error) {
	slices.SortFunc(used, func(a, b userns.Range) int { return cmp.Compare(a.Outside, b.Outside) })
	for _, f := range free {
		start, end := uint64(f.Inside), uint64(f.Inside)+uint64(f.Count)
		for _, u := range used {
			first, after := uint64(u.Outside), uint64(u.Outside)+uint64(u.Count)
			if after <= start || first >= start+uint64(size) {
				continue
			}
			start = after
		}
		if start+uint64(size) <= end {
			return uint32(start), nil
		}
	}
	return 0, fmt.Errorf("no %d ids are left that no other container has", size)
}

// Auto is the map of UsernsAuto: the ids that were found, from 0 on, but for those that the flag maps elsewhere.
func (u *Userns) Auto(h *IDHost, uids, gids userns.Range) (*userns.Map, error) {
	typed, err := h.typed(u.Maps)
	if err != nil {
		return nil, err
	}
	m := &userns.Map{UIDs: []userns.Range{uids}, GIDs: []userns.Range{gids}}
	for _, r := range typed.UIDs {
		m.UIDs = append(cut(m.UIDs, r), r)
	}
	for _, r := range typed.GIDs {
		m.GIDs = append(cut(m.GIDs, r), r)
	}
	return m, h.Check(m)
}

// Subordinate are the ids of an ordinary user's namespace that are not the user's own.
func (h *IDHost) Subordinate() (uids, gids []userns.Range) {
	rest := func(ranges []userns.Range) []userns.Range {
		if n := total(ranges); n > 1 {
			return []userns.Range{{Inside: 1, Outside: 1, Count: n - 1}}
		}
		return nil
	}
	return rest(h.Namespace.UIDs), rest(h.Namespace.GIDs)
}
