package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/secret"
)

// secretsTable is Docker's. Source: docker/cli, cli/command/secret/formatter.go.
var secretsTable = format.Table{
	Default: `table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}`,
	Quiet:   "{{.ID}}",
	Headers: map[string]string{"ID": "ID", "Name": "NAME", "Driver": "DRIVER", "CreatedAt": "CREATED", "UpdatedAt": "UPDATED", "Labels": "LABELS"},
}

// secretRow is a secret as `secret ls` shows it, in the order of --format json.
type secretRow struct {
	CreatedAt string
	Driver    string
	ID        string
	Labels    string
	Name      string
	UpdatedAt string

	labels map[string]string
}

// Label is {{.Label "name"}}.
func (r secretRow) Label(name string) string { return r.labels[name] }

func secretsCommand(s *session) *command {
	var quiet bool
	var text string
	var f filters
	return &command{
		args:    "[OPTIONS]",
		short:   "List secrets",
		aliases: []string{"secret ls", "secret list"},
		flags: []*flags.Flag{
			filterFlag(&f, "filter,f", "Filter output based on conditions provided", "id", "label", "name"),
			formatFlag(&text),
			flags.Bool(&quiet, "quiet,q", "Only display IDs"),
		},
		run: func(context.Context, []string) error {
			text = secretsTable.Template(text, quiet)
			if err := format.Write(io.Discard, secretsTable, text, []secretRow{{}}); err != nil {
				return err
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			list, err := e.Secrets().List()
			if err != nil {
				return err
			}
			return format.Write(s.Out, secretsTable, text, f.secretRows(list, time.Now()))
		},
	}
}

func (f filters) secretRows(list []*secret.Secret, now time.Time) []secretRow {
	rows := []secretRow{}
	for _, x := range list {
		if !f.matchLabels(x.Labels) ||
			!f.match("id", func(v string) bool { return strings.HasPrefix(x.ID, v) }) ||
			!f.match("name", func(v string) bool { return strings.HasPrefix(x.Name, v) }) {
			continue
		}
		rows = append(rows, secretRow{
			format.Ago(x.Created, now), "file", x.ID, joinLabels(x.Labels), x.Name, format.Ago(x.Updated, now), x.Labels,
		})
	}
	return rows
}

// secretInspect is a secret as `secret inspect` shows it: what it says only when that is asked for. Source: podman, entities.SecretInfoReport;
// Docker Engine API 1.47, Secret.
type secretInspect struct {
	ID         string
	CreatedAt  string
	UpdatedAt  string
	Spec       secretSpec
	SecretData string `json:",omitempty"`
}

type secretSpec struct {
	Name   string
	Driver secretDriver
	Labels map[string]string
}

type secretDriver struct {
	Name    string
	Options map[string]string
}

func inspectSecretCommand(s *session) *command {
	var text string
	var show bool
	return &command{
		args:  "[OPTIONS] SECRET [SECRET...]",
		short: "Display detailed information on one or more secrets",
		min:   1,
		max:   -1,
		flags: []*flags.Flag{
			objectFormatFlag(&text),
			flags.Bool(&show, "showsecret", "Display the secret"),
		},
		run: func(_ context.Context, args []string) error {
			objects, err := format.NewObjects(text)
			if err != nil {
				return templateError(err)
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			var errs []error
			for _, ref := range args {
				x, err := e.Secrets().Find(ref)
				if err == nil {
					err = objects.Add(newSecretInspect(x, show))
				}
				errs = append(errs, err)
			}
			return errors.Join(append(errs, objects.Print(s.Out))...)
		},
	}
}

func newSecretInspect(x *secret.Secret, show bool) *secretInspect {
	const layout = time.RFC3339Nano
	i := &secretInspect{
		ID: x.ID, CreatedAt: x.Created.Format(layout), UpdatedAt: x.Updated.Format(layout),
		Spec: secretSpec{x.Name, secretDriver{"file", map[string]string{}}, x.Labels},
	}
	if i.Spec.Labels == nil {
		i.Spec.Labels = map[string]string{}
	}
	if show {
		i.SecretData = string(x.Data)
	}
	return i
}

func rmSecretCommand(s *session) *command {
	var all, ignore bool
	return &command{
		args:    "[OPTIONS] SECRET [SECRET...]",
		short:   "Remove one or more secrets",
		aliases: []string{"secret rm", "secret remove"},
		min:     1,
		max:     -1,
		implied: one(&all),
		flags: []*flags.Flag{
			flags.Bool(&all, "all,a", "Remove all secrets"),
			flags.Bool(&ignore, "ignore,i", "Ignore errors when a specified secret is missing"),
		},
		run: func(_ context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			if all {
				list, err := e.Secrets().List()
				if err != nil {
					return err
				}
				for _, x := range list {
					args = append(args, x.Name)
				}
			}
			var errs []error
			for _, ref := range args {
				err := e.Secrets().Remove(ref)
				if err == nil {
					s.print(ref)
				}
				if ignore && errors.Is(err, secret.ErrNone) {
					err = nil
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
}

func existsSecretCommand(s *session) *command {
	return s.existsCommand("SECRET", "secret", func(ref string) error {
		_, err := s.engine.Secrets().Find(ref)
		return err
	}, secret.ErrNone)
}
