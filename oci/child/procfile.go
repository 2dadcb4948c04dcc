package child

import "golang.org/x/sys/unix"

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
