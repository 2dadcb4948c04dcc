package layertar

import (
	"archive/tar"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const paxXattr = "SCHILY.xattr." // as GNU tar, star and archive/tar write extended attributes

// attributes reads the extended attributes of one file.
type attributes struct {
	list func(buf []byte) (int, error)
	get  func(name string, buf []byte) (int, error)
}

func byFD(fd int) attributes {
	return attributes{
		list: func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) },
		get:  func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) },
	}
}

// byName reads those of a file that cannot be opened, such as a symbolic link or a device.
func byName(dir int, base string) attributes {
	full := "/proc/self/fd/" + strconv.Itoa(dir) + "/" + base
	return attributes{
		list: func(buf []byte) (int, error) { return unix.Llistxattr(full, buf) },
		get:  func(name string, buf []byte) (int, error) { return unix.Lgetxattr(full, name, buf) },
	}
}

// readXattrs puts those extended attributes into the header that a layer keeps: file capabilities, IMA signatures and the user's
// own. It says whether overlay marks the directory as opaque (trusted.overlay for root, user.overlay with userxattr).
func readXattrs(a attributes, hdr *tar.Header) (opaque bool, err error) {
	list, err := grow(a.list)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) || err == nil && list == "" {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		isOpaque := name == "trusted.overlay.opaque" || name == "user.overlay.opaque"
		kept := name == "security.capability" || name == "security.ima" ||
			strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
		if !isOpaque && !kept {
			continue
		}
		value, err := grow(func(buf []byte) (int, error) { return a.get(name, buf) })
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
		if isOpaque {
			opaque = opaque || value == "y"
			continue
		}
		if hdr.PAXRecords == nil {
			hdr.PAXRecords = map[string]string{}
		}
		hdr.PAXRecords[paxXattr+name] = value
	}
	return opaque, nil
}

// grow calls read with larger and larger buffers until the answer fits.
func grow(read func([]byte) (int, error)) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := read(buf)
		if errors.Is(err, unix.ERANGE) {
			continue
		}
		if err != nil {
			return "", err
		}
		return string(buf[:n]), nil
	}
}
