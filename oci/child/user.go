package child

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// maxID is the largest uid and gid that Docker takes. Larger ones, up to 2³²-1, are what a program makes of an overflow (CVE-2024-40635).
const maxID = 1<<31 - 1

// maxUserFile bounds /etc/passwd and /etc/group: an image may bring along a file of any size (CVE-2026-47262).
const maxUserFile = 8 << 20

// maxGroups is how many supplementary groups a process may have (NGROUPS_MAX).
const maxGroups = 65536

// UserFiles are the files that say who a container's users are.
type UserFiles struct {
	Root inroot.Root // of the container
	Proc int         // an open procfs
}

// read gives the lines of a file, of which an image may have none. It reads nothing but regular files (CVE-2024-9676).
func (f UserFiles) read(path string) ([]string, error) {
	data, err := f.Root.ReadFile(f.Proc, path, maxUserFile)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil, nil
	}
	if err != nil {
		return nil, at(path, err)
	}
	return strings.Split(string(data), "\n"), nil
}

// passwdEntry is a line of passwd(5).
type passwdEntry struct {
	name, home string
	uid, gid   uint32
}

// Resolve finds the identity that Docker's user[:group] names, and the user's home directory ("/" when unknown). Both may be names or numbers;
// "" is root. Without a group the user's own group and those that list the user are taken, with one that group alone; in both cases
// those of groupAdd too. The primary group is among the supplementary ones, as login(1) has it (CVE-2022-36109).
//
// Numbers are never looked up as names and must lie within 0–2147483647 (CVE-2026-46680).
func Resolve(f UserFiles, user string, groupAdd []string) (ids IDs, home string, err error) {
	passwd, err := f.read("/etc/passwd")
	if err != nil {
		return ids, "", err
	}
	group, err := f.read("/etc/group")
	if err != nil {
		return ids, "", err
	}
	return resolve(passwd, group, user, groupAdd)
}

func resolve(passwd, group []string, user string, groupAdd []string) (ids IDs, home string, err error) {
	userName, groupName, _ := strings.Cut(user, ":")
	entry, err := findUser(passwd, userName)
	if err != nil {
		return ids, "", at(user, err)
	}
	ids = IDs{UID: entry.uid, GID: entry.gid}
	var more []uint32
	if groupName != "" {
		if ids.GID, err = findGroup(group, groupName); err != nil {
			return ids, "", at(user, err)
		}
	} else {
		more = groupsOf(group, entry.name)
	}
	for _, g := range groupAdd {
		gid, err := findGroup(group, g)
		if err != nil {
			return ids, "", at(g, err)
		}
		more = append(more, gid)
	}
	ids.Groups = []uint32{ids.GID}
	for _, g := range more {
		if !slices.Contains(ids.Groups, g) {
			ids.Groups = append(ids.Groups, g)
		}
	}
	return ids, entry.home, nil
}

// number reads an id. isNumber is true for everything that looks like a number, also when it is not a possible id.
func number(s string) (id uint32, isNumber bool, err error) {
	digits := strings.TrimLeft(s, "+-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxID {
		return 0, true, fmt.Errorf("uids and gids must be in range 0-%d", maxID)
	}
	return uint32(n), true, nil
}

// findUser finds a user by name or number; a number need not be in the file.
func findUser(passwd []string, name string) (passwdEntry, error) {
	if name == "" {
		name = "0"
	}
	id, isNumber, err := number(name)
	if err != nil {
		return passwdEntry{}, err
	}
	for _, line := range passwd {
		e, ok := parsePasswd(line)
		if ok && (isNumber && e.uid == id || !isNumber && e.name == name) {
			return e, nil
		}
	}
	if !isNumber {
		return passwdEntry{}, fmt.Errorf("unable to find user %s: no matching entries in passwd file", name)
	}
	return passwdEntry{uid: id, home: "/"}, nil
}

// parsePasswd takes a line of passwd(5) apart. One with a bad number is no entry: taken for 0 it would make its user root.
func parsePasswd(line string) (passwdEntry, bool) {
	f := strings.Split(strings.TrimSpace(line), ":")
	if len(f) < 4 {
		return passwdEntry{}, false
	}
	uid, ok1, err1 := number(f[2])
	gid, ok2, err2 := number(f[3])
	e := passwdEntry{name: f[0], home: "/", uid: uid, gid: gid}
	if len(f) > 5 && f[5] != "" {
		e.home = f[5]
	}
	return e, ok1 && ok2 && err1 == nil && err2 == nil && e.name != ""
}

// groupEntry is a line of group(5).
type groupEntry struct {
	name    string
	gid     uint32
	members string // separated by commas
}

func parseGroup(line string) (groupEntry, bool) {
	f := strings.Split(strings.TrimSpace(line), ":")
	if len(f) < 3 {
		return groupEntry{}, false
	}
	gid, ok, err := number(f[2])
	e := groupEntry{name: f[0], gid: gid}
	if len(f) > 3 {
		e.members = f[3]
	}
	return e, ok && err == nil && e.name != ""
}

func findGroup(group []string, name string) (uint32, error) {
	gid, isNumber, err := number(name)
	if err != nil || isNumber {
		return gid, err
	}
	for _, line := range group {
		if e, ok := parseGroup(line); ok && e.name == name {
			return e.gid, nil
		}
	}
	return 0, fmt.Errorf("unable to find group %s: no matching entries in group file", name)
}

// groupsOf gives the groups that list the user.
func groupsOf(group []string, user string) []uint32 {
	var gids []uint32
	for _, line := range group {
		e, ok := parseGroup(line)
		if !ok || user == "" || len(gids) == maxGroups {
			continue
		}
		if slices.Contains(strings.Split(e.members, ","), user) {
			gids = append(gids, e.gid)
		}
	}
	return gids
}

// Home gives the home directory of a uid, "/" when it is unknown.
func (f UserFiles) Home(uid uint32) string {
	passwd, err := f.read("/etc/passwd")
	if err != nil {
		return "/"
	}
	e, err := findUser(passwd, strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return "/"
	}
	return e.home
}
