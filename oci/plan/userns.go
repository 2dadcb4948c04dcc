package plan

import (
	"errors"
	"fmt"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/userns"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// userns reads the container's own user namespace, in which much is as in an ordinary user's.
func (p *planner) userns() error {
	linux := p.s.Linux
	m := IDMap(linux.UIDMappings, linux.GIDMappings)
	for _, ns := range linux.Namespaces {
		if ns.Type != specs.UserNamespace {
			continue
		}
		if m == nil {
			return errors.New("a user namespace needs uidMappings and gidMappings")
		}
		for _, list := range [][]userns.Range{m.UIDs, m.GIDs} {
			if a, b, found := userns.Overlap(list); found {
				return fmt.Errorf("maps of ids overlap: %v and %v", a, b)
			}
		}
		p.plan.Userns = &child.Userns{Map: *m, Path: ns.Path, OfNetwork: p.o.NetworkOwn && ns.Path == ""}
		p.o.Rootless, p.plan.Rootless = true, true
		return nil
	}
	if m != nil {
		return errors.New("uidMappings and gidMappings need a user namespace")
	}
	return nil
}

// IDMap is a map of ids as a specification has it; nil when it is empty.
func IDMap(uids, gids []specs.LinuxIDMapping) *userns.Map {
	if len(uids)+len(gids) == 0 {
		return nil
	}
	return &userns.Map{UIDs: ranges(uids), GIDs: ranges(gids)}
}

func ranges(list []specs.LinuxIDMapping) []userns.Range {
	var out []userns.Range
	for _, m := range list {
		out = append(out, userns.Range{Inside: m.ContainerID, Outside: m.HostID, Count: m.Size})
	}
	return out
}
