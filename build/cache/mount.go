package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MountOptions names a cache mount and says what its directory is like when it is made.
type MountOptions struct {
	ID       string
	Sharing  string // "private" or "locked", as BuildKit means them; else shared
	Mode     uint32
	UID, GID int
}

// Mount opens the directory of a cache mount until release is called: together with others (shared), after them (locked), or one that
// nobody else has at the time (private). The id becomes a hash, whatever it holds (CVE-2024-9675).
func (c *Cache) Mount(ctx context.Context, o MountOptions) (dir string, release func(), err error) {
	sum := sha256.Sum256([]byte(o.ID))
	base := filepath.Join(c.dir, "mnt", hex.EncodeToString(sum[:]))
	if err := os.Mkdir(base, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", nil, err
	}
	var lock *os.File
	n := 0
	switch o.Sharing {
	case "private":
		lock, n, err = firstFree(base)
	case "locked":
		lock, err = waitFlock(ctx, filepath.Join(base, "lock0"), unix.LOCK_EX, nil)
	default:
		lock, err = waitFlock(ctx, filepath.Join(base, "lock0"), unix.LOCK_SH, nil)
	}
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(base, fmt.Sprintf("i%d", n))
	if err := makeMount(dir, o); err != nil {
		lock.Close()
		return "", nil, err
	}
	return dir, func() { lock.Close() }, nil
}

// firstFree locks the first instance that nobody has.
func firstFree(base string) (*os.File, int, error) {
	for n := 0; ; n++ {
		f, err := tryFlock(filepath.Join(base, fmt.Sprintf("lock%d", n)), unix.LOCK_EX)
		if errors.Is(err, unix.EWOULDBLOCK) || err == nil && f == nil {
			continue
		}
		return f, n, err
	}
}

// makeMount makes the directory when it is missing, whole: another builder of a shared one sees it with its mode and owner.
func makeMount(dir string, o MountOptions) error {
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-*")
	if err != nil {
		return err
	}
	err = errors.Join(os.Chown(tmp, o.UID, o.GID), unix.Chmod(tmp, o.Mode))
	if err == nil {
		// Never in place of another builder's, which may be mounted already.
		err = unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	}
	if err != nil {
		os.Remove(tmp)
	}
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
