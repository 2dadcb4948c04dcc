package child

import (
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// addAccounts adds users and groups to the container's files. It comes after the mounts, so that they are those that the container sees, and before
// the root becomes read-only.
func addAccounts(b *birth) error {
	a := b.plan.Accounts
	if a == nil {
		return nil
	}
	files := UserFiles{b.root, b.proc}
	passwd, err := files.read("/etc/passwd")
	if err != nil {
		return err
	}
	group, err := files.read("/etc/group")
	if err != nil {
		return err
	}
	own, ownGroup := a.ownEntries(b.plan, passwd, group)
	if err := b.addLines("/etc/passwd", passwd, append(a.Passwd, own...)); err != nil {
		return err
	}
	return b.addLines("/etc/group", group, append(a.Group, ownGroup...))
}

// ownEntries are the lines of the container's user and of its group, where they are numbers that the files do not know.
func (a *Accounts) ownEntries(p *Plan, passwd, group []string) (user, grp []string) {
	if a.UserEntry == "" {
		return nil, nil
	}
	ids, _, err := resolve(passwd, group, p.User, nil)
	if err != nil {
		return nil, nil // the step that resolves the user says why
	}
	uid, gid := strconv.FormatUint(uint64(ids.UID), 10), strconv.FormatUint(uint64(ids.GID), 10)
	if e, err := findUser(passwd, uid); err == nil && e.name == "" {
		user = append(user, strings.NewReplacer(
			"$USERNAME", uid, "$UID", uid, "$GID", gid, "$NAME", "container user", "$HOME", p.Cwd,
		).Replace(a.UserEntry))
	}
	if !knowsGroup(group, ids.GID) {
		grp = append(grp, strings.NewReplacer("$GROUPNAME", gid, "$GID", gid, "$USERLIST", uid).Replace(a.GroupEntry))
	}
	return user, grp
}

func knowsGroup(group []string, gid uint32) bool {
	for _, line := range group {
		if e, ok := parseGroup(line); ok && e.gid == gid {
			return true
		}
	}
	return false
}

// addLines appends to a file the lines whose first field no line of have has. What the user mounts there is left as it is.
func (b *birth) addLines(path string, have, lines []string) error {
	text := ""
	if n := len(have); n > 0 && have[n-1] != "" { // the last line has no end
		text = "\n"
	}
	before := len(text)
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		if !slices.ContainsFunc(have, func(l string) bool { return strings.HasPrefix(l, name+":") }) {
			text += line + "\n"
		}
	}
	mounted := func(m Mount) bool { return m.Target == path || m.Target == "/etc" }
	if len(text) == before || slices.ContainsFunc(b.plan.Mounts, mounted) {
		return nil
	}
	return at(path, b.appendFile(path, text))
}

func (b *birth) appendFile(path, text string) error {
	place, err := b.root.Create(path, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	fd, err := inroot.Reopen(b.proc, place, unix.O_WRONLY|unix.O_APPEND|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}
