package child

import (
	"errors"

	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// Files of procfs are read and written by bare system calls: package os would start the runtime's poller, with descriptors that stay
// open until the exec.

// readProc reads a short file below the directory proc.
func readProc(proc int, name string) (string, error) {
	fd, err := unix.Openat(proc, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var buf [4096]byte
	n, err := unix.Read(fd, buf[:])
	return string(buf[:max(n, 0)]), err
}

// writeProc writes a value into a file below the directory proc, in one call.
func writeProc(proc int, name, value string) error {
	fd, err := unix.Openat(proc, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	return err
}

// ReadRanges reads an id map below an open procfs, "self/uid_map".
func ReadRanges(proc int, name string) ([]userns.Range, error) {
	text, err := readProc(proc, name)
	if err != nil {
		return nil, at(name, err)
	}
	return userns.ParseRanges(text)
}

// writeProcSafely is writeProc for a procfs that the container has mounted: no link and no mount that lies on the way is followed (CVE-2025-52881).
func writeProcSafely(proc int, name, value string) error {
	if !isOn(proc, unix.PROC_SUPER_MAGIC) {
		return errors.New("/proc is not a procfs")
	}
	how := unix.OpenHow{
		Flags:   unix.O_WRONLY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := unix.Openat2(proc, name, &how)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	return err
}
