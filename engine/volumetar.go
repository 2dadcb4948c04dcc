package engine

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/carry"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/inroot"
)

// ExportVolume writes what is in a volume as a tar. No link in it is followed, whoever changes it meanwhile (CVE-2023-0778).
func (e *Engine) ExportVolume(ctx context.Context, name string, w io.Writer) error {
	return e.withVolume(name, func(dir int) error { return carry.Pack(ctx, w, carry.Source{Dir: dir, Base: "."}) })
}

// ImportVolume unpacks a tar, which is not compressed, into a volume that is there. Owners are the archive's.
func (e *Engine) ImportVolume(ctx context.Context, name string, r io.Reader) error {
	return e.withVolume(name, func(dir int) error {
		if err := carry.Unpack(ctx, r, inroot.Root(dir), "/", carry.UnpackOptions{}); err != nil {
			return fmt.Errorf("import volume %s: %w", name, err)
		}
		return nil
	})
}

// withVolume opens a volume's directory.
func (e *Engine) withVolume(name string, do func(dir int) error) error {
	v, err := e.Store.Volume(name)
	if err != nil {
		return err
	}
	if m := (&oci.Mount{Type: oci.MountVolume, VolumeOptions: v.Options}); m.FileSystem() {
		return fmt.Errorf("volume %s is a file system of its own (%s): what is in it is in the containers that have it mounted", name, v.Options["type"])
	}
	fd, err := unix.Open(v.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: v.Path, Err: err}
	}
	defer unix.Close(fd)
	return do(fd)
}
