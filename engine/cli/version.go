package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
)

func versionCommand(s *session) *command {
	var text string
	return &command{
		args:  "[OPTIONS]",
		short: "Show the hoy version information",
		flags: []*flags.Flag{objectFormatFlag(&text)},
		run: func(context.Context, []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			if text == "" {
				return s.printVersion(e.Version())
			}
			return s.printValue(text, func() (any, error) { return e.Version(), nil })
		},
	}
}

// printVersion is Docker's layout, without a template: this command shows how quickly hoy starts.
func (s *session) printVersion(v *engine.Version) error {
	w := tabwriter.NewWriter(s.Out, 20, 1, 1, ' ', 0)
	c := &v.Client
	fmt.Fprintf(w, "Client:\n Version:\t%s\n API version:\t%s\n Go version:\t%s\n Git commit:\t%s\n Built:\t%s\n OS/Arch:\t%s/%s\n Context:\t%s\n",
		c.Version, c.APIVersion, c.GoVersion, c.GitCommit, c.BuildTime, c.Os, c.Arch, c.Context)
	d := &v.Server
	fmt.Fprintf(w, "\nServer:%s\n Engine:\n  Version:\t%s\n  API version:\t%s (minimum version %s)\n  Go version:\t%s\n  Git commit:\t%s\n  Built:\t%s\n  OS/Arch:\t%s/%s\n  Kernel version:\t%s\n",
		spaced(d.Platform.Name), d.Version, d.APIVersion, d.MinAPIVersion, d.GoVersion, d.GitCommit, d.BuildTime, d.Os, d.Arch, d.KernelVersion)
	return w.Flush()
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// printShortVersion is `hoy --version`. Called as docker it has Docker's form, which scripts take apart.
func (s *session) printShortVersion() error {
	e, err := s.open()
	if err != nil {
		return err
	}
	v := e.Version().Client
	name := strings.ToUpper(s.name[:1]) + s.name[1:]
	if s.name == "hoy" {
		name = s.name
	}
	fmt.Fprintf(s.Out, "%s version %s, build %s\n", name, v.Version, v.GitCommit)
	return errDone
}

// printValue prints one value by the template text, or in JSON on one line. get is asked only when the template can be parsed.
func (s *session) printValue(text string, get func() (any, error)) error {
	if text == "json" {
		text = format.JSON
	}
	tmpl, err := format.Parse(text)
	if err != nil {
		return templateError(err)
	}
	v, err := get()
	if err != nil {
		return err
	}
	if err := tmpl.Execute(s.Out, v); err != nil {
		return fmt.Errorf("template: %w", err)
	}
	s.print()
	return nil
}
