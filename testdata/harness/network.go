package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/nftables"
)

// instance is how hoy's links and table of a root directory are called in the host's namespace: netns.InstanceOf, for a root that is not the default one.
func instance(root string) string {
	sum := sha256.Sum256([]byte(filepath.Clean(root)))
	return "hoy-" + hex.EncodeToString(sum[:3])
}

// networkLeft are the links and the table of rules that a script's hoy has left in this namespace.
func networkLeft(root string) []string {
	var out []string
	links, _ := os.ReadDir("/sys/class/net")
	for _, l := range links {
		alias, err := os.ReadFile(filepath.Join("/sys/class/net", l.Name(), "ifalias"))
		if err == nil && strings.HasPrefix(string(alias), instance(root)+" ") || orphan(l.Name()) {
			out = append(out, "link "+l.Name())
		}
	}
	return append(out, tables(instance(root))...)
}

// orphan says whether a link is a container's, and no bridge's any more. Whose it was, nobody knows.
func orphan(name string) bool {
	_, err := os.Lstat(filepath.Join("/sys/class/net", name, "master"))
	return strings.HasPrefix(name, "hv") && os.IsNotExist(err)
}

// tables are the tables of the packet filter with that name. Without the right to ask there are none.
func tables(name string) []string {
	if os.Getuid() != 0 {
		return nil
	}
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	all, err := c.ListTables()
	if err != nil {
		return nil
	}
	var out []string
	for _, t := range all {
		if t.Name == name {
			out = append(out, "table "+t.Name)
		}
	}
	return out
}

// groups are the control groups that hold nothing and that hoy made since start for a container. Those of other scripts that run now are not
// empty for longer than a start takes.
func groups(work string) []string {
	start, err := os.Lstat(filepath.Join(work, "base"))
	if err != nil {
		return nil
	}
	var out []string
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !ours(d.Name()) {
			return nil
		}
		info, err := d.Info()
		procs, readErr := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err == nil && readErr == nil && info.ModTime().After(start.ModTime()) && len(procs) == 0 {
			out = append(out, fmt.Sprintf("control group %s", path))
		}
		return filepath.SkipDir
	})
	return out
}

// ours says whether a control group has the name of a container's: its id, alone or with a prefix.
func ours(name string) bool {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "hoy-"), ".scope")
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}
