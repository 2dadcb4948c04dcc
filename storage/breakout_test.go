package storage

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archiveOf makes a docker-archive of an image whose one layer has these entries.
func archiveOf(t testing.TB, name string, entries []tar.Header) []byte {
	t.Helper()
	var l bytes.Buffer
	tw := tar.NewWriter(&l)
	for _, h := range entries {
		content := []byte("evil")
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		check(t, tw.WriteHeader(&h))
		if h.Size > 0 {
			_, err := tw.Write(content)
			check(t, err)
		}
	}
	check(t, tw.Close())
	sum := sha256.Sum256(l.Bytes())
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}`, hex.EncodeToString(sum[:]))
	return tarOf(t, map[string]string{
		"layer.tar": l.String(), "config.json": config,
		"manifest.json": fmt.Sprintf(`[{"Config":"config.json","RepoTags":[%q],"Layers":["layer.tar"]}]`, name),
	})
}

// A layer must not reach what lies outside its directory, whatever its names and links say (containerd's TestBreakouts,
// CVE-2014-9356 and its kin). It may be refused, or be unpacked inside.
func TestLayersStayInside(t *testing.T) {
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	up := "../../../../../../../../../../.."
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
	}
	hard := func(name, to string) tar.Header { return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeLink} }
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir} }
	file := func(name string) tar.Header { return tar.Header{Name: name} }
	empty := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
	for name, entries := range map[string][]tar.Header{
		"up":                     {file(up + victim)},
		"absolute":               {file(victim)},
		"symlink up":             {link("l", up+outside), file("l/victim")},
		"symlink absolute":       {link("l", outside), file("l/victim")},
		"symlink twice":          {link("a", outside), link("b", "a"), file("b/victim")},
		"symlink to file":        {link("l", victim), file("l")},
		"symlink in directory":   {dir("d"), link("d/l", up+outside), dir("d/l/x"), file("d/l/victim")},
		"hard link up":           {hard("h", up+victim), file("h")},
		"hard link by symlink":   {link("l", outside), hard("h", "l/victim"), file("h")},
		"whiteout up":            {empty(up + outside + "/.wh.victim")},
		"whiteout by symlink":    {link("l", outside), empty("l/.wh.victim")},
		"opaque by symlink":      {link("l", outside), empty("l/.wh..wh..opq")},
		"root as a link":         {link("./", outside), file("victim")},
		"root as a file":         {file("."), file("victim")},
		"directory by symlink":   {link("l", outside), {Name: "l/", Typeflag: tar.TypeDir, Mode: 0o777}},
		"whiteout of the parent": {empty(".wh..")},
		"whiteout of itself":     {empty("d/.wh.."), empty("d/.wh...")},
	} {
		check(t, os.WriteFile(victim, []byte("untouched"), 0o600), os.Chmod(outside, 0o700))
		s := newStore(t)
		_, err := s.Load(ctx, bytes.NewReader(archiveOf(t, "evil:1", entries)), LoadOptions{})
		t.Logf("%s: %v", name, err)
		if got := mustRead(t, victim); got != "untouched" {
			t.Errorf("%s: the file outside is %q", name, got)
		}
		st, err2 := os.Stat(victim)
		check(t, err2)
		st2, err2 := os.Stat(outside)
		check(t, err2)
		if st.Mode() != 0o600 || st2.Mode().Perm() != 0o700 {
			t.Errorf("%s: modes changed", name)
		}
		if list, _ := os.ReadDir(outside); len(list) != 1 {
			t.Errorf("%s: outside has %v", name, list)
		}
		if err != nil {
			noTrace(t, s)
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: more than a line: %v", name, err)
			}
			continue
		}
		saveAll(t, s, SaveOptions{}, "evil:1") // checks the digest of what it reads
	}
}

// A layer that fails early must not block the ones beside it (CVE-2021-20291).
func TestABadLayerDoesNotBlock(t *testing.T) {
	s := newStore(t)
	bad := archiveOf(t, "evil:1", []tar.Header{{Name: "d/.wh.."}, {Name: "a"}, {Name: "b"}})
	for range 5 {
		_, err := s.Load(ctx, bytes.NewReader(bad), LoadOptions{})
		t.Log(err)
	}
	good := archiveOf(t, "good:1", []tar.Header{{Name: "a"}})
	if _, err := s.Load(ctx, bytes.NewReader(good), LoadOptions{}); err != nil {
		t.Error(err)
	}
}

// A user with one id can load what belongs to many.
func TestFilesOfOthers(t *testing.T) {
	s := newStore(t)
	archive := archiveOf(t, "other:1", []tar.Header{{Name: "mine"}, {Name: "theirs", Uid: 33, Gid: 44}})
	_, err := s.Load(ctx, bytes.NewReader(archive), LoadOptions{})
	check(t, err)
	img, err := s.Image(ctx, "other:1")
	check(t, err)
	if got := mustRead(t, filepath.Join(img.Layers[0], "theirs")); got != "evil" {
		t.Errorf("got %q", got)
	}
	saveAll(t, s, SaveOptions{}, "other:1")
}
