package build

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/build/copier"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	mode "github.com/tonistiigi/dchapes-mode"
)

// copyRequest is what COPY and ADD have in common.
type copyRequest struct {
	instructions.SourcesAndDest
	name         string // COPY or ADD
	source       string // of the instruction
	chown, chmod string
	exclude      []string
	parents      bool
	link         bool
	from         *stage
	unpack       bool // archives from the context
	unpackURL    bool
	checksum     string
	at           []parser.Range
}

func (d *dispatcher) copy(c *instructions.CopyCommand) error {
	r := copyRequest{
		SourcesAndDest: c.SourcesAndDest, name: "COPY", source: c.String(), chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, parents: c.Parents, link: c.Link, at: c.Location(),
	}
	if len(d.command.from) > 0 {
		r.from = d.command.from[0]
		if err := d.checkOrder(r.from, fmt.Sprintf("cannot copy from stage %q, it needs to be defined before current stage %q", c.From, d.stage.name)); err != nil {
			return err
		}
	}
	return d.copyStep(r)
}

func (d *dispatcher) add(c *instructions.AddCommand) error {
	r := copyRequest{
		SourcesAndDest: c.SourcesAndDest, name: "ADD", source: c.String(), chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, link: c.Link, at: c.Location(), checksum: c.Checksum, unpack: true,
	}
	if c.Unpack != nil {
		r.unpack, r.unpackURL = *c.Unpack, *c.Unpack
	}
	if c.KeepGitDir != nil && *c.KeepGitDir {
		return errors.New("ADD --keep-git-dir is not supported")
	}
	return d.copyStep(r)
}

// checkOrder refuses a stage that comes later in the Dockerfile, as Docker does.
func (d *dispatcher) checkOrder(from *stage, message string) error {
	if from.index >= 0 && (d.stage.index < 0 || from.index >= d.stage.index) {
		return errors.New(message)
	}
	return nil
}

func (d *dispatcher) copyStep(r copyRequest) error {
	if err := r.check(d.plan.hasFiles); err != nil {
		return err
	}
	dest := r.DestPath
	if !path.IsAbs(dest) {
		dest = joinKeepingSlash(path.Join("/", d.stage.config.Config.WorkingDir), dest)
	}
	op := &copyOp{
		copyKey: copyKey{
			Dest: dest, Chown: r.chown, Chmod: r.chmod, Parents: r.parents, Exclude: r.exclude,
			Unpack: r.unpack, UnpackURL: r.unpackURL, Link: r.link,
		},
		checksum: r.checksum,
	}
	if err := op.parseChmod(); err != nil {
		return err
	}
	if r.from != nil {
		op.from, op.hasFrom = r.from.top, true
	}
	for _, src := range r.SourcePaths {
		op.sources = append(op.sources, copySource{path: src, url: isURL(src)})
		if r.from == nil && !isURL(src) {
			d.lintIgnored(r.name[:1]+strings.ToLower(r.name[1:]), src, r.at)
		}
	}
	for _, doc := range r.SourceContents {
		inline := copier.Inline(doc.Path, []byte(doc.Data))
		op.sources = append(op.sources, copySource{path: doc.Path, inline: &inline})
	}
	line := r.line()
	d.step(op, d.shown(r.source, d.plan.lex, d.stage.env), line)
	d.stage.config.commit(line+" # buildkit", true)
	return nil
}

// line is the instruction in the history.
func (r *copyRequest) line() string {
	words := []string{r.name}
	if r.parents {
		words = append(words, "--parents")
	}
	if r.chown != "" {
		words = append(words, "--chown="+r.chown)
	}
	if r.chmod != "" {
		words = append(words, "--chmod="+r.chmod)
	}
	words = append(words, r.SourcePaths...)
	for _, doc := range r.SourceContents {
		words = append(words, "<<"+doc.Path)
	}
	return strings.Join(append(words, r.DestPath), " ")
}

// check refuses what cannot be done.
func (r *copyRequest) check(hasFiles bool) error {
	if r.link && r.chown != "" && strings.Trim(r.chown, "0123456789:") != "" {
		return fmt.Errorf("--chown=%s: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead", r.chown)
	}
	urls := 0
	for _, src := range r.SourcePaths {
		switch {
		case isGit(src) && r.name == "COPY":
			return errors.New("source can't be a git ref for COPY")
		case isGit(src):
			return fmt.Errorf("ADD %s: adding a git repository is not supported", src)
		case isURL(src) && r.name == "COPY":
			return errors.New("source can't be a URL for COPY")
		case isURL(src):
			urls++
		case r.from == nil && !hasFiles:
			return fmt.Errorf("%s %s: there is no build context to take it from", r.name, src)
		}
	}
	if r.checksum == "" {
		return nil
	}
	if len(r.SourcePaths) != 1 {
		return errors.New("checksum can't be specified for multiple sources")
	}
	if urls != 1 {
		return errors.New("checksum requires HTTP(S) or Git sources")
	}
	return nil
}

// joinKeepingSlash joins a directory and a relative path whose ending says that it is a directory.
func joinKeepingSlash(dir, p string) string {
	out := path.Join(dir, p)
	if p == "" || p == "." || strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") {
		out = strings.TrimSuffix(out, "/") + "/"
	}
	return out
}

// parseChmod reads --chmod: octal, or chmod(1)'s symbols.
func (o *copyOp) parseChmod() error {
	if o.Chmod == "" {
		return nil
	}
	invalid := fmt.Errorf("invalid chmod parameter: '%v'. it should be octal string and between 0 and 07777", o.Chmod)
	p, err := strconv.ParseUint(o.Chmod, 8, 32)
	if err == nil {
		if p > 0o7777 {
			return invalid
		}
		o.mode = func(uint32, bool) uint32 { return uint32(p) }
		return nil
	}
	set, err := mode.Parse(o.Chmod)
	var number *strconv.NumError
	if errors.As(err, &number) {
		return invalid
	}
	o.symbolic = true
	o.mode = func(m uint32, dir bool) uint32 { return fromFileMode(set.Apply(toFileMode(m, dir))) }
	return err
}

func toFileMode(m uint32, dir bool) fs.FileMode {
	f := fs.FileMode(m & 0o777)
	for bit, flag := range modeBits {
		if m&bit != 0 {
			f |= flag
		}
	}
	if dir {
		f |= fs.ModeDir
	}
	return f
}

func fromFileMode(f fs.FileMode) uint32 {
	m := uint32(f.Perm())
	for bit, flag := range modeBits {
		if f&flag != 0 {
			m |= bit
		}
	}
	return m
}

// modeBits are the bits that Go keeps elsewhere than the kernel does.
var modeBits = map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky}

func isURL(s string) bool {
	return (strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")) && !isGit(s)
}

// isGit says whether a source names a git repository as BuildKit reads it.
func isGit(s string) bool {
	for _, scheme := range []string{"git://", "ssh://", "git@"} {
		if strings.HasPrefix(s, scheme) {
			return true
		}
	}
	if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") {
		return false
	}
	s, _, _ = strings.Cut(s, "#")
	s, _, _ = strings.Cut(s, "?")
	return strings.HasSuffix(s, ".git")
}
