package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"codeberg.org/hoy/hoy/oci/child"
)

// addHostUsers puts the lines of the host's users, and of their groups, into a.
func addHostUsers(a *child.Accounts, names []string) error {
	if len(names) == 0 {
		return nil
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	group, err := os.ReadFile("/etc/group")
	if err != nil {
		return err
	}
	for _, name := range names {
		line := lineOf(string(passwd), 0, name)
		if line == "" {
			return fmt.Errorf("unable to find user %s on the host", name)
		}
		a.Passwd = append(a.Passwd, line)
		if gid := strings.Split(line, ":")[3]; lineOf(string(group), 2, gid) != "" {
			a.Group = append(a.Group, lineOf(string(group), 2, gid))
		}
	}
	return nil
}

// lineOf is the line of passwd(5) or group(5) whose field is value, "" when there is none.
func lineOf(file string, field int, value string) string {
	for line := range strings.Lines(file) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) >= 4 && f[field] == value {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// zoneinfo is where the host keeps its time zones (tzset(3)).
const zoneinfo = "/usr/share/zoneinfo"

// addLocaltime puts the file of a time zone into the files that are made below the container's /etc.
func addLocaltime(files map[string][]byte, zone string) error {
	if zone == "" {
		return nil
	}
	path := filepath.Join(zoneinfo, zone)
	if zone == "local" {
		path = "/etc/localtime"
	} else if !filepath.IsLocal(zone) {
		return fmt.Errorf("time zone %q: not a name of %s", zone, zoneinfo)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("time zone %q: %w", zone, err)
	}
	files["localtime"] = data
	return nil
}
