package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

var buildxCommands = []node{
	{name: "build", also: []string{"b"}, make: buildCommand},
	{name: "version", make: buildxVersionCommand},
}

// buildxVersionCommand answers what tools ask to know whether there is buildx.
func buildxVersionCommand(s *session) *command {
	return &command{
		short: "Show buildx version information",
		run: func(context.Context, []string) error {
			v, err := s.version()
			if err != nil {
				return err
			}
			s.print("hoy/buildx v"+v.Client.Version, v.Client.GitCommit)
			return nil
		},
	}
}

// buildxOptions are the flags of `build` that say where the result goes and what it comes with: there is one way here.
type buildxOptions struct {
	load, rm, forceRm bool
	ignored           []string
}

func (o *buildxOptions) flags() []*flags.Flag {
	ignore := func(name, why string) *flags.Flag {
		return flags.Func(func(v string) error {
			if v != "false" && v != "default" && v != "" {
				o.ignored = append(o.ignored, "--"+name+" ("+why+")")
			}
			return nil
		}, name, why).As("string").Hide()
	}
	return []*flags.Flag{
		flags.Bool(&o.load, "load", "Keep the image here, as every build does").Hide(),
		flags.Func(checkOutput, "output,o", `Output destination (format: "type=docker"): the image is kept here`).As("string"),
		flags.Bool(&o.rm, "rm", "Remove intermediate containers: there are none").Hide(),
		flags.Bool(&o.forceRm, "force-rm", "Remove intermediate containers: there are none").Hide(),
		ignore("attest", "hoy makes no attestations"),
		ignore("builder", "there is one builder"),
		ignore("cache-from", "the cache is this machine's own"),
		ignore("cache-to", "the cache is this machine's own"),
		ignore("provenance", "hoy makes no attestations"),
		ignore("sbom", "hoy makes no attestations"),
	}
}

// warn says once which of them change nothing.
func (o *buildxOptions) warn(w io.Writer) {
	if len(o.ignored) > 0 {
		fmt.Fprintf(w, "WARNING: ignored: %s\n", strings.Join(o.ignored, ", "))
	}
}

// checkOutput takes what names the store of this machine.
func checkOutput(s string) error {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return err
	}
	for _, field := range fields {
		switch key, value, _ := strings.Cut(field, "="); {
		case key == "type" && (value == "docker" || value == "image"):
		case key == "name", key == "push" && value == "false":
		default:
			return fmt.Errorf("%s is not supported: builds are kept here, 'hoy save' writes them to a file", field)
		}
	}
	return nil
}
