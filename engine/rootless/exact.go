package rootless

import (
	"errors"
	"os"
	"runtime"
	"strconv"

	"codeberg.org/hoy/hoy/oci/userns"
)

// envExact says that the inner half is in the user namespace that it asked for by InsideExactly.
const envExact = "HOY_ROOTLESS_EXACT"

// InsideExactly runs hoy again with the same command line, in a new user namespace with just this map, and gives its exit code. The caller's own id must be
// the map's 0. Of other ids those can be had that newuidmap(1) gives.
func InsideExactly(m *userns.Map) int {
	runtime.LockOSThread() // the inner half dies with the thread that forked it
	os.Setenv(envExact, "1")
	return outer(nil, func(pid int) error { return mapExactly(pid, m) })
}

// Exactly says whether this process was started by InsideExactly.
func Exactly() bool { return os.Getenv(envExact) != "" && InUserns() }

func mapExactly(pid int, m *userns.Map) error {
	uid, gid := os.Geteuid(), os.Getegid()
	if !startsWith(m.UIDs, uid) || !startsWith(m.GIDs, gid) {
		return errors.New("the user's own id must be root in the namespace")
	}
	if len(m.UIDs) == 1 && len(m.GIDs) == 1 && m.UIDs[0].Count == 1 && m.GIDs[0].Count == 1 {
		return mapSingle(strconv.Itoa(pid), uid, gid)
	}
	var running [2]*tool
	var errs [2]error
	for i, t := range []struct {
		name   string
		ranges []userns.Range
	}{{"newuidmap", m.UIDs}, {"newgidmap", m.GIDs}} {
		file, err := lookPath(t.name)
		if err == nil {
			running[i], err = startTool(file, toolArgs(pid, t.ranges))
		}
		errs[i] = err
	}
	for i, t := range running {
		if t != nil {
			errs[i] = t.wait()
		}
	}
	return errors.Join(errs[:]...)
}

// startsWith says whether id is 0 in the namespace.
func startsWith(ranges []userns.Range, id int) bool {
	return len(ranges) > 0 && ranges[0].Inside == 0 && int(ranges[0].Outside) == id
}

func toolArgs(pid int, ranges []userns.Range) []string {
	args := []string{strconv.Itoa(pid)}
	for _, r := range ranges {
		for _, n := range []uint32{r.Inside, r.Outside, r.Count} {
			args = append(args, strconv.FormatUint(uint64(n), 10))
		}
	}
	return args
}
