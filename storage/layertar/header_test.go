package layertar

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

// headers are of every kind that describe makes, with each field at its limits.
func headers() []*tar.Header {
	plain := tar.Header{Name: "d/file", Mode: 0o644, Uid: 1000, Gid: 100, Size: 4096, ModTime: time.Unix(1_700_000_000, 0), Typeflag: tar.TypeReg}
	var all []*tar.Header
	add := func(change func(h *tar.Header)) {
		h := plain
		change(&h)
		all = append(all, &h)
	}
	for _, n := range []int{1, 99, 100, 101, 155, 156, 255, 256, 257, 300} {
		add(func(h *tar.Header) { h.Name = strings.Repeat("n", n) })
		add(func(h *tar.Header) { h.Name = "dir/" + strings.Repeat("n", n) })
		add(func(h *tar.Header) { h.Name = strings.Repeat("d", n) + "/name" })
		add(func(h *tar.Header) { h.Name, h.Typeflag, h.Size = strings.Repeat("d", n)+"/", tar.TypeDir, 0 })
		add(func(h *tar.Header) { h.Linkname, h.Typeflag, h.Size = strings.Repeat("l", n), tar.TypeSymlink, 0 })
		add(func(h *tar.Header) { h.Linkname, h.Typeflag, h.Size = strings.Repeat("l", n), tar.TypeLink, 0 })
	}
	for _, s := range []string{"ü", "a\xffb", "a\tb", "a\x7fb", "a b", `q"\`, "日本", strings.Repeat("ü", 50), strings.Repeat("ü", 51)} {
		add(func(h *tar.Header) { h.Name = s })
		add(func(h *tar.Header) { h.Linkname, h.Typeflag, h.Size = s, tar.TypeSymlink, 0 })
	}
	for _, id := range []int{0, 1, 65534, 1<<21 - 1, 1 << 21, 1<<32 - 2} {
		add(func(h *tar.Header) { h.Uid = id })
		add(func(h *tar.Header) { h.Gid = id })
	}
	for _, size := range []int64{0, 1, 511, 512, 1<<33 - 1, 1 << 33} {
		add(func(h *tar.Header) { h.Size = size })
	}
	for _, at := range []int64{-62135596800, -1, 0, 1, 1<<33 - 1, 1 << 33} {
		add(func(h *tar.Header) { h.ModTime = time.Unix(at, 0) })
	}
	for _, mode := range []int64{0, 0o777, 0o7777, 0o4755} {
		add(func(h *tar.Header) { h.Mode = mode })
	}
	for _, dev := range []int64{0, 8, 1<<20 - 1, 1<<21 - 1, 1 << 21} {
		add(func(h *tar.Header) { h.Typeflag, h.Size, h.Devmajor, h.Devminor = tar.TypeChar, 0, dev, 3 })
		add(func(h *tar.Header) { h.Typeflag, h.Size, h.Devmajor, h.Devminor = tar.TypeBlock, 0, 3, dev })
	}
	add(func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeFifo, 0 })
	add(func(h *tar.Header) { h.PAXRecords = map[string]string{paxXattr + "user.a": "v\n"} })
	add(func(h *tar.Header) { *h = tar.Header{Typeflag: tar.TypeReg, Name: "d/.wh..wh..opq", Mode: 0o755} })
	return all
}

// Each header has the bytes that archive/tar gives it.
func TestHeader(t *testing.T) {
	quick := 0
	for _, h := range headers() {
		var want, got bytes.Buffer
		wantErr := tar.NewWriter(&want).WriteHeader(h)
		w := &writer{out: splitter{w: &got}}
		if err := w.header(h); (err != nil) != (wantErr != nil) || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%+v:\n%q, %v\nwant\n%q, %v", h, got.Bytes(), err, want.Bytes(), wantErr)
		}
		if ustar(new([blockSize]byte), h) {
			quick++
		}
	}
	if quick < 50 {
		t.Errorf("only %d headers were made here", quick)
	}
}

// Each record is the line that tar-split writes.
func TestEntry(t *testing.T) {
	entries := []storage.Entry{
		{Type: storage.SegmentType, Payload: []byte{}},
		{Type: storage.SegmentType, Payload: []byte{0, 255}},
		{Type: storage.FileType, Name: "size", Size: 1 << 40, Payload: []byte("12345678")},
	}
	for _, name := range []string{"d/f", "", `q"`, `b\`, "<", ">", "&", "a\tb", "a\x7f", "ü", "\u2028", "a\xffb"} {
		e := storage.Entry{Type: storage.FileType}
		e.SetName(name)
		entries = append(entries, e)
	}
	var want bytes.Buffer
	packer := storage.NewJSONPacker(&want)
	var got []byte
	for i, e := range entries {
		_, err := packer.AddEntry(e)
		check(t, err)
		e.Position = i
		got, err = appendEntry(got, &e)
		check(t, err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got\n%s\nwant\n%s", got, want.Bytes())
	}
}

// What is recorded makes the same tar again of the directory, and has the checksums that tar-split compares.
func TestSplit(t *testing.T) {
	dir := t.TempDir()
	known := map[string][]byte{}
	for i := range 600 {
		name := fmt.Sprintf("d%d/%s%d", i%7, strings.Repeat("n", i%130), i)
		data := make([]byte, rand.IntN(3000))
		for k := range data {
			data[k] = byte(rand.Uint32())
		}
		check(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755), os.WriteFile(filepath.Join(dir, name), data, 0o644))
		if i%2 == 0 {
			known[name] = data
		}
	}
	f, err := os.Open(dir)
	check(t, err)
	defer f.Close()
	var split, again, want bytes.Buffer
	check(t, Source{Dir: f, Known: known}.write(context.Background(), &want, &split))
	stream := asm.NewOutputTarStream(storage.NewPathFileGetter(dir), storage.NewJSONUnpacker(&split))
	_, err = io.Copy(&again, stream)
	check(t, err, stream.Close())
	if !bytes.Equal(again.Bytes(), want.Bytes()) {
		t.Error("tar-split makes another tar")
	}
}

// A file whose name is that of another one's deletion cannot be told from it.
func TestSplitOfAFileLikeAWhiteout(t *testing.T) {
	s := splitter{w: io.Discard, split: io.Discard}
	check(t, s.end("d/.wh.a", 0), s.end("d/.wh.b", 0), s.end("e/.wh.a", 0), s.end("d/a", 0))
	if err := s.end("d/.wh.a", 0); err != storage.ErrDuplicatePath {
		t.Errorf("got %v", err)
	}
}
