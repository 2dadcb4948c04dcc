package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
)

// dfTable is Docker's. Source: docker/cli, cli/command/formatter/disk_usage.go.
var dfTable = format.Table{
	Default: `table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}`,
	Raw:     "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n",
	Headers: map[string]string{"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"},
}

// dfRow is one kind of thing. The fields are in the order that --format json gives them in.
type dfRow struct {
	Active      string
	Reclaimable string
	Size        string
	TotalCount  string
	Type        string
}

// dfCount adds up one kind of thing.
type dfCount struct {
	total, active     int
	size, reclaimable int64
}

func (c *dfCount) add(size int64, active bool) {
	c.total++
	c.size += size
	if active {
		c.active++
	} else {
		c.reclaimable += size
	}
}

// row shows a count, with the part of it that can be reclaimed in percent.
func (c dfCount) row(name string) dfRow {
	part := format.Size(c.reclaimable)
	if c.size > 0 {
		part += fmt.Sprintf(" (%d%%)", c.reclaimable*100/c.size)
	}
	return dfRow{strconv.Itoa(c.active), part, format.Size(c.size), strconv.Itoa(c.total), name}
}

func dfCommand(s *session) *command {
	var text string
	var verbose bool
	return &command{
		args:  "[OPTIONS]",
		short: "Show disk usage",
		long:  "Show hoy's disk usage",
		flags: []*flags.Flag{
			formatFlag(&text),
			flags.Bool(&verbose, "verbose,v", "Show detailed information on space usage"),
		},
		run: func(ctx context.Context, _ []string) error {
			if verbose && text != "" {
				return errors.New("the verbose and the format options conflict")
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			u, err := e.Usage(ctx)
			if err != nil {
				return err
			}
			if verbose {
				return s.dfVerbose(u)
			}
			return format.Write(s.Out, dfTable, dfTable.Template(text, false), dfRows(u))
		},
	}
}

func dfRows(u *engine.Usage) []dfRow {
	images := dfCount{total: len(u.Images), size: u.Layers, reclaimable: u.Layers - u.Active}
	for _, i := range u.Images {
		if i.Containers > 0 {
			images.active++
		}
	}
	var containers, volumes, cache dfCount
	for _, c := range u.Containers {
		containers.add(c.Size, c.Running())
	}
	for _, v := range u.Volumes {
		volumes.add(v.Size, v.Links > 0)
	}
	for _, l := range u.BuildCache {
		cache.add(l.Size, false)
	}
	last := cache.row("Build Cache")
	last.Reclaimable = format.Size(cache.reclaimable)
	return []dfRow{images.row("Images"), containers.row("Containers"), volumes.row("Local Volumes"), last}
}

// dfVerbose lists every image, container, volume and cached layer.
func (s *session) dfVerbose(u *engine.Usage) error {
	var images []imageRow
	for _, i := range u.Images {
		for _, row := range (imagesOptions{}).rows(i.Image) {
			row.SharedSize, row.UniqueSize = format.Size(i.Shared), format.Size(i.Size-i.Shared)
			row.Containers = strconv.Itoa(i.Containers)
			images = append(images, row)
		}
	}
	var containers []psRow
	for _, c := range u.Containers {
		row := newPsRow(c.Container, nil, true)
		row.Size = format.Size(c.Size)
		containers = append(containers, row)
	}
	var volumes []volumeRow
	for _, v := range u.Volumes {
		volumes = append(volumes, volumeRow{Name: v.Name, Links: strconv.Itoa(v.Links), Size: format.Size(v.Size)})
	}
	var cache []dfLayer
	var total int64
	for _, l := range u.BuildCache {
		total += l.Size
		cache = append(cache, dfLayer{format.ShortID(l.ID), format.Size(l.Size)})
	}
	return errors.Join(
		dfSection(s, "Images space usage:\n", imagesTable, dfImages, images),
		dfSection(s, "\nContainers space usage:\n", psTable, dfContainers, containers),
		dfSection(s, "\nLocal Volumes space usage:\n", volumesTable, dfVolumes, volumes),
		dfSection(s, "\nBuild cache usage: "+format.Size(total)+"\n", dfLayers, dfLayers.Default, cache),
	)
}

// The columns of --verbose.
const (
	dfImages     = `table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}`
	dfContainers = `table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}`
	dfVolumes    = `table {{.Name}}\t{{.Links}}\t{{.Size}}`
)

var dfLayers = format.Table{
	Default: `table {{.ID}}\t{{.Size}}`,
	Headers: map[string]string{"ID": "CACHE ID", "Size": "SIZE"},
}

type dfLayer struct{ ID, Size string }

func dfSection[Row any](s *session, title string, t format.Table, text string, rows []Row) error {
	fmt.Fprintln(s.Out, title)
	return format.Write(s.Out, t, text, rows)
}
