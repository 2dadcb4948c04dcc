package build

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/build/rootfs"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// buildContext is where the files of COPY and ADD come from.
type buildContext struct {
	dir   string // "" when there is none: the Dockerfile came alone
	cache *cache.Cache
	given bool // a directory of the user's: its files' digests are remembered

	once   sync.Once
	tree   *rootfs.Tree
	err    error
	dOnce  sync.Once
	digest *cache.Digests
}

func (c *buildContext) open() (*rootfs.Tree, error) {
	c.once.Do(func() { c.tree, c.err = rootfs.OpenDir(c.dir) })
	return c.tree, c.err
}

// digests are the remembered ones of the directory; nil when there is none to remember.
func (c *buildContext) digests() *cache.Digests {
	if !c.given {
		return nil
	}
	c.dOnce.Do(func() { c.digest = c.cache.Digests(c.dir) })
	return c.digest
}

// close saves what was learned of the files.
func (c *buildContext) close() error {
	if c.tree != nil {
		c.tree.Close()
	}
	if c.digest != nil {
		return c.digest.Save()
	}
	return nil
}

// source is what a build reads before it begins.
type source struct {
	name    string // of the Dockerfile, as messages show it
	data    []byte
	context *buildContext
	ignore  *patternmatcher.PatternMatcher
}

// maxDockerfile bounds a Dockerfile from stdin: nothing larger has been one.
const maxDockerfile = 16 << 20

func readDockerfile(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDockerfile+1))
	if err == nil && len(data) > maxDockerfile {
		err = fmt.Errorf("larger than %d bytes", maxDockerfile)
	}
	if err != nil {
		return nil, fmt.Errorf("read Dockerfile from stdin: %w", err)
	}
	return data, nil
}

// openSource finds the Dockerfile and the context. temp makes a directory that lives as long as the build.
func openSource(ctx context.Context, o *Options, c *cache.Cache, temp func(context.Context) (string, error)) (*source, error) {
	s := &source{context: &buildContext{cache: c}}
	if isGit(o.Context) || isURL(o.Context) {
		return nil, fmt.Errorf("build context %s: only a directory or - is supported", o.Context)
	}
	if o.Context == "-" {
		return s, s.readStdin(ctx, o, temp)
	}
	fi, err := os.Stat(o.Context)
	if err == nil && !fi.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, fmt.Errorf("build context %s: %w", o.Context, unwrapPath(err))
	}
	if s.context.dir, err = filepath.Abs(o.Context); err != nil {
		return nil, err
	}
	s.context.given = true
	return s, s.readFiles(o)
}

// readFiles reads the Dockerfile and what is to be ignored of a context on disk.
func (s *source) readFiles(o *Options) error {
	path := o.Dockerfile
	switch {
	case path == "-":
		s.name = "Dockerfile"
		var err error
		if s.data, err = readDockerfile(o.Stdin); err != nil {
			return err
		}
	case path == "":
		path = filepath.Join(s.context.dir, "Dockerfile")
		fallthrough
	default:
		if err := s.readDockerfile(os.ReadFile, path); err != nil {
			return err
		}
	}
	return s.readIgnore(os.ReadFile, path, filepath.Join(s.context.dir, ".dockerignore"))
}

// readDockerfile reads the file, or one named in lower case where it has the default name.
func (s *source) readDockerfile(read func(string) ([]byte, error), path string) error {
	s.name = filepath.Base(path)
	data, err := read(path)
	if errors.Is(err, fs.ErrNotExist) && s.name == "Dockerfile" {
		if lower, err2 := read(filepath.Join(filepath.Dir(path), "dockerfile")); err2 == nil {
			s.name, data, err = "dockerfile", lower, nil
		}
	}
	if err != nil {
		return fmt.Errorf("failed to read dockerfile: open %s: %w", s.name, unwrapPath(err))
	}
	s.data = data
	return nil
}

// readIgnore reads <Dockerfile>.dockerignore, or else the context's .dockerignore.
func (s *source) readIgnore(read func(string) ([]byte, error), dockerfile, fallback string) error {
	var data []byte
	err := fs.ErrNotExist
	if dockerfile != "-" {
		data, err = read(dockerfile + ".dockerignore")
	}
	if errors.Is(err, fs.ErrNotExist) {
		data, err = read(fallback)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read .dockerignore: %w", err)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("read .dockerignore: %w", err)
	}
	if len(patterns) == 0 {
		return nil
	}
	if s.ignore, err = patternmatcher.New(patterns); err != nil {
		return fmt.Errorf(".dockerignore: %w", err)
	}
	return nil
}

// readStdin reads a Dockerfile, or a tar that is the context, from stdin.
func (s *source) readStdin(ctx context.Context, o *Options, temp func(context.Context) (string, error)) error {
	if o.Dockerfile == "-" {
		return errors.New("invalid argument: can't use stdin for both build context and dockerfile")
	}
	in := bufio.NewReaderSize(o.Stdin, 64<<10)
	head, err := in.Peek(512)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read context from stdin: %w", err)
	}
	if !looksLikeArchive(head) {
		s.name = "Dockerfile"
		s.data, err = readDockerfile(in)
		return err
	}
	dir, err := temp(ctx)
	if err != nil {
		return err
	}
	s.context.dir = filepath.Join(dir, "context")
	if err := unpackContext(ctx, s.context.dir, in); err != nil {
		return fmt.Errorf("context from stdin: %w", err)
	}
	return s.readUnpacked(o)
}

// looksLikeArchive tells a tar, compressed or not, from a Dockerfile by its first bytes.
func looksLikeArchive(head []byte) bool {
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return true
	}
	return copier.IsCompressed(head)
}

func unpackContext(ctx context.Context, dir string, r io.Reader) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	w, err := rootfs.NewWriter(dir, nil, rootfs.Options{})
	if err != nil {
		return err
	}
	defer w.Close()
	return copier.Extract(ctx, w, "/", r, copier.ExtractOptions{Owner: &copier.Owner{}, Plain: true})
}

// readUnpacked reads the Dockerfile of a context that came as a tar, which nothing in the tar may lead out of.
func (s *source) readUnpacked(o *Options) error {
	root, err := os.OpenRoot(s.context.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	path := strings.TrimPrefix(filepath.Join("/", o.Dockerfile), "/")
	if path == "" {
		path = "Dockerfile"
	}
	if err := s.readDockerfile(root.ReadFile, path); err != nil {
		return err
	}
	return s.readIgnore(root.ReadFile, path, ".dockerignore")
}

// unwrapPath drops the path and the call from an error of package os: the message names them by itself.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
