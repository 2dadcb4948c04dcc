// Package lease makes temporary directories that are garbage once their maker is gone.
//
// Beside a directory lies a file of its name with ".lock"; its maker holds a flock on it, and makes it before the directory.
// A lock file that nobody holds, or a directory without one, is garbage, whatever killed its maker.
package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const lockSuffix = ".lock"

// Lease is a temporary directory and the right to it.
type Lease struct {
	Dir  string // mode 0700
	lock *os.File
}

// New makes a directory below base, which is made too when it is missing.
func New(base string) (*Lease, error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	lock, err := newLock(base)
	if err != nil {
		return nil, err
	}
	l := &Lease{Dir: strings.TrimSuffix(lock.Name(), lockSuffix), lock: lock}
	if err := os.Mkdir(l.Dir, 0o700); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// newLock makes a lock file and locks it. Between the two somebody may have taken it for garbage; then it makes another one.
func newLock(base string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(base, "*"+lockSuffix)
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		if locked {
			return f, nil
		}
		f.Close()
	}
}

// tryLock locks the file unless it is locked or was unlinked.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return st.Nlink > 0, nil
}

// Release removes the directory and gives up the lease.
func (l *Lease) Release() error {
	err := os.RemoveAll(l.Dir)
	if err == nil {
		err = os.Remove(l.lock.Name())
	}
	return errors.Join(err, l.lock.Close())
}

// Abandon gives up the lease and leaves the directory to Sweep.
func (l *Lease) Abandon() { l.lock.Close() }

// ErrKeep is what undo returns when a directory has to stay for the next time without that being an error.
var ErrKeep = errors.New("not now")

// Sweep removes every directory below base that nobody holds, after undo has undone what its content tells of; when undo
// fails the directory stays for the next time.
func Sweep(base string, undo func(dir string) error) error {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), lockSuffix)
		errs = append(errs, sweep(filepath.Join(base, name), undo))
	}
	return errors.Join(errs...)
}

func sweep(dir string, undo func(dir string) error) error {
	f, err := os.OpenFile(dir+lockSuffix, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); err != nil {
			return nil
		}
		return os.RemoveAll(dir)
	}
	if err != nil {
		return err
	}
	l := &Lease{Dir: dir, lock: f}
	if locked, err := tryLock(f); err != nil || !locked {
		return errors.Join(err, f.Close())
	}
	if err := undo(dir); errors.Is(err, ErrKeep) {
		return f.Close()
	} else if err != nil {
		return errors.Join(err, f.Close())
	}
	return l.Release()
}

// Idle lists the directories below base that nobody holds: what Sweep would remove.
func Idle(base string) ([]string, error) {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var idle []string
	for _, e := range entries {
		dir := filepath.Join(base, strings.TrimSuffix(e.Name(), lockSuffix))
		if !e.IsDir() {
			continue
		}
		f, err := os.OpenFile(dir+lockSuffix, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			idle = append(idle, dir)
			continue
		}
		if err != nil {
			return idle, err
		}
		locked, err := tryLock(f)
		f.Close()
		if err != nil {
			return idle, err
		}
		if locked {
			idle = append(idle, dir)
		}
	}
	return idle, err
}
