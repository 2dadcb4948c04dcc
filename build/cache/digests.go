package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Digests remembers the content of files by what stat(2) says of them, so that a warm context is not read again. Its methods may
// be called by several goroutines.
type Digests struct {
	path  string
	mu    sync.Mutex
	known map[fileID]Digest
	used  map[fileID]Digest // of this build: what is saved
	dirty bool
}

// Digest is what is remembered of a file. A change of either changes the file's ctime.
type Digest struct {
	Sum    [sha256.Size]byte // of its content
	Xattrs bool              // it has extended attributes
}

// fileID is the state of a file that its content cannot change without changing.
type fileID struct {
	Dev, Ino, Size uint64
	Mtime, Ctime   int64 // nanoseconds
}

// entry is one record of the file, little endian.
type entry struct {
	ID     fileID
	Xattrs uint64
	Sum    [sha256.Size]byte
}

const (
	digestsMagic = "hoy digests 1\n\x00\x00"
	// racy is how much older than the moment it is read a file's times must be for its content to be remembered: a change in the same tick
	// of the clock would leave them as they are. File systems that count whole seconds need two of them.
	racy       = 20 * time.Millisecond
	racySecond = 2 * time.Second
)

// Digests opens what is remembered of the files below one directory.
func (c *Cache) Digests(dir string) *Digests {
	sum := sha256.Sum256([]byte(dir))
	d := &Digests{
		path:  filepath.Join(c.dir, "stat", hex.EncodeToString(sum[:16])),
		known: map[fileID]Digest{},
		used:  map[fileID]Digest{},
	}
	data, err := os.ReadFile(d.path)
	if err == nil && bytes.HasPrefix(data, []byte(digestsMagic)) {
		d.load(data[len(digestsMagic):])
	}
	return d
}

func (d *Digests) load(data []byte) {
	size := binary.Size(entry{})
	d.known = make(map[fileID]Digest, len(data)/size)
	for ; len(data) >= size; data = data[size:] {
		u := func(i int) uint64 { return binary.LittleEndian.Uint64(data[8*i:]) }
		id := fileID{Dev: u(0), Ino: u(1), Size: u(2), Mtime: int64(u(3)), Ctime: int64(u(4))}
		v := Digest{Xattrs: u(5) != 0}
		copy(v.Sum[:], data[48:])
		d.known[id] = v
	}
}

func idOf(st *unix.Stat_t) fileID {
	return fileID{
		Dev: uint64(st.Dev), Ino: st.Ino, Size: uint64(st.Size),
		Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
	}
}

// Get gives what is remembered of a file.
func (d *Digests) Get(st *unix.Stat_t) (Digest, bool) {
	id := idOf(st)
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.known[id]
	if ok {
		d.used[id] = v
	}
	return v, ok
}

// Put remembers the content of a file that had the state st at the time now, before it was read, and the same state after.
func (d *Digests) Put(st *unix.Stat_t, v Digest, now time.Time) {
	age := racy
	if st.Mtim.Nsec == 0 && st.Ctim.Nsec == 0 {
		age = racySecond
	}
	newest := max(st.Mtim.Nano(), st.Ctim.Nano())
	if newest > now.Add(-age).UnixNano() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[idOf(st)] = v
	d.used[idOf(st)] = v
	d.dirty = true
}

// Save writes what this build used, when it learned anything: files that are no more are forgotten this way.
func (d *Digests) Save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dirty {
		return nil
	}
	var buf bytes.Buffer
	buf.WriteString(digestsMagic)
	le := binary.LittleEndian
	for id, v := range d.used {
		b := buf.AvailableBuffer()
		b = le.AppendUint64(b, id.Dev)
		b = le.AppendUint64(b, id.Ino)
		b = le.AppendUint64(b, id.Size)
		b = le.AppendUint64(b, uint64(id.Mtime))
		b = le.AppendUint64(b, uint64(id.Ctime))
		x := uint64(0)
		if v.Xattrs {
			x = 1
		}
		b = le.AppendUint64(b, x)
		buf.Write(append(b, v.Sum[:]...))
	}
	d.dirty = false
	return writeFile(d.path, buf.Bytes())
}
