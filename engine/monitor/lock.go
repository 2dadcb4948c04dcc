package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process keeps the container.
var ErrLocked = errors.New("container is in use by another process")

// Lock takes the container's lock, which says "somebody keeps it": its monitor while it runs, or a command that starts, removes or
// tidies it. It makes the run directory. The lock lives as long as any process holds the file, over fork and exec;
// a killed monitor is never believed alive, and no pid is. It does not wait: ErrLocked.
// It is a lock of the open file description (fcntl(2)), because that one can be asked about without being taken.
func (p Place) Lock() (*os.File, error) {
	path := p.RunFile(lockFile)
	for try := 0; ; try++ {
		f, err := openLock(p, path)
		if errors.Is(err, os.ErrNotExist) && try < 1000 {
			continue // the last holder moved the directory away between our two steps
		}
		if err != nil {
			return nil, err
		}
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
			f.Close()
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
				return nil, ErrLocked
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if sameFile(f, path) {
			return f, nil
		}
		f.Close() // the last holder removed it between our open and our lock
	}
}

func openLock(p Place, path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE
	f, err := os.OpenFile(path, flags, 0o600)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if err := MakeRunDir(p.Run); err != nil {
		return nil, err
	}
	if err := os.Mkdir(p.RunDir(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return os.OpenFile(path, flags, 0o600)
}

// sameFile says whether path still names the open file.
func sameFile(f *os.File, path string) bool {
	var a, b unix.Stat_t
	if unix.Fstat(int(f.Fd()), &a) != nil || unix.Stat(path, &b) != nil {
		return false
	}
	return a.Dev == b.Dev && a.Ino == b.Ino
}

// Kept says whether somebody holds the container's lock. It asks the kernel and takes nothing, so it disturbs nobody.
func (p Place) Kept() bool { return held(p.RunFile(lockFile)) }

// held says whether somebody holds the lock of a file.
func held(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	query := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &query)
	return err == nil && query.Type != unix.F_UNLCK
}

// MakeRunDir makes hoy's run directory, and refuses one that another user could have made or can enter: its place may be below /tmp.
func MakeRunDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("stat %s: %w", dir, err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is not a directory", dir)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to uid %d, not to %d", dir, st.Uid, os.Geteuid())
	case st.Mode&0o077 != 0:
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// WaitReleased waits until nobody holds the container's lock.
func (p Place) WaitReleased(ctx context.Context) error {
	f, err := os.Open(p.RunFile(lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { // it cannot be interrupted: when ctx ends it takes and gives back the lock some time later
		done <- unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_RDLCK})
		f.Close()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WaitProcess waits until the process of a pidfd has ended.
func WaitProcess(ctx context.Context, pidfd *os.File) error {
	done := make(chan error, 1)
	fd := int(pidfd.Fd())
	wake, wakeup, err := os.Pipe()
	if err != nil {
		return err
	}
	defer wake.Close()
	wakeFd := int32(wake.Fd())
	go func() {
		for {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: wakeFd, Events: unix.POLLIN}}, -1)
			if err != unix.EINTR {
				done <- err
				return
			}
		}
	}()
	select {
	case err = <-done:
		wakeup.Close()
		return err
	case <-ctx.Done():
		wakeup.Close()
		<-done
		return ctx.Err()
	}
}
