package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/build/rootfs"
)

// fetch gives the file at a URL: mode 0600, with the server's date. One that was fetched before is asked for again only by its ETag or
// date, and not at all when its checksum is the wanted one.
func (x *executor) fetch(ctx context.Context, address, checksum string) (*copier.Selection, error) {
	want, ok := strings.CutPrefix(checksum, "sha256:")
	if checksum != "" && (!ok || len(want) != 64 || strings.Trim(want, "0123456789abcdef") != "") {
		return nil, fmt.Errorf("invalid checksum %q: sha256:<64 hexadecimal digits> is expected", checksum)
	}
	d, release, err := x.cache.Download(ctx, address)
	if err != nil {
		return nil, err
	}
	defer release()
	if want == "" || d.Meta.Sum != want {
		if err := update(ctx, d, address, want); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", address, err)
		}
	}
	tree, err := rootfs.OpenDir(d.Dir)
	if err != nil {
		return nil, err
	}
	x.onClose(func() error { tree.Close(); return nil })
	selected, err := copier.Select(tree, copier.Request{Path: d.Meta.Sum, Literal: true})
	if err != nil {
		return nil, err
	}
	selected[0].Name, selected[0].Downloaded = fileName(address), true
	return &selected[0], nil
}

// fileName is the name of a download, from its URL.
func fileName(address string) string {
	if u, err := url.Parse(address); err == nil {
		if base := path.Base(u.Path); base != "." && base != "/" {
			return base
		}
	}
	return "__unnamed__"
}

// update brings a download up to date.
func update(ctx context.Context, d *cache.Download, address, want string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if d.Meta.Sum != "" && d.Meta.ETag != "" {
		req.Header.Set("If-None-Match", d.Meta.ETag)
	} else if d.Meta.Sum != "" && d.Meta.Modified != "" {
		req.Header.Set("If-Modified-Since", d.Meta.Modified)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the address is named already
		}
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && want == "":
		return nil
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return save(d, resp, want)
}

// save writes an answer's body under the name of its digest, and then the record that names it.
func save(d *cache.Download, resp *http.Response, want string) error {
	f, err := os.CreateTemp(d.Dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), resp.Body)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if want != "" && sum != want {
		return fmt.Errorf("digest mismatch sha256:%s: sha256:%s", sum, want)
	}
	modified := time.Unix(0, 0)
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		modified = t
	}
	if err := os.Chtimes(f.Name(), modified, modified); err != nil {
		return err
	}
	return d.Put(f.Name(), cache.DownloadMeta{
		Sum: sum, ETag: resp.Header.Get("ETag"), Modified: resp.Header.Get("Last-Modified"),
	})
}
