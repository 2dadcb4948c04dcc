package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/carry"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/rootless"
)

type cpOptions struct {
	archive, followLink, quiet bool
}

func cpCommand(s *session) *command {
	var o cpOptions
	quiet := flags.Bool(&o.quiet, "quiet,q", "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached")
	return &command{
		args:  "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\t" + s.name + " cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
		short: "Copy files/folders between a container and the local filesystem",
		long: `Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.`,
		aliases:  []string{"container cp", "cp"},
		min:      2,
		max:      2,
		complete: completeCopy,
		flags: []*flags.Flag{
			flags.Bool(&o.archive, "archive,a", "Archive mode (copy all uid/gid information)"),
			flags.Bool(&o.followLink, "follow-link,L", "Always follow symbol link in SRC_PATH"),
			quiet,
		},
		run: func(ctx context.Context, args []string) error {
			if !quiet.Changed() {
				o.quiet = !isTerminal(s.Out)
			}
			return s.cp(ctx, args[0], args[1], o)
		},
	}
}

// completeCopy offers containers, with the colon that follows them, and files.
func completeCopy(s *session, _ []string) []choice {
	var out []choice
	for _, c := range allContainers(s, nil) {
		out = append(out, choice{c.word + ":", c.note})
	}
	return append(out, choice{word: askNoSpace}, choice{word: askFiles})
}

func (s *session) cp(ctx context.Context, source, destination string, o cpOptions) error {
	switch {
	case source == "":
		return errors.New("source can not be empty")
	case destination == "":
		return errors.New("destination can not be empty")
	}
	from, src := splitCopyArg(source)
	to, dst := splitCopyArg(destination)
	switch {
	case from != "" && to != "":
		return errors.New("copying between containers is not supported")
	case from == "" && to == "":
		return errors.New("must specify at least one container source")
	}
	e, c, err := s.container(from + to)
	if err != nil {
		return err
	}
	p := engine.CopyOptions{FollowLink: o.followLink, Archive: o.archive, Name: from + to, Root: rootless.InsideFile(0)}
	if outside() {
		return s.copyInside(e, c, p.Name)
	}
	if p.Root == nil && !rootless.Rootless() {
		if p.Root, err = e.RunningRoot(c); err != nil {
			return err
		}
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	var n int64
	if from != "" {
		n, err = s.copyFrom(ctx, e, c, copyEnds{src, dst, p})
	} else {
		n, err = s.copyTo(ctx, e, c, copyEnds{src, dst, p})
	}
	if errors.Is(err, engine.ErrStarted) {
		return exitStatus(codeAgain)
	}
	if err == nil && !o.quiet && dst != "-" && src != "-" {
		fmt.Fprintln(s.Err, "Successfully copied", format.Size(n), "to", destination)
	}
	return err
}

// outside says of a rootless call that it is not in the user namespace.
func outside() bool { return rootless.Rootless() && !rootless.InUserns() }

// copyInside goes on in the user namespace, with the container's root when it runs. It begins again when the container was started in between.
func (s *session) copyInside(e *engine.Engine, c *engine.Container, ref string) error {
	for {
		var files []*os.File
		root, err := e.RunningRoot(c)
		if err != nil {
			return err
		}
		if root != nil {
			files = append(files, root)
		}
		code := rootless.Inside(files...)
		if root != nil {
			root.Close()
		}
		if code != codeAgain {
			return status(code)
		}
		if c, err = e.Find(ref); err != nil {
			return err
		}
	}
}

// copyEnds are the paths of a copy, and what is known of it besides.
type copyEnds struct {
	src, dst string
	engine.CopyOptions
}

func (s *session) copyFrom(ctx context.Context, e *engine.Engine, c *engine.Container, o copyEnds) (int64, error) {
	o.Path = o.src
	if o.dst == "-" {
		o.Stream = s.Out
		return e.CopyFrom(ctx, c, o.CopyOptions)
	}
	var err error
	if o.Host, err = hostPath(o.dst); err != nil {
		return 0, err
	}
	return e.CopyFrom(ctx, c, o.CopyOptions)
}

func (s *session) copyTo(ctx context.Context, e *engine.Engine, c *engine.Container, o copyEnds) (int64, error) {
	var err error
	o.Path = o.dst
	if o.src == "-" {
		o.Tar = func() (io.Reader, error) { return copier.Decompress(s.In) }
	} else {
		o.Host, err = hostPath(o.src)
	}
	if err != nil {
		return 0, err
	}
	return e.CopyTo(ctx, c, o.CopyOptions)
}

// splitCopyArg takes CONTAINER:PATH apart. What begins with "/" or "." is a path of the host's, colons and all.
func splitCopyArg(arg string) (container, path string) {
	if filepath.IsAbs(arg) {
		return "", arg
	}
	container, path, ok := strings.Cut(arg, ":")
	if !ok || strings.HasPrefix(container, ".") {
		return "", arg
	}
	return container, path
}

// hostPath makes a path absolute, and keeps what its end says.
func hostPath(p string) (string, error) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	end := carry.Clean("x/" + p)
	switch {
	case strings.HasSuffix(end, "/."):
		return carry.Clean(abs + "/."), nil
	case strings.HasSuffix(end, "/"):
		return carry.Clean(abs + "/"), nil
	}
	return abs, nil
}
