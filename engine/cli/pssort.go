package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine"
)

// psKeys are what `ps --sort` sorts by. Source: podman-ps(1).
var psKeys = []string{"command", "created", "id", "image", "names", "runningfor", "size", "status"}

func checkSort(key string) error {
	if slices.Contains(psKeys, key) {
		return nil
	}
	return fmt.Errorf("must be one of %s", strings.Join(psKeys, ", "))
}

// sortContainers sorts by key; size gives what a container takes.
func sortContainers(list []*engine.Container, key string, size func(*engine.Container) int64) {
	text := func(c *engine.Container) string {
		switch key {
		case "command":
			return strings.Join(slices.Concat(c.Config.Entrypoint, c.Config.Cmd), " ")
		case "id":
			return c.ID()
		case "image":
			return c.Config.Image
		case "names":
			return c.Name()
		}
		return string(c.State.Status)
	}
	slices.SortStableFunc(list, func(a, b *engine.Container) int {
		switch key {
		case "created":
			return a.Config.Created.Compare(b.Config.Created)
		case "runningfor":
			return b.Config.Created.Compare(a.Config.Created)
		case "size":
			return cmp.Compare(size(a), size(b))
		}
		return cmp.Compare(text(a), text(b))
	})
}
