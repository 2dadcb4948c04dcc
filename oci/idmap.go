package oci

import (
	"fmt"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/userns"
)

// idMapAuto is `idmap` without a map: the owners that the container's user namespace knows.
const idMapAuto = "auto"

// ParseIDMap reads the map of `idmap=uids=0-1-10#10-11-10;gids=0-100-10`: each range is that of the ids on disk, of those that the
// container sees, and their number (podman-run(1)).
func ParseIDMap(s string) (*userns.Map, error) {
	m := new(userns.Map)
	for _, part := range strings.Split(s, ";") {
		kind, list, ok := strings.Cut(part, "=")
		to := map[string]*[]userns.Range{"uids": &m.UIDs, "gids": &m.GIDs}[kind]
		if !ok || to == nil {
			return nil, fmt.Errorf("invalid idmap %q: uids=FROM-TO-COUNT[#…];gids=…", s)
		}
		for _, one := range strings.Split(list, "#") {
			r, err := parseRange(strings.TrimPrefix(one, "@"))
			if err != nil {
				return nil, fmt.Errorf("invalid idmap %q: %w", s, err)
			}
			*to = append(*to, r)
		}
	}
	if len(m.UIDs) == 0 || len(m.GIDs) == 0 {
		return nil, fmt.Errorf("invalid idmap %q: it needs uids and gids", s)
	}
	return m, nil
}

func parseRange(s string) (r userns.Range, err error) {
	numbers := strings.Split(s, "-")
	if len(numbers) != 3 {
		return r, fmt.Errorf("%q is no FROM-TO-COUNT", s)
	}
	for i, to := range []*uint32{&r.Inside, &r.Outside, &r.Count} {
		n, err := strconv.ParseUint(numbers[i], 10, 32)
		if err != nil {
			return r, fmt.Errorf("%q is no FROM-TO-COUNT", s)
		}
		*to = uint32(n)
	}
	return r, nil
}
