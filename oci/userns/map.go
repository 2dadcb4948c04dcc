package userns

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Range maps Count ids from Inside on, in the namespace, to those from Outside on, of the namespace around it. For an idmapped mount Inside are the
// ids on disk.
type Range struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Count   uint32 `json:"count"`
}

// Map is how the ids of a namespace are those of the namespace around it. Ids in no range have no counterpart.
type Map struct {
	UIDs []Range `json:"uids"`
	GIDs []Range `json:"gids"`
}

// UID gives the outer id of a user of the namespace.
func (m *Map) UID(inside uint32) (uint32, bool) { return toOutside(m.UIDs, inside) }

// GID gives the outer id of a group of the namespace.
func (m *Map) GID(inside uint32) (uint32, bool) { return toOutside(m.GIDs, inside) }

// Equal says whether both map the same ids.
func (m *Map) Equal(o *Map) bool { return slices.Equal(m.UIDs, o.UIDs) && slices.Equal(m.GIDs, o.GIDs) }

// Invert is the map the other way round.
func (m *Map) Invert() *Map { return &Map{UIDs: invert(m.UIDs), GIDs: invert(m.GIDs)} }

func toOutside(ranges []Range, id uint32) (uint32, bool) {
	for _, r := range ranges {
		if id >= r.Inside && id-r.Inside < r.Count {
			return r.Outside + (id - r.Inside), true
		}
	}
	return 0, false
}

func invert(ranges []Range) []Range {
	out := make([]Range, len(ranges))
	for i, r := range ranges {
		out[i] = Range{Inside: r.Outside, Outside: r.Inside, Count: r.Count}
	}
	return out
}

// Overlap finds two ranges that have an id in common, inside or outside.
func Overlap(ranges []Range) (a, b Range, found bool) {
	meet := func(x, y, n, m uint32) bool {
		return uint64(x) < uint64(y)+uint64(m) && uint64(y) < uint64(x)+uint64(n)
	}
	for i, a := range ranges {
		for _, b := range ranges[i+1:] {
			if meet(a.Inside, b.Inside, a.Count, b.Count) || meet(a.Outside, b.Outside, a.Count, b.Count) {
				return a, b, true
			}
		}
	}
	return a, b, false
}

// Span gives the two ids of the namespace between whose counterparts all others lie, as a sysctl that takes a range of ids wants them: in order on both
// sides. Where the ranges are mapped in another order it is the span of the largest one. false: there is none.
func Span(ranges []Range) (low, high uint32, ok bool) {
	if len(ranges) == 0 {
		return 0, 0, false
	}
	first, last, largest := ranges[0], ranges[0], ranges[0]
	for _, r := range ranges[1:] {
		if r.Outside < first.Outside {
			first = r
		}
		if r.Outside > last.Outside {
			last = r
		}
		if r.Count > largest.Count {
			largest = r
		}
	}
	if first.Inside > last.Inside {
		first, last = largest, largest
	}
	const limit = 1<<31 - 1 // of the kernel's groups in net.ipv4.ping_group_range
	return first.Inside, min(last.Inside+last.Count-1, limit), true
}

// ParseRanges reads what /proc/PID/uid_map holds (user_namespaces(7)): the Outside ids are those of the reader's namespace.
func ParseRanges(text string) ([]Range, error) {
	var out []Range
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 3 {
			return nil, fmt.Errorf("id map line %q", line)
		}
		var n [3]uint32
		for i, w := range words {
			v, err := strconv.ParseUint(w, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("id map line %q: %w", line, err)
			}
			n[i] = uint32(v)
		}
		out = append(out, Range{Inside: n[0], Outside: n[1], Count: n[2]})
	}
	return out, nil
}
