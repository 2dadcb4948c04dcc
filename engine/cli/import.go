package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

type importOptions struct {
	message, platform string
	changes           []string
}

func importCommand(s *session) *command {
	var o importOptions
	return &command{
		args:    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
		short:   "Import the contents from a tarball to create a filesystem image",
		aliases: []string{"image import", "import"},
		min:     1,
		max:     2,
		complete: func(*session, []string) []choice {
			return []choice{{word: askFiles}}
		},
		flags: []*flags.Flag{
			flags.List(&o.changes, "change,c", "Apply Dockerfile instruction to the created image"),
			flags.String(&o.message, "message,m", "Set commit message for imported image"),
			flags.String(&o.platform, "platform", "Set platform if server is multi-platform capable"),
		},
		run: func(ctx context.Context, args []string) error { return s.importImage(ctx, args, o) },
	}
}

func (s *session) importImage(ctx context.Context, args []string, o importOptions) error {
	names, err := newNames(args[1:])
	if err != nil {
		return err
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	in, err := s.importSource(ctx, args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := copier.Decompress(in)
	if err != nil {
		return err
	}
	if o.message == "" {
		o.message = "Imported from " + args[0]
	}
	img, err := e.Import(ctx, r, o.platform, engine.ImageOptions{Names: names, Message: o.message, Change: changer(o.changes)})
	if err != nil {
		return err
	}
	s.print("sha256:" + img.ID)
	return nil
}

// importSource opens a file, a URL, or the standard input for "-".
func (s *session) importSource(ctx context.Context, name string) (io.ReadCloser, error) {
	switch {
	case name == "-":
		return s.In, nil
	case !strings.HasPrefix(name, "http://") && !strings.HasPrefix(name, "https://"):
		return os.Open(name)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(s.Err, "Downloading from", name)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("download %s: %s", name, resp.Status)
	}
	return resp.Body, nil
}
