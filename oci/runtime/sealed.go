package runtime

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

const selfExe = "/proc/self/exe"

// Sealed is hoy's own executable as a file that nobody can write, not even root of the host through /proc/PID/exe (CVE-2019-5736): a detached
// read-only overlay over its directory or, where that cannot be mounted, a sealed copy in memory. It is executed as /proc/self/fd/N.
type Sealed struct {
	done  chan struct{}
	file  *os.File
	mount int // -1 when there is none of ours
	err   error
}

// Seal begins to seal the executable. It takes half a millisecond, in which the caller does other things. The caller closes it.
func Seal() *Sealed {
	s := &Sealed{done: make(chan struct{}), mount: -1}
	go func() {
		s.seal()
		close(s.done)
	}()
	return s
}

// File waits for the sealed file, which is Sealed's to close.
func (s *Sealed) File() (*os.File, error) {
	<-s.done
	if s.err != nil {
		return nil, fmt.Errorf("seal hoy's executable: %w", s.err)
	}
	return s.file, nil
}

// Close lets go of it.
func (s *Sealed) Close() {
	<-s.done
	if s.file != nil {
		s.file.Close()
	}
	if s.mount >= 0 {
		go unix.Close(s.mount) // the kernel waits for all CPUs before it takes a mount away, and nobody need wait with it
	}
}

func (s *Sealed) seal() {
	exe, err := os.Readlink(selfExe)
	if err != nil {
		s.err = err
		return
	}
	mount := sealHere
	if !mayMount() {
		mount = sealElsewhere
	}
	for _, second := range secondLayers {
		if s.open(mount, exe, second) == nil {
			return
		}
	}
	s.file, s.err = sealedInMemory()
}

// secondLayers are directories that an overlay can take as its second layer, which it must have. Nothing is ever looked up in it: the
// executable is in the first. In a user namespace nothing may be mounted below a layer, and one layer may not lie in the other.
var secondLayers = []string{"/sys/class", "/usr/share"}

// open opens the executable in an overlay that has its directory as a lower layer and no upper. Unlike a read-only bind mount, an
// overlay cannot be taken off its files, and has no inode of theirs. The mount is attached nowhere and goes with its last
// user; its pages are those of the file itself, so it costs no memory.
func (s *Sealed) open(mount func(dir, name, second string) (fd, mount int, err error), exe, second string) error {
	dir, name := path.Split(exe)
	fd, mnt, err := mount(path.Clean(dir), name, second)
	if err != nil {
		return err
	}
	if err := sameAsSelf(fd); err != nil {
		unix.Close(fd)
		unix.Close(mnt)
		return err
	}
	s.file, s.mount = os.NewFile(uintptr(fd), exe), mnt
	return nil
}

// mayMount says whether this process has CAP_SYS_ADMIN. An ordinary user outside of a user namespace of his own has not.
func mayMount() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

const sealAttrs = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// sealHere mounts the overlay in our own mount namespace, and opens the file name in it.
func sealHere(dir, name, second string) (fd, mount int, err error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, -1, err
	}
	defer unix.Close(fs)
	if err := setLayers(fs, dir, second); err != nil {
		return -1, -1, err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, -1, err
	}
	if mount, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, sealAttrs); err != nil {
		return -1, -1, err
	}
	if fd, err = unix.Openat(mount, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
		unix.Close(mount)
		return -1, -1, err
	}
	return fd, mount, nil
}

// setLayers names the layers one by one, or in one string for kernels before 6.7, when they can be: it has 255 bytes and its own signs.
func setLayers(fs int, layers ...string) error {
	for i, l := range layers {
		err := unix.FsconfigSetString(fs, "lowerdir+", l)
		if err == unix.EINVAL && i == 0 {
			break
		}
		if err != nil {
			return err
		}
		if i == len(layers)-1 {
			return nil
		}
	}
	all := strings.Join(layers, ":")
	if strings.Count(all, ":") != len(layers)-1 || strings.ContainsAny(all, `\,`) {
		return unix.EINVAL
	}
	return unix.FsconfigSetString(fs, "lowerdir", all)
}

// sealElsewhere does the same in a user namespace that lives for the time of it, because an ordinary user may mount in one of his own only: a
// forked child makes the calls there, and holds the file until we have opened it too.
func sealElsewhere(dir, name, second string) (fd, mount int, err error) {
	var gate [2]int
	if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, err
	}
	defer unix.Close(gate[0])
	s := sealScript(dir, name, second)
	s.Call(unix.SYS_CLOSE, uintptr(gate[1]))
	s.AwaitByte(gate[0])
	f, err := s.Start(unix.CLONE_NEWUSER | unix.CLONE_NEWNS)
	if err != nil {
		unix.Close(gate[1])
		return -1, -1, err
	}
	out, err := f.WaitFor(1)
	fd = -1
	switch {
	case err != nil:
	case out.Failure != nil:
		err = out.Failure.Errno
	case len(out.Results) == 1:
		fd, err = unix.Open(fmt.Sprintf("/proc/%d/fd/%d", f.Pid, out.Results[0]), unix.O_PATH|unix.O_CLOEXEC, 0)
	default:
		err = errHungUp
	}
	unix.Close(gate[1]) // lets the child end
	_, _ = syscall.Wait4(f.Pid, nil, 0, nil)
	return fd, -1, err
}

// sealScript is sealHere as a script that reports the open file.
func sealScript(dir, name, second string) *raw.Script {
	var s raw.Script
	fs := s.Call(unix.SYS_FSOPEN, s.String("overlay"), unix.FSOPEN_CLOEXEC)
	for _, layer := range []string{dir, second} {
		s.Call(unix.SYS_FSCONFIG, 0, unix.FSCONFIG_SET_STRING, s.String("lowerdir+"), s.String(layer), 0)
		s.Use(0, fs)
	}
	s.Call(unix.SYS_FSCONFIG, 0, unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
	s.Use(0, fs)
	mount := s.Call(unix.SYS_FSMOUNT, 0, unix.FSMOUNT_CLOEXEC, sealAttrs)
	s.Use(0, fs)
	s.Report(unix.SYS_OPENAT, 0, s.String(name), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	s.Use(0, mount)
	return &s
}

// sameAsSelf says whether fd is the program that runs: the file at its path may have been replaced since.
func sameAsSelf(fd int) error {
	var own, sealed unix.Stat_t
	if err := unix.Stat(selfExe, &own); err != nil {
		return err
	}
	if err := unix.Fstat(fd, &sealed); err != nil {
		return err
	}
	if own.Size != sealed.Size || own.Mtim != sealed.Mtim || own.Ctim != sealed.Ctim {
		return fmt.Errorf("%s was replaced: %w", selfExe, unix.ESTALE)
	}
	return nil
}

// sealedInMemory copies the executable into a file in memory that nobody can change any more.
func sealedInMemory() (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("hoy", flags|unix.MFD_EXEC)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate("hoy", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	copied := os.NewFile(uintptr(fd), "memfd")
	if err := fillAndSeal(copied); err != nil {
		copied.Close()
		return nil, fmt.Errorf("copy %s: %w", selfExe, err)
	}
	return copied, nil
}

func fillAndSeal(to *os.File) error {
	from, err := os.Open(selfExe)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, err = unix.FcntlInt(to.Fd(), unix.F_ADD_SEALS, seals)
	return err
}
