package seccomp

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci/seccomp/kept"
)

// Digest names the program that Compile makes of p (kept.Digest).
func Digest(p *specs.LinuxSeccomp, goarch string) string { return kept.Digest(p, goarch) }

// CompileCached is Compile with a cache of compiled programs in dir, which is made when it is missing; "" is no cache. A cache
// that cannot be read or written, or is damaged, costs time and nothing else. Whoever can write to dir decides what
// containers may do: it must be the engine's own.
func CompileCached(dir string, p *specs.LinuxSeccomp, goarch string) (*Program, error) {
	if dir == "" {
		return Compile(p, goarch)
	}
	if filter, flags, ok := kept.Find(dir, p, goarch); ok {
		return &Program{Filter: filter, Flags: flags}, nil
	}
	prog, err := Compile(p, goarch)
	if err != nil {
		return nil, err
	}
	_ = store(dir, filepath.Join(dir, Digest(p, goarch)), kept.Encode(prog.Filter, prog.Flags))
	return prog, nil
}

// store writes a cache file beside its place and renames it.
func store(dir, path string, data []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-"+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
