package rootfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxUserFile bounds /etc/passwd and /etc/group, as BuildKit does.
const maxUserFile = 10 << 20

// Owner reads Docker's user[:group], by name or number. Names are looked up in the tree's own /etc/passwd and /etc/group.
// A number alone is its own group; a name alone has the group of its passwd entry.
func (t *Tree) Owner(s string) (uid, gid int, err error) {
	user, group, _ := strings.Cut(s, ":")
	if uid, gid, err = t.user(user); err != nil || group == "" {
		return uid, gid, err
	}
	gid, err = t.group(group)
	return uid, gid, err
}

func (t *Tree) user(name string) (uid, gid int, err error) {
	if id, isNumber, err := parseID(name); isNumber {
		return id, id, err
	}
	fields, err := t.findLine("/etc/passwd", name, 4)
	if err != nil {
		return 0, 0, fmt.Errorf("find user %s: %w", name, err)
	}
	uid, _, err = parseID(fields[2])
	gid, _, err2 := parseID(fields[3])
	return uid, gid, errors.Join(err, err2)
}

func (t *Tree) group(name string) (int, error) {
	if id, isNumber, err := parseID(name); isNumber {
		return id, err
	}
	fields, err := t.findLine("/etc/group", name, 3)
	if err != nil {
		return 0, fmt.Errorf("find group %s: %w", name, err)
	}
	gid, _, err := parseID(fields[2])
	return gid, err
}

// parseID reads a decimal number; "root" is 0. One that does not fit is an error, never a name (CVE-2024-40635, CVE-2026-46680).
func parseID(s string) (id int, isNumber bool, err error) {
	if s == "root" {
		return 0, true, nil
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > math.MaxInt32 {
		return 0, true, fmt.Errorf("id %s is out of range", s)
	}
	return int(n), true, nil
}

// findLine gives the fields of the line whose first field is name; from the third on the first least are numbers.
func (t *Tree) findLine(file, name string, least int) ([]string, error) {
	n, err := t.Lookup(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("no %s", file)
	}
	if err != nil {
		return nil, err
	}
	if n.Stat.Size > maxUserFile {
		return nil, fmt.Errorf("%s exceeds %d bytes", file, maxUserFile)
	}
	f, err := t.Open(&n)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(io.LimitReader(f, maxUserFile))
	for s.Scan() {
		fields := strings.Split(strings.TrimSpace(s.Text()), ":")
		if fields[0] != name || len(fields) < least || !numbers(fields[2:least]) {
			continue
		}
		return fields, nil
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("no matching entries in %s", file)
}

func numbers(fields []string) bool {
	for _, f := range fields {
		if f == "" || strings.Trim(f, "0123456789") != "" {
			return false
		}
	}
	return true
}
