package build

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/storage"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	historyComment = "buildkit.dockerfile.v0" // what every builder of Dockerfiles writes by now, and tools look for
	defaultPath    = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// imageConfig is an image's config while a stage's instructions change it.
type imageConfig struct {
	v1.Image
	docker docker.DockerOCIImageConfigExt
	epoch  *time.Time // SOURCE_DATE_EPOCH: the date of everything new
}

// scratchConfig is the config of an image without anything.
func scratchConfig() imageConfig {
	c := imageConfig{}
	c.OS, c.Architecture = runtime.GOOS, runtime.GOARCH
	c.RootFS.Type = "layers"
	c.Config.WorkingDir = "/"
	c.Config.Env = []string{"PATH=" + defaultPath}
	return c
}

// configOf is what a stage inherits of its base image.
func configOf(img *storage.Image) imageConfig {
	c := imageConfig{Image: *img.Config, docker: img.Docker}
	c.Created = nil
	return c.clone()
}

func (c imageConfig) clone() imageConfig {
	c.Config.Env = slices.Clone(c.Config.Env)
	c.Config.Cmd = slices.Clone(c.Config.Cmd)
	c.Config.Entrypoint = slices.Clone(c.Config.Entrypoint)
	c.Config.ExposedPorts = maps.Clone(c.Config.ExposedPorts)
	c.Config.Volumes = maps.Clone(c.Config.Volumes)
	c.Config.Labels = maps.Clone(c.Config.Labels)
	c.docker.OnBuild = slices.Clone(c.docker.OnBuild)
	c.docker.Shell = slices.Clone(c.docker.Shell)
	if h := c.docker.Healthcheck; h != nil {
		copied := *h
		copied.Test = slices.Clone(h.Test)
		c.docker.Healthcheck = &copied
	}
	c.History = slices.Clone(c.History)
	return c
}

// commit adds a line to the history. A step's line has the suffix " # buildkit" when the step changed files by itself.
func (c *imageConfig) commit(createdBy string, layer bool) {
	c.History = append(c.History, v1.History{CreatedBy: createdBy, Comment: historyComment, EmptyLayer: !layer, Created: c.epoch})
}

// shell puts the shell in front of a command in shell form.
func (c *imageConfig) shell(args []string) []string {
	shell := []string{"/bin/sh", "-c"}
	if len(c.docker.Shell) > 0 {
		shell = slices.Clone(c.docker.Shell)
	}
	return append(shell, strings.Join(args, " "))
}

// finish dates the image and its history as BuildKit's exporter does: a line with a layer is as old as the layer; one without as the
// layer before it, or the first new one. base is the number of layers that the base image brought, times those of the layers above.
func (c *imageConfig) finish(base int, times []time.Time) {
	c.dateLayers(base, times)
	var created *time.Time
	undated := false
	for i := range c.History {
		if c.History[i].Created == nil {
			undated = true
		} else if created = c.History[i].Created; undated {
			break
		}
	}
	undated = false
	for i := range c.History {
		h := &c.History[i]
		if h.Created == nil {
			undated = true
			h.Created = created
		} else if undated {
			created = h.Created
		}
	}
	for i := range c.History {
		if t := c.History[i].Created; t != nil {
			c.Created = t
		}
	}
	if c.Created == nil {
		now := time.Now().UTC()
		c.Created = &now
	}
}

// dateLayers gives the lines of the new layers their layers' times.
func (c *imageConfig) dateLayers(base int, times []time.Time) {
	n := 0
	for i := range c.History {
		h := &c.History[i]
		if h.EmptyLayer {
			continue
		}
		if k := n - base; k >= 0 && k < len(times) && h.Created == nil {
			h.Created = &times[k]
		}
		n++
	}
}
