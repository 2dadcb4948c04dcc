package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/storage"
)

// historyTable is Docker's. Source: docker/cli, cli/command/image/formatter_history.go.
var historyTable = format.Table{
	Default: `table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`,
	Quiet:   "{{.ID}}",
	Headers: map[string]string{
		"ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT",
	},
}

// historyRow is one step of an image's making. The fields are in the order that --format json gives them in.
type historyRow struct {
	Comment      string
	CreatedAt    string
	CreatedBy    string
	CreatedSince string
	ID           string
	Size         string
}

type historyOptions struct {
	human, noTrunc, quiet bool
	format                string
}

func historyCommand(s *session) *command {
	o := historyOptions{human: true}
	return &command{
		args:     "[OPTIONS] IMAGE",
		short:    "Show the history of an image",
		aliases:  []string{"image history", "history"},
		min:      1,
		max:      1,
		complete: first(completeImages),
		flags: []*flags.Flag{
			formatFlag(&o.format),
			flags.Bool(&o.human, "human,H", "Print sizes and dates in human readable format"),
			flags.Bool(&o.noTrunc, "no-trunc", "Don't truncate output"),
			flags.Bool(&o.quiet, "quiet,q", "Only show image IDs"),
		},
		run: func(ctx context.Context, args []string) error { return s.history(ctx, args[0], o) },
	}
}

func (s *session) history(ctx context.Context, ref string, o historyOptions) error {
	e, err := s.open()
	if err != nil {
		return err
	}
	img, err := e.Store.Image(ctx, ref)
	if err != nil {
		return err
	}
	steps, err := e.Store.History(ctx, ref)
	if err != nil {
		return err
	}
	rows := make([]historyRow, len(steps))
	for i, step := range steps {
		rows[i] = o.row(step)
		if i == 0 { // only the image itself has an id
			rows[i].ID = "sha256:" + img.ID
			if !o.noTrunc {
				rows[i].ID = format.ShortID(img.ID)
			}
		}
	}
	text := historyTable.Template(o.format, o.quiet)
	if !o.human && text == historyTable.Default {
		text = strings.Replace(text, ".CreatedSince", ".CreatedAt", 1)
	}
	return format.Write(s.Out, historyTable, text, rows)
}

func (o historyOptions) row(step storage.History) historyRow {
	r := historyRow{
		Comment:      step.Comment,
		CreatedBy:    strings.ReplaceAll(step.CreatedBy, "\t", " "),
		CreatedSince: "N/A",
		ID:           "<missing>",
		Size:         strconv.FormatInt(step.Size, 10),
	}
	if !o.noTrunc {
		r.CreatedBy = format.Ellipsis(r.CreatedBy, 45)
	}
	if o.human {
		r.Size = format.Size(step.Size)
	}
	if step.Created == nil {
		return r
	}
	r.CreatedAt = step.Created.Local().Format(time.RFC3339)
	if !o.human {
		r.CreatedSince = r.CreatedAt
	} else if step.Created.Year() >= 2000 { // Docker: earlier dates are no dates
		r.CreatedSince = format.Ago(*step.Created, time.Now())
	}
	return r
}
