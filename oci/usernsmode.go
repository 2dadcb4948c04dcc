package oci

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/userns"
)

// UsernsKind is the word of --userns before the first colon.
type UsernsKind string

// The kinds of --userns. UsernsMap stands for --uidmap and --gidmap.
const (
	UsernsHost      UsernsKind = "host"      // none of the container's own: as root the host's, else the user's
	UsernsKeepID    UsernsKind = "keep-id"   // the user's own id is the same in the container
	UsernsNomap     UsernsKind = "nomap"     // the user's own id is not in the container
	UsernsAuto      UsernsKind = "auto"      // ids that no other container has
	UsernsContainer UsernsKind = "container" // another container's
	UsernsMap       UsernsKind = "map"
)

// Userns is --userns, --uidmap and --gidmap, read.
type Userns struct {
	Kind      UsernsKind
	Container string  // UsernsContainer: name or id
	UID, GID  *uint32 // UsernsKeepID: the ids in the container; nil: the user's own
	Size      uint32  // UsernsKeepID, UsernsAuto: how many ids; 0: as many as there are, as the image needs
	// Maps are those of --uidmap and --gidmap, or of uidmapping= and gidmapping= of UsernsAuto.
	Maps MapSpec
}

// MapSpec are id maps as they are typed: their Outside ids are the host's with Host.
type MapSpec struct {
	UIDs, GIDs []MapRange
}

// MapRange is one map as it is typed: [+][u][g]CONTAINER:[@]FROM[:COUNT].
type MapRange struct {
	userns.Range
	Host bool // "@": FROM is an id of the host's, else of the user's namespace
	Add  bool // "+": put into the map that there would be without it
}

// maxMapID is the largest id that can be in a map: the one after it means none.
const maxMapID = 1<<32 - 2

// Userns reads the container's user namespace flags. The words of a mode that does not exist are Docker's.
func (c *Config) Userns() (Userns, error) {
	if len(c.UIDMap)+len(c.GIDMap) > 0 {
		if c.UsernsMode != "" {
			return Userns{}, errors.New("conflicting options: --userns cannot be used with --uidmap and --gidmap")
		}
		maps, err := parseMaps(c.UIDMap, c.GIDMap)
		return Userns{Kind: UsernsMap, Maps: maps}, err
	}
	kind, rest, more := strings.Cut(c.UsernsMode, ":")
	u := Userns{Kind: UsernsKind(kind)}
	switch u.Kind {
	case "":
		u.Kind = UsernsHost
		fallthrough
	case UsernsHost, UsernsNomap:
		if more {
			return u, errUserns
		}
		return u, nil
	case UsernsContainer:
		if u.Container = rest; rest == "" {
			return u, errUserns
		}
		return u, nil
	case UsernsKeepID, UsernsAuto:
		return u, u.options(rest)
	}
	return u, errUserns
}

var errUserns = errors.New("--userns: invalid USER mode")

// options reads what follows "keep-id:" and "auto:".
func (u *Userns) options(list string) error {
	var uidMaps, gidMaps []string
	for _, o := range strings.Split(list, ",") {
		if o == "" {
			continue
		}
		key, value, _ := strings.Cut(o, "=")
		var err error
		switch {
		case key == "size":
			u.Size, err = parseMapID(value)
		case key == "uid" && u.Kind == UsernsKeepID:
			u.UID, err = parsedID(value)
		case key == "gid" && u.Kind == UsernsKeepID:
			u.GID, err = parsedID(value)
		case key == "uidmapping" && u.Kind == UsernsAuto:
			uidMaps = append(uidMaps, value)
		case key == "gidmapping" && u.Kind == UsernsAuto:
			gidMaps = append(gidMaps, value)
		default:
			err = errors.New("unknown option")
		}
		if err != nil {
			return fmt.Errorf("--userns %s: %s: %w", u.Kind, o, err)
		}
	}
	if len(uidMaps)+len(gidMaps) == 0 {
		return nil
	}
	var err error
	if u.Maps.UIDs, err = parseRanges(uidMaps, 'u'); err == nil {
		u.Maps.GIDs, err = parseRanges(gidMaps, 'g')
	}
	return err
}

func parsedID(s string) (*uint32, error) {
	id, err := parseMapID(s)
	return &id, err
}

func parseMapID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxMapID {
		return 0, fmt.Errorf("%q is no id or number of ids", s)
	}
	return uint32(n), nil
}

// parseMaps reads --uidmap and --gidmap: where one is missing it is as the other (podman).
func parseMaps(uids, gids []string) (m MapSpec, err error) {
	if m.UIDs, err = parseRanges(append(slices.Clone(uids), only(gids, 'u')...), 'u'); err != nil {
		return m, err
	}
	if m.GIDs, err = parseRanges(append(slices.Clone(gids), only(uids, 'g')...), 'g'); err != nil {
		return m, err
	}
	if len(gids) == 0 && len(m.GIDs) == 0 {
		m.GIDs = m.UIDs
	}
	if len(uids) == 0 && len(m.UIDs) == 0 {
		m.UIDs = m.GIDs
	}
	return m, nil
}

// only gives the maps of the other flag that say by "u" or "g" that they are this one's.
func only(list []string, kind byte) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		return !strings.ContainsRune(flagsOf(s), rune(kind))
	})
}

// flagsOf are the letters before the container's id.
func flagsOf(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "+ug"))] }

// parseRanges reads the maps that are for one kind of id; those that say they are for the other alone are left out.
func parseRanges(list []string, kind byte) ([]MapRange, error) {
	var out []MapRange
	for _, s := range list {
		letters := strings.Trim(flagsOf(s), "+")
		if letters != "" && !strings.ContainsRune(letters, rune(kind)) {
			continue
		}
		r, err := parseMapRange(s)
		if err != nil {
			return nil, fmt.Errorf("invalid id map %q: %w", s, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func parseMapRange(s string) (r MapRange, err error) {
	letters := flagsOf(s)
	r.Add = strings.Contains(letters, "+")
	words := strings.Split(s[len(letters):], ":")
	if len(words) < 2 || len(words) > 3 {
		return r, errors.New("want CONTAINER:FROM[:COUNT]")
	}
	words[1], r.Host = strings.TrimPrefix(words[1], "@"), strings.HasPrefix(words[1], "@")
	r.Count = 1
	for i, to := range []*uint32{&r.Inside, &r.Outside, &r.Count} {
		if i >= len(words) {
			break
		}
		if *to, err = parseMapID(words[i]); err != nil {
			return r, err
		}
	}
	if r.Count == 0 || r.Inside > maxMapID-(r.Count-1) || r.Outside > maxMapID-(r.Count-1) {
		return r, errors.New("out of range")
	}
	return r, nil
}
