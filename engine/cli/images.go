package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/storage"
)

// imagesTable is Docker's. Source: docker/cli, cli/command/formatter/image.go.
var imagesTable = format.Table{
	Default: `table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`,
	Quiet:   "{{.ID}}",
	Raw:     "repository: {{ .Repository }}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
	Headers: map[string]string{
		"ID": "IMAGE ID", "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST",
		"CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "Size": "SIZE",
		"Containers": "CONTAINERS", "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE",
	},
}

// imageRow is one name of an image, or an image without one. The fields are in the order that --format json gives them in. What is
// not counted here is "N/A", as in Docker.
type imageRow struct {
	Containers   string
	CreatedAt    string
	CreatedSince string
	Digest       string
	ID           string
	Repository   string
	SharedSize   string
	Size         string
	Tag          string
	UniqueSize   string
}

type imagesOptions struct {
	all, digests, noTrunc, quiet bool
	format                       string
	filters                      filters
}

func imagesCommand(s *session) *command {
	var o imagesOptions
	return &command{
		args:     "[OPTIONS] [REPOSITORY[:TAG]]",
		short:    "List images",
		aliases:  []string{"image ls", "image list", "images"},
		max:      1,
		complete: first(completeImages),
		flags: []*flags.Flag{
			flags.Bool(&o.all, "all,a", "Show all images (default hides intermediate images)"),
			flags.Bool(&o.digests, "digests", "Show digests"),
			filterFlag(&o.filters, "filter,f", "Filter output based on conditions provided", imageFilters...),
			formatFlag(&o.format),
			flags.Bool(&o.noTrunc, "no-trunc", "Don't truncate output"),
			flags.Bool(&o.quiet, "quiet,q", "Only show image IDs"),
		},
		run: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				if err := o.filters.set("reference="+args[0], imageFilters); err != nil {
					return err
				}
			}
			return s.images(ctx, o)
		},
	}
}

func (s *session) images(ctx context.Context, o imagesOptions) error {
	e, err := s.open()
	if err != nil {
		return err
	}
	list, err := e.Store.Images(ctx)
	if err != nil {
		return err
	}
	list, err = o.filters.images(ctx, e.Store, list)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b *storage.Image) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	var rows []imageRow
	for _, img := range list {
		rows = append(rows, o.rows(img)...)
	}
	text := imagesTable.Template(o.format, o.quiet)
	if o.digests && !o.quiet && strings.HasPrefix(text, "table") && !strings.Contains(text, ".Digest") {
		text = strings.Replace(text, `{{.Tag}}\t`, `{{.Tag}}\t{{.Digest}}\t`, 1)
	}
	return format.Write(s.Out, imagesTable, text, rows)
}

// rows are the lines for one image: one a tag, one for an image without.
func (o imagesOptions) rows(img *storage.Image) []imageRow {
	row := imageRow{
		Containers:   "N/A",
		CreatedAt:    format.Time(img.Created),
		CreatedSince: "N/A",
		Digest:       "<none>",
		ID:           "sha256:" + img.ID,
		Repository:   "<none>",
		SharedSize:   "N/A",
		Size:         format.Size(img.Size),
		Tag:          "<none>",
		UniqueSize:   "N/A",
	}
	if !img.Created.IsZero() {
		row.CreatedSince = format.Ago(img.Created, time.Now())
	}
	if !o.noTrunc {
		row.ID = format.ShortID(row.ID)
	}
	var rows []imageRow
	for _, name := range o.filters.names(img.Names) {
		named := row
		named.Repository, named.Tag = splitTag(storage.FamiliarName(name))
		named.Digest = repoDigest(img, name)
		rows = append(rows, named)
	}
	if len(rows) == 0 {
		return []imageRow{row}
	}
	return rows
}

// splitTag parts "busybox:latest"; a port is not a tag.
func splitTag(name string) (repository, tag string) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || strings.Contains(name[i:], "/") {
		return name, "<none>"
	}
	return name[:i], name[i+1:]
}

// repoDigest is the digest under which the repository of name has the image, or "<none>".
func repoDigest(img *storage.Image, name string) string {
	repository, _ := splitTag(name)
	for _, pinned := range img.RepoDigests {
		if at, digest, _ := strings.Cut(pinned, "@"); at == repository {
			return digest
		}
	}
	return "<none>"
}
