package engine

import (
	"strings"

	"codeberg.org/hoy/hoy/storage"
)

// InspectImage is what `inspect` shows of an image, with Docker's field names.
func (e *Engine) InspectImage(img *storage.Image) *ImageInspect {
	i := &ImageInspect{
		ID:           "sha256:" + img.ID,
		RepoTags:     []string{},
		RepoDigests:  []string{},
		Created:      stamp(img.Created),
		Author:       img.Config.Author,
		Config:       &img.Config.Config,
		Architecture: img.Config.Architecture,
		Variant:      img.Config.Variant,
		Os:           img.Config.OS,
		Size:         img.Size,
		RootFS:       ImageRootFS{Type: "layers", Layers: img.DiffIDs},
		GraphDriver:  GraphDriver{Name: "overlay", Data: map[string]string{}},
		Metadata:     ImageMetadata{LastTagTime: "0001-01-01T00:00:00Z"},
	}
	if len(img.Config.History) > 0 {
		i.Comment = img.Config.History[len(img.Config.History)-1].Comment
	}
	for _, name := range img.Names {
		i.RepoTags = append(i.RepoTags, storage.FamiliarName(name))
	}
	for _, digest := range img.RepoDigests {
		i.RepoDigests = append(i.RepoDigests, storage.FamiliarName(digest))
	}
	if len(img.Layers) > 0 {
		i.GraphDriver.Data["UpperDir"] = img.Layers[0]
		i.GraphDriver.Data["LowerDir"] = strings.Join(img.Layers[1:], ":")
	}
	return i
}
