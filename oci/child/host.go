package child

import (
	"strings"

	"golang.org/x/sys/unix"
)

// makeWorkdir makes the working directory when the image does not have it, as Docker does. It comes after pivot_root and is an in-root walk: an
// image's WORKDIR names no directory of the host's (CVE-2026-55686), and before the root becomes read-only.
func makeWorkdir(b *birth) error {
	if b.plan.Cwd == "" {
		return nil
	}
	fd, err := b.root.Open(b.plan.Cwd, unix.O_PATH|unix.O_DIRECTORY)
	if err == unix.ENOENT {
		fd, err = b.root.MkdirAll(b.plan.Cwd, 0o755)
	}
	if err == unix.ELOOP || err == unix.EXDEV {
		return nil // a magic link such as /proc/self/cwd; chdir judges it
	}
	if err != nil {
		return at(b.plan.Cwd, err)
	}
	defer unix.Close(fd)
	st, err := fstat(fd)
	if err == nil && !isDir(st) {
		err = unix.ENOTDIR
	}
	return at(b.plan.Cwd, err)
}

// raiseLoopback brings up "lo" in a network namespace that was made with the child; nobody else has been in it.
func raiseLoopback(b *birth) error {
	if b.plan.Clone&unix.CLONE_NEWNET == 0 {
		return nil
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return at("lo", err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return at("lo", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return at("lo", unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo))
}

// setHostname names the machine, in a UTS namespace that was made with the child, or that the plan has it rename.
func setHostname(b *birth) error {
	if b.plan.Clone&unix.CLONE_NEWUTS == 0 && !b.plan.Rename {
		return nil
	}
	if b.plan.Hostname != "" {
		if err := unix.Sethostname([]byte(b.plan.Hostname)); err != nil {
			return at(b.plan.Hostname, err)
		}
	}
	if b.plan.Domainname != "" {
		return at(b.plan.Domainname, unix.Setdomainname([]byte(b.plan.Domainname)))
	}
	return nil
}

// setSysctls writes kernel settings of the container's namespaces. It comes after procfs is mounted, and before /proc/sys is made read-only
// and paths are masked. The files are opened on a descriptor of procfs itself, without crossing a link or a mount, so that nothing an image or volume puts
// over them is written to in their place (CVE-2025-52881). Which settings belong to a namespace is checked where the plan is made (CVE-2022-0811).
func setSysctls(b *birth) error {
	for _, s := range b.plan.Sysctls {
		if err := writeProcSafely(b.proc, "sys/"+sysctlPath(s.Key), s.Value); err != nil {
			return at(s.Key, err)
		}
	}
	return nil
}

// sysctlPath is sysctl(8)'s: dots are slashes, and with a slash in the key dots are dots (net/ipv4/conf/eth0.100/…).
func sysctlPath(key string) string {
	if strings.Contains(key, "/") {
		return key
	}
	return strings.ReplaceAll(key, ".", "/")
}

// resolveUser finds out who the process will be, in the container's own files. It comes after all mounts, because these files may be mounted,
// and before a seccomp filter is loaded.
func resolveUser(b *birth) error {
	files := UserFiles{b.root, b.proc}
	if b.plan.IDs != nil {
		b.ids, b.home = *b.plan.IDs, files.Home(b.plan.IDs.UID)
		return nil
	}
	var err error
	b.ids, b.home, err = Resolve(files, b.plan.User, b.plan.GroupAdd)
	return err
}
