package cli

import (
	"context"
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/ahead"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

func runCommand(s *session) *command {
	o := newContainerOptions("running")
	return &command{
		args:     "[OPTIONS] IMAGE [COMMAND] [ARG...]",
		short:    "Create and run a new container from an image",
		aliases:  []string{"container run", "run"},
		min:      1,
		max:      -1,
		ordered:  true,
		complete: first(completeImages),
		flags: append(o.flags(),
			detachKeysFlag(&o.detachKeys),
			flags.Bool(&o.cfg.Detach, "detach,d", "Run container in background and print container ID"),
			preserveFlag(&o.preserve),
			flags.Bool(&o.cfg.SigProxy, "sig-proxy", "Proxy received signals to the process"),
		),
		run: func(ctx context.Context, args []string) error { return s.run(ctx, o, args) },
	}
}

func (s *session) run(ctx context.Context, o *containerOptions, args []string) error {
	o.early = ahead.Take()
	defer o.early.Close()
	cfg, err := o.config(args)
	if err != nil {
		return flagError(err)
	}
	attach := attached(cfg)
	if cfg.Detach && len(cfg.Attach) > 0 {
		return errors.New("conflicting options: cannot specify both --attach and --detach")
	}
	start := engine.StartOptions{
		Streams:    s.Streams,
		Attach:     attach,
		Foreground: !cfg.Detach && !cfg.Tty && len(cfg.Attach) == 0 && !cfg.Restart.Any(),
		DetachKeys: cfg.DetachKeys,
		SigProxy:   cfg.SigProxy,
		Ahead:      o.early,
	}
	if err := inherit(&start, cfg.Init, o.preserve); err != nil {
		return flagError(err)
	}
	if err := s.checkTty(cfg.Tty && slices.Contains(attach, "stdin")); err != nil {
		return err
	}
	e, err := s.open()
	if err != nil {
		return runError(err)
	}
	if err := e.Reach(cfg); err != nil { // before anything is made: it may turn out that all has to be done from elsewhere
		return runError(err)
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	c, err := s.createContainer(ctx, o, cfg, true)
	if err != nil {
		return runError(err)
	}
	code, err := e.Start(ctx, c, start)
	if o.images.remove && !errors.Is(err, engine.ErrDetached) {
		s.removeImage(ctx, cfg.Image)
	}
	switch {
	case errors.Is(err, engine.ErrDetached):
		return nil
	case err != nil:
		return runError(err)
	case len(attach) == 0:
		s.print(c.ID())
	}
	return status(code)
}

// removeImage is --rmi: another container's image stays.
func (s *session) removeImage(ctx context.Context, image string) {
	_, err := s.engine.Store.Remove(context.WithoutCancel(ctx), image, storage.RemoveOptions{InUse: s.engine.ImageUsers})
	if err != nil && !errors.Is(err, storage.ErrImageInUse) {
		s.complain(err)
	}
}

// attached are the streams that `run` is connected to. Docker: all output unless -a or -d says otherwise, and stdin with -i.
func attached(cfg *oci.Config) []string {
	if cfg.Detach {
		return nil
	}
	streams := slices.Clone(cfg.Attach)
	if len(streams) == 0 {
		streams = []string{"stdout", "stderr"}
	}
	if cfg.OpenStdin && !slices.Contains(streams, "stdin") {
		streams = append(streams, "stdin")
	}
	return streams
}

// checkTty refuses a terminal for the container that has no terminal to take its input from.
func (s *session) checkTty(wanted bool) error {
	if wanted && !isTerminal(s.In) {
		return errors.New("the input device is not a TTY")
	}
	return nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
