package cli

import (
	"context"
	"fmt"
	"os"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"codeberg.org/hoy/hoy/build"
	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/storage"
)

type commitOptions struct {
	author, message string
	changes         []string
	pause, noPause  bool
	iidFile, format string
}

func commitCommand(s *session) *command {
	o := commitOptions{pause: true, format: "oci"}
	return &command{
		args:     "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
		short:    "Create a new image from a container's changes",
		aliases:  []string{"container commit", "commit"},
		min:      1,
		max:      2,
		complete: first(allContainers),
		flags: []*flags.Flag{
			flags.String(&o.author, "author,a", `Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")`),
			flags.List(&o.changes, "change,c", "Apply Dockerfile instruction to the created image"),
			flags.String(&o.format, "format,f", "Manifest format of the image (oci|docker)").OneOf("docker", "oci").Hide(), // `push` and `save` choose
			flags.String(&o.iidFile, "iidfile", "Write the image ID to the file").From("file"),
			flags.String(&o.message, "message,m", "Commit message"),
			flags.Bool(&o.noPause, "no-pause", "Disable pausing container during commit"),
			flags.Bool(&o.pause, "pause,p", "Pause container during commit (deprecated: use --no-pause instead)").Hide(),
		},
		run: func(ctx context.Context, args []string) error { return s.commit(ctx, args, o) },
	}
}

func (s *session) commit(ctx context.Context, args []string, o commitOptions) error {
	names, err := newNames(args[1:])
	if err != nil {
		return err
	}
	e, c, err := s.container(args[0])
	if err != nil {
		return err
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	if o.format != "oci" && o.format != "docker" {
		return fmt.Errorf("unrecognized image format %q", o.format)
	}
	image := engine.ImageOptions{Names: names, Author: o.author, Message: o.message, Change: changer(o.changes)}
	img, err := e.Commit(ctx, c, image, o.pause && !o.noPause)
	if err != nil {
		return err
	}
	s.print("sha256:" + img.ID)
	if o.iidFile != "" {
		return os.WriteFile(o.iidFile, []byte("sha256:"+img.ID), 0o666)
	}
	return nil
}

// newNames checks the name that an image is to get, if it is to get one.
func newNames(args []string) ([]string, error) {
	if len(args) == 0 || args[0] == "" {
		return nil, nil
	}
	_, err := storage.NormalName(args[0])
	return args[:1], err
}

// changer applies --change.
func changer(lines []string) func(*v1.Image, *docker.DockerOCIImageConfigExt) error {
	return func(img *v1.Image, ext *docker.DockerOCIImageConfigExt) error { return build.Change(img, ext, lines) }
}
