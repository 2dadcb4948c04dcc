package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"codeberg.org/hoy/hoy/build"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci"
)

type buildOptions struct {
	build.Options
	args, labels []string
	quiet        bool
	buildx       buildxOptions
}

func buildCommand(s *session) *command {
	var o buildOptions
	o.Progress = "auto"
	o.Network = "default"
	o.Platform = os.Getenv("DOCKER_DEFAULT_PLATFORM")
	return &command{
		args:     "[OPTIONS] PATH | -",
		short:    "Build an image from a Dockerfile",
		aliases:  []string{"image build", "buildx build", "build"},
		min:      1,
		max:      1,
		complete: completeDirs,
		flags: append(o.buildx.flags(),
			flags.Func(keep(&o.args, checkEnv), "build-arg", "Set build-time variables"),
			flags.String(&o.Dockerfile, "file,f", `Name of the Dockerfile (default: "PATH/Dockerfile")`).From("file"),
			flags.String(&o.IIDFile, "iidfile", "Write the image ID to a file").From("file"),
			flags.Func(keep(&o.labels, checkLabel), "label", "Set metadata for an image"),
			flags.String(&o.Network, "network", `Set the networking mode for the "RUN" instructions during build`).OneOf("default", "host", "none"),
			flags.Bool(&o.NoCache, "no-cache", "Do not use cache when building the image"),
			flags.String(&o.Platform, "platform", "Set target platform for build").OneOf("linux/amd64", "linux/arm64"),
			flags.String(&o.Progress, "progress", `Set type of progress output ("auto", "plain", "quiet", "tty")`).OneOf("auto", "plain", "quiet", "tty"),
			flags.Bool(&o.Pull, "pull", "Always attempt to pull all referenced images"),
			flags.Bool(&o.quiet, "quiet,q", "Suppress the build output and print image ID on success"),
			flags.Func(o.secret, "secret", `Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")`),
			flags.List(&o.Tags, "tag,t", `Image identifier (format: "[registry/]repository[:tag]")`),
			flags.String(&o.Target, "target", "Set the target build stage to build"),
		),
		run: func(ctx context.Context, args []string) error { return s.build(ctx, &o, args[0]) },
	}
}

func (s *session) build(ctx context.Context, o *buildOptions, context string) (err error) {
	e, err := s.open()
	if err != nil {
		return err
	}
	collectLater()
	o.buildx.warn(s.Err)
	if o.Labels, err = oci.ParseLabels(o.labels); err != nil {
		return err
	}
	switch o.Progress {
	case "auto", "plain", "quiet", "tty":
	default:
		return fmt.Errorf(`invalid progress mode %q: must be "auto", "plain", "quiet" or "tty"`, o.Progress)
	}
	if o.quiet {
		o.Progress = "quiet"
	}
	o.BuildArgs = buildArgs(o.args)
	o.Context, o.Store, o.Root, o.Rootless = context, e.Store, e.Root(), rootless.Rootless()
	run := &runner{engine: e}
	o.Runner = run
	o.Stdin, o.Stdout, o.Stderr = s.In, s.Out, s.Err
	ctx, done := s.interruptible(ctx)
	defer done()
	_, err = build.Build(ctx, o.Options)
	return errors.Join(err, run.close(), e.Store.Close()) // what a build that failed has committed stays as cache
}

// collectLater lets the heap grow to 64 MiB before it is collected for the first time: most of what a build allocates it needs until it ends, and
// it ends soon.
func collectLater() {
	if os.Getenv("GOGC") != "" {
		return
	}
	usual := debug.SetGCPercent(1600) // of 4 MiB, the least
	runtime.AddCleanup(new([64]byte), func(percent int) { debug.SetGCPercent(percent) }, usual)
}

// buildArgs are the values of --build-arg; one without a value is the environment's to give.
func buildArgs(list []string) map[string]*string {
	out := make(map[string]*string, len(list))
	for _, arg := range list {
		key, value, given := strings.Cut(arg, "=")
		out[key] = nil
		if given {
			out[key] = &value
		}
	}
	return out
}

// secret reads --secret id=ID[,type=file|env][,src=PATH|,env=NAME]. Without a source it is the variable or the file called ID, as
// in buildx.
func (o *buildOptions) secret(s string) error {
	var id, typ string
	var from build.Secret
	for _, field := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return fmt.Errorf("invalid field '%s' must be a key=value pair", field)
		}
		switch strings.ToLower(key) {
		case "id":
			id = value
		case "type":
			typ = value
		case "src", "source":
			from.Path = value
		case "env":
			from.Env = value
		default:
			return fmt.Errorf("unexpected key '%s' in '%s'", key, field)
		}
	}
	switch {
	case id == "":
		return errors.New("the secret has no id")
	case typ != "" && typ != "file" && typ != "env":
		return fmt.Errorf("unsupported secret type %q", typ)
	case typ == "env" && from.Env == "":
		from = build.Secret{Env: from.Path}
	}
	if from == (build.Secret{}) {
		from.Path = id
		if _, ok := os.LookupEnv(id); ok && typ != "file" || typ == "env" {
			from = build.Secret{Env: id}
		}
	}
	if o.Secrets == nil {
		o.Secrets = map[string]build.Secret{}
	}
	o.Secrets[id] = from
	return nil
}
