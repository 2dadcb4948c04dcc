package storage

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/oci/layout"
)

// ociArchive brings in the images of an OCI layout in a tar.
func (l *load) ociArchive(ctx context.Context, file string) error {
	dir := filepath.Join(l.dir, "layout")
	if err := unpackLayout(ctx, file, dir); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, v1.ImageIndexFile))
	if err != nil {
		return err
	}
	var index v1.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return fmt.Errorf("%s: %w", v1.ImageIndexFile, err)
	}
	for i, m := range index.Manifests {
		if m.Annotations["vnd.docker.reference.type"] == "attestation-manifest" {
			continue // says how an image was built; it is none
		}
		ref, err := layout.NewIndexReference(dir, i)
		if err != nil {
			return err
		}
		if err := l.image(ctx, ref, layoutNames(m)); err != nil {
			return err
		}
	}
	return nil
}

// layoutNames reads the name that containerd and buildx, or else skopeo and podman, give an image in a layout. A mere tag is none.
func layoutNames(m v1.Descriptor) []string {
	for _, name := range []string{m.Annotations["io.containerd.image.name"], m.Annotations[v1.AnnotationRefName]} {
		if !strings.ContainsAny(name, ":/") {
			continue
		}
		if tag, err := parseTag(name); err == nil {
			return []string{tag.String()}
		}
	}
	return nil
}

// unpackLayout unpacks what belongs to an OCI layout, and nothing else: two files and blobs, whose names it makes itself.
func unpackLayout(ctx context.Context, file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		name := layoutFile(h)
		if name == "" {
			continue
		}
		if err := writeNew(filepath.Join(dir, name), &contextReader{ctx, tr}); err != nil {
			return err
		}
	}
}

// layoutFile gives the path of a regular file that belongs to a layout, or "".
func layoutFile(h *tar.Header) string {
	if h.Typeflag != tar.TypeReg {
		return ""
	}
	name := path.Clean(h.Name)
	if name == v1.ImageIndexFile || name == v1.ImageLayoutFile {
		return name
	}
	algorithm, hex, ok := strings.Cut(strings.TrimPrefix(name, "blobs/"), "/")
	if !ok || digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex).Validate() != nil {
		return ""
	}
	return path.Join("blobs", algorithm, hex)
}

func writeNew(file string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
