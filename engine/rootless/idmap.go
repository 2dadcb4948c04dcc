package rootless

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"codeberg.org/hoy/hoy/oci/userns"
)

// idRange is one line of /etc/subuid or /etc/subgid (subuid(5)).
type idRange struct{ start, count int }

// subordinate reads the ranges that file gives to the user: by name, or by uid.
func subordinate(file, name string, uid int) []idRange {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var ranges []idRange
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(fields) != 3 || (fields[0] != name || name == "") && fields[0] != strconv.Itoa(uid) {
			continue
		}
		start, err1 := strconv.Atoi(fields[1])
		count, err2 := strconv.Atoi(fields[2])
		if err1 == nil && err2 == nil && start > 0 && count > 0 {
			ranges = append(ranges, idRange{start, count})
		}
	}
	return ranges
}

// SubIDs are the subordinate ids of a user by name, as /etc/subuid and /etc/subgid have them.
func SubIDs(name string) (uids, gids []userns.Range) {
	for file, to := range map[string]*[]userns.Range{"/etc/subuid": &uids, "/etc/subgid": &gids} {
		for _, r := range subordinate(file, name, -1) {
			*to = append(*to, userns.Range{Inside: uint32(r.start), Outside: uint32(r.start), Count: uint32(r.count)})
		}
	}
	return uids, gids
}

// UserName is a user's name on the host; "" when there is none.
func UserName(uid int) string { return userName(uid) }

// userName looks a uid up in /etc/passwd; "" when it is not there.
func userName(uid int) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 4)
		if len(fields) == 4 && fields[2] == strconv.Itoa(uid) {
			return fields[0]
		}
	}
	return ""
}

// mapping is how one kind of id is mapped into the user namespace.
type mapping struct {
	tool   string // newuidmap(1) or newgidmap(1)
	ranges []idRange
	own    int // the caller's id, which becomes 0
}

// args are the tool's arguments: the caller becomes 0, the subordinate ranges follow from 1 on.
func (m mapping) args(pid int) []string {
	args := []string{strconv.Itoa(pid), "0", strconv.Itoa(m.own), "1"}
	next := 1
	for _, r := range m.ranges {
		args = append(args, strconv.Itoa(next), strconv.Itoa(r.start), strconv.Itoa(r.count))
		next += r.count
	}
	return args
}

// tools finds newuidmap and newgidmap, with the ranges of the user; an error says which of them is missing.
func tools(uid, gid int) ([2]mapping, error) {
	name := userName(uid)
	maps := [2]mapping{
		{"newuidmap", subordinate("/etc/subuid", name, uid), uid},
		{"newgidmap", subordinate("/etc/subgid", name, uid), gid},
	}
	for i, file := range []string{"/etc/subuid", "/etc/subgid"} {
		found, err := lookPath(maps[i].tool)
		if err != nil {
			return maps, fmt.Errorf("%s is not installed", maps[i].tool)
		}
		if len(maps[i].ranges) == 0 {
			return maps, fmt.Errorf("%s has no line for user %s", file, orUID(name, uid))
		}
		maps[i].tool = found
	}
	return maps, nil
}

// lookPath finds a program in PATH, or in the usual directories when there is none.
func lookPath(name string) (string, error) {
	dirs := os.Getenv("PATH")
	if dirs == "" {
		dirs = "/usr/sbin:/usr/bin:/sbin:/bin"
	}
	for _, dir := range strings.Split(dirs, ":") {
		if !strings.HasPrefix(dir, "/") {
			continue
		}
		file := path.Join(dir, name)
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, os.ErrNotExist)
}

func orUID(name string, uid int) string {
	if name == "" {
		return strconv.Itoa(uid)
	}
	return name
}

// mapRanges runs both tools side by side.
func mapRanges(pid int, maps [2]mapping) error {
	var running [2]*tool
	var errs [2]error
	for i, m := range maps {
		running[i], errs[i] = startTool(m.tool, m.args(pid))
	}
	for i, t := range running {
		if t != nil {
			errs[i] = t.wait()
		}
	}
	if errs[0] != nil {
		return errs[0]
	}
	return errs[1]
}

// tool is newuidmap(1) or newgidmap(1) while it runs.
type tool struct {
	file   string
	pid    int
	output *os.File
}

// startTool starts a tool with an environment of its own: it has more rights than we have (CVE-2025-23266 is what comes of
// handing one's own on). Package os/exec would fork once more, to see whether the kernel has pidfds,
// and is initialised too late (see package role).
func startTool(file string, args []string) (*tool, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	attr := &syscall.ProcAttr{
		Env:   []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Files: []uintptr{w.Fd(), w.Fd(), w.Fd()},
	}
	pid, err := syscall.ForkExec(file, append([]string{path.Base(file)}, args...), attr)
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &tool{file, pid, r}, nil
}

// wait gives what a tool had to say when it failed.
func (t *tool) wait() error {
	defer t.output.Close()
	said, err := io.ReadAll(t.output)
	if err != nil {
		return err
	}
	var ws syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(t.pid, &ws, 0, nil); err != syscall.EINTR {
			break
		}
	}
	if err == nil && (!ws.Exited() || ws.ExitStatus() != 0) {
		err = errors.New(strings.TrimSpace(string(said)))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.file, err)
	}
	return nil
}

// mapSingle maps the caller's own ids alone, which the kernel lets everybody do once setgroups(2) is given up (user_namespaces(7)).
func mapSingle(process string, uid, gid int) error {
	dir := "/proc/" + process
	for _, w := range [][2]string{
		{"/setgroups", "deny"},
		{"/uid_map", fmt.Sprintf("0 %d 1\n", uid)},
		{"/gid_map", fmt.Sprintf("0 %d 1\n", gid)},
	} {
		if err := os.WriteFile(dir+w[0], []byte(w[1]), 0); err != nil {
			return fmt.Errorf("map the user's own id: %w", err)
		}
	}
	return nil
}
