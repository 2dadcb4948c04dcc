package build

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/build/rootfs"
	"codeberg.org/hoy/hoy/storage"
)

// copyOp is COPY and ADD.
type copyOp struct {
	copyKey
	sources  []copySource
	hasFrom  bool
	from     *step                           // where files come from, with hasFrom; else the context
	checksum string                          // of the one URL
	mode     func(m uint32, dir bool) uint32 // --chmod; nil without
	symbolic bool                            // it depends on the mode that a file has

	selections []copier.Selection
}

// copySource is one source, in the instruction's order.
type copySource struct {
	path   string
	url    bool
	inline *copier.Selection
}

// copyKey is what a COPY consumes.
type copyKey struct {
	Parent    string
	Content   string // of the selected files
	Dest      string
	Chown     string `json:",omitempty"`
	Chmod     string `json:",omitempty"`
	Unpack    bool   `json:",omitempty"`
	UnpackURL bool   `json:",omitempty"`
	Link      bool   `json:",omitempty"`

	// Of the quick key only: which files of which root, before anything is read.
	From    string   `json:",omitempty"`
	Paths   []string `json:",omitempty"`
	Parents bool     `json:",omitempty"`
	Exclude []string `json:",omitempty"`
}

func (o *copyOp) inputs() []*step {
	if o.hasFrom {
		return []*step{o.from}
	}
	return nil
}

// again: files are named by their content, so that doing it again would give the same.
func (o *copyOp) again() bool { return false }

// prepare selects and names what does not come from another step, before the root file system is touched and while it is being made.
func (o *copyOp) prepare(ctx context.Context, x *executor) error {
	if o.hasFrom {
		return nil
	}
	for _, s := range o.sources {
		selected, err := o.selectOutside(ctx, x, s)
		if err != nil {
			return err
		}
		o.selections = append(o.selections, selected...)
	}
	var err error
	o.Content, err = copier.Hash(ctx, o.selections, copier.HashOptions{
		Digests: x.context.digests(), Owner: true, Mode: o.mode != nil && !o.symbolic,
	})
	return err
}

func (o *copyOp) selectOutside(ctx context.Context, x *executor, s copySource) ([]copier.Selection, error) {
	switch {
	case s.inline != nil:
		return []copier.Selection{*s.inline}, nil
	case s.url:
		sel, err := x.fetch(ctx, s.path, o.checksum)
		if err != nil {
			return nil, err
		}
		return []copier.Selection{*sel}, nil
	}
	tree, err := x.context.open()
	if err != nil {
		return nil, err
	}
	selected, err := copier.Select(tree, copier.Request{Path: s.path, Exclude: o.Exclude, Parents: o.Parents, Ignore: x.ignore})
	return selected, sourceError(err)
}

// sourceError gives a missing source BuildKit's words.
func sourceError(err error) error {
	var none *copier.NotFoundError
	if errors.As(err, &none) {
		return &notFoundError{none}
	}
	return err
}

type notFoundError struct{ err *copier.NotFoundError }

func (e *notFoundError) Error() string {
	return "failed to compute cache key: failed to calculate checksum: " + e.err.Error()
}
func (e *notFoundError) Unwrap() error { return e.err }

func (o *copyOp) quickKey(in *inputs) (string, error) {
	if !o.hasFrom {
		return "", nil
	}
	k := o.copyKey
	k.Parent, k.From = in.parent.id, in.others[0].id
	for _, s := range o.sources {
		if s.inline != nil {
			return "", nil
		}
		k.Paths = append(k.Paths, s.path)
	}
	return cache.Key("copy from", k)
}

func (o *copyOp) key(ctx context.Context, x *executor, in *inputs) (string, error) {
	if o.hasFrom {
		if err := o.selectFrom(ctx, x, in.others[0]); err != nil {
			return "", err
		}
	}
	k := o.copyKey
	k.Parent = in.parent.id
	k.From, k.Paths, k.Parents, k.Exclude = "", nil, false, nil
	return cache.Key("copy", k)
}

// selectFrom selects and names files of another step.
func (o *copyOp) selectFrom(ctx context.Context, x *executor, from *result) error {
	tree, err := x.tree(from)
	if err != nil {
		return err
	}
	for _, s := range o.sources {
		if s.inline != nil {
			o.selections = append(o.selections, *s.inline)
			continue
		}
		selected, err := copier.Select(tree, copier.Request{Path: s.path, Exclude: o.Exclude, Parents: o.Parents})
		if err != nil {
			return sourceError(err)
		}
		o.selections = append(o.selections, selected...)
	}
	o.Content, err = copier.Hash(ctx, o.selections, copier.HashOptions{Owner: o.Chown != "", Mode: o.mode != nil && !o.symbolic})
	return err
}

func (o *copyOp) run(ctx context.Context, x *executor, in *inputs, to *storage.Stage) error {
	lower := in.parent.lower
	if o.Link {
		lower = nil // --link sees nothing of what is below: no links to follow, no directory's mode to keep
	}
	w, err := rootfs.NewWriter(to.Dir, lower, x.rootOptions())
	if err != nil {
		return err
	}
	defer w.Close()
	to.Known = map[string][]byte{}
	target := copier.Target{
		Writer: w, Dest: o.Dest, Root: !o.hasFrom, Mode: o.mode, NoDevices: x.options.Rootless, Known: to.Known,
	}
	if o.Chown != "" {
		uid, gid, err := w.Owner(o.Chown)
		if err != nil {
			return err
		}
		target.Owner = &copier.Owner{UID: uid, GID: gid}
	}
	changed := false
	for i := range o.selections {
		err := o.place(ctx, target, &o.selections[i])
		if errors.Is(err, copier.ErrChanged) {
			changed = true
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if changed {
		return errNotRecorded
	}
	return nil
}

// place copies one source, or unpacks it.
func (o *copyOp) place(ctx context.Context, t copier.Target, s *copier.Selection) error {
	unpack := o.Unpack
	if s.Downloaded {
		unpack = o.UnpackURL
	}
	if unpack {
		archive, err := s.IsArchive()
		if err != nil {
			return err
		}
		if archive {
			return unpackInto(ctx, t, s)
		}
	}
	return copier.Copy(ctx, t, []copier.Selection{*s})
}

func unpackInto(ctx context.Context, t copier.Target, s *copier.Selection) error {
	f, err := s.Open()
	if err != nil {
		return err
	}
	clear(t.Known) // an archive may replace any file
	err = copier.Extract(ctx, t.Writer, t.Dest, f, copier.ExtractOptions{Owner: t.Owner, NoDevices: t.NoDevices})
	return errors.Join(err, f.Close())
}
