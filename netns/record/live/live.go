// Package live looks into the files of package record for the containers that are on networks, without the types of these: it is initialised early.
package live

import (
	"encoding/json"
	"os"
	"path"
	"strings"
)

// Suffix is that of the file with a network's endpoints, by container.
const Suffix = ".live"

// Dir is the directory of the networks of a root directory.
func Dir(root string) string { return path.Join(root, "networks") }

// On says whether a container is on a network.
func On(root, container string) bool {
	entries, err := os.ReadDir(Dir(root))
	if err != nil {
		return false
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), Suffix) {
			continue
		}
		var endpoints map[string]json.RawMessage
		data, err := os.ReadFile(path.Join(Dir(root), e.Name()))
		if err == nil && json.Unmarshal(data, &endpoints) == nil && endpoints[container] != nil {
			return true
		}
	}
	return false
}
