package layertar

import (
	"archive/tar"
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

const paxXattr = "SCHILY.xattr." // as GNU tar, star and archive/tar write extended attributes

// readXattrs puts those extended attributes into the header that a layer keeps: file capabilities, IMA signatures and the user's
// own. It says whether overlay marks the directory as opaque (trusted.overlay for root, user.overlay with userxattr).
func readXattrs(full string, hdr *tar.Header) (opaque bool, err error) {
	names, err := listXattrs(full)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		isOpaque := name == "trusted.overlay.opaque" || name == "user.overlay.opaque"
		kept := name == "security.capability" || name == "security.ima" ||
			strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
		if !isOpaque && !kept {
			continue
		}
		value, err := getXattr(full, name)
		if err != nil {
			return false, err
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

func listXattrs(full string) ([]string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Llistxattr(full, buf)
		switch {
		case errors.Is(err, unix.ERANGE):
			continue
		case errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS):
			return nil, nil
		case err != nil:
			return nil, &fs.PathError{Op: "listxattr", Path: full, Err: err}
		case n == 0:
			return nil, nil
		}
		return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), nil
	}
}

func getXattr(full, name string) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Lgetxattr(full, name, buf)
		if errors.Is(err, unix.ERANGE) {
			continue
		}
		if err != nil {
			return "", &fs.PathError{Op: "getxattr " + name, Path: full, Err: err}
		}
		return string(buf[:n]), nil
	}
}
