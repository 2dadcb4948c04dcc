package child

import (
	"errors"
	"path"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/inroot"

	"golang.org/x/sys/unix"
)

// mountAll attaches the mounts in order. It comes after pivot_root, so that a target can lie only in the container. Each target is opened in-root,
// one walk that gives a descriptor, and the mount is put on the descriptor: nothing is resolved twice, so a volume whose other users swap
// directories for links meanwhile changes nothing (CVE-2021-30465, CVE-2024-45310).
func mountAll(b *birth) error {
	for i := range b.plan.Mounts {
		m := &b.plan.Mounts[i]
		if b.mounts[i].skipped {
			continue
		}
		if err := b.mount(m, b.mounts[i]); err != nil && !m.Optional {
			return at(m.Target, err)
		}
	}
	return nil
}

func (b *birth) mount(m *Mount, source mounted) error {
	defer unix.Close(source.fd)
	if source.volume != nil {
		defer source.volume.close()
		if err := b.fill(m.Target, source.volume); err != nil {
			return because("", "copy from the image", err)
		}
	}
	if err := b.prepare(m, source); err != nil {
		return err
	}
	target, err := b.openTarget(m, source)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if err := checkProcTarget(m, target, source.fd); err != nil {
		return err
	}
	if err := attach(source, target); err != nil {
		return err
	}
	if slices.Contains(kernelTypes, m.Type) {
		if err := b.keepKernel(m.Target, source.fd); err != nil {
			return err
		}
	}
	if m.Type == "proc" && path.Clean(m.Target) == "/proc" {
		return b.useProc(source.fd)
	}
	return nil
}

// kernelMount is a procfs or sysfs of the container's: what is masked in it is found from its root, whatever has its name by then. Who may write to
// the directory that is the root (--rootfs) may rename the place of a mount (GHSA-3q8j-pf29-vwv8).
type kernelMount struct {
	target string
	root   inroot.Root
}

func (b *birth) keepKernel(target string, fd int) error {
	root, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	b.kernel = append(b.kernel, kernelMount{path.Clean(target), rootOf(root)})
	return err
}

// within gives the root from which a path in the container is to be opened, and the path from there.
func (b *birth) within(p string) (inroot.Root, string) {
	p = path.Clean("/" + p)
	for _, k := range b.kernel {
		if rest, ok := strings.CutPrefix(p, k.target+"/"); ok {
			return k.root, rest
		}
	}
	return b.root, p
}

// useProc takes the container's own procfs for everything that follows, in place of the host's.
func (b *birth) useProc(fd int) error {
	proc, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(b.proc)
	b.proc = proc
	return nil
}

// kernelTypes are file systems whose place in the container later steps rely on: a target of theirs that is a link would put them, and the
// masks on them, where nobody looks (CVE-2019-19921, CVE-2025-31133).
var kernelTypes = []string{"proc", "sysfs"}

// openTarget opens the place of a mount, and makes it when it is missing.
func (b *birth) openTarget(m *Mount, source mounted) (int, error) {
	if path.Clean("/"+m.Target) == "/" {
		return -1, errors.New("a mount cannot replace the root")
	}
	if slices.Contains(kernelTypes, m.Type) {
		fd, err := b.root.OpenNoLinks(m.Target, unix.O_PATH|unix.O_DIRECTORY)
		switch err {
		case unix.ELOOP:
			return -1, because("", "must not be a symbolic link in the image", err)
		case unix.ENOENT: // made below
		default:
			return fd, err
		}
	}
	if source.dir {
		fd, err := b.root.MkdirAll(m.Target, 0o755)
		return fd, mismatch(err, unix.ENOTDIR)
	}
	fd, err := b.root.Create(m.Target, 0o644)
	if err != nil {
		return fd, err
	}
	st, err := fstat(fd)
	if err == nil && isDir(st) {
		err = mismatch(unix.EISDIR, unix.EISDIR)
	}
	return fd, err
}

// mismatch explains a file that is mounted on a directory, or the other way round.
func mismatch(err, about error) error {
	if err == nil || err != about {
		return err
	}
	return because("", "are you trying to mount a directory onto a file (or vice-versa)?", err)
}

// overProc are the files of procfs that something may be mounted on: they inform, nothing is written to them (as in runc).
var overProc = []string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/net/dev", "/proc/slabinfo", "/proc/stat",
	"/proc/swaps", "/proc/uptime", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
}

// checkProcTarget refuses to mount anything over /proc but procfs itself, or into it but on a list of files: what writes to a process's
// attributes or sysctls later would write into a fake (CVE-2019-16884, CVE-2025-52881). Where the target lies is asked of
// the kernel, not of the path.
func checkProcTarget(m *Mount, target, source int) error {
	clean := path.Clean("/" + m.Target)
	if clean == "/proc" {
		if !isOn(source, unix.PROC_SUPER_MAGIC) {
			return errors.New("only procfs can be mounted there")
		}
		return nil
	}
	if isOn(target, unix.PROC_SUPER_MAGIC) && !slices.Contains(overProc, clean) {
		return errors.New("nothing can be mounted inside /proc")
	}
	return nil
}
