package cli

import (
	"cmp"
	"context"
	"fmt"
	"text/tabwriter"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
)

// buildVersion is what `git describe` said where this program was built; the linker sets it (see the Makefile).
var buildVersion string

func versionCommand(s *session) *command {
	var text string
	return &command{
		args:  "[OPTIONS]",
		short: "Show the hoy version information",
		flags: []*flags.Flag{objectFormatFlag(&text)},
		run: func(context.Context, []string) error {
			if text != "" {
				return s.printValue(text, func() (any, error) { return s.version() })
			}
			v, err := s.version()
			if err != nil {
				return err
			}
			return s.printVersion(v)
		},
	}
}

// version is the engine's, with the commit that the build recorded.
func (s *session) version() (*engine.Version, error) {
	e, err := s.open()
	if err != nil {
		return nil, err
	}
	v := e.Version()
	v.Client.GitCommit = cmp.Or(v.Client.GitCommit, buildVersion, "unknown")
	v.Client.BuildTime = cmp.Or(v.Client.BuildTime, "unknown")
	v.Server.GitCommit, v.Server.BuildTime = v.Client.GitCommit, v.Client.BuildTime
	return v, nil
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
	v, err := s.version()
	if err != nil {
		return err
	}
	name := s.name
	if name == "docker" {
		name = "Docker"
	}
	fmt.Fprintf(s.Out, "%s version %s, build %s\n", name, v.Client.Version, v.Client.GitCommit)
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
		return err
	}
	s.print()
	return nil
}
