package plan

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadMountOptions(t *testing.T) {
	for _, c := range []struct {
		in   string
		want mountOptions
		data string
	}{
		{"", mountOptions{}, ""},
		{"ro,nosuid,nodev,noexec", mountOptions{set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}, ""},
		{"ro,rw", mountOptions{clear: unix.MOUNT_ATTR_RDONLY}, ""},
		{"noexec,exec,noexec", mountOptions{set: unix.MOUNT_ATTR_NOEXEC}, ""},
		{"noatime,strictatime", mountOptions{set: unix.MOUNT_ATTR_STRICTATIME, clear: unix.MOUNT_ATTR__ATIME}, ""}, // the kernel wants all these bits cleared
		{"relatime", mountOptions{clear: unix.MOUNT_ATTR__ATIME}, ""},
		{"rbind,rro,rslave", mountOptions{set: unix.MOUNT_ATTR_RDONLY, bind: true, recursive: true, deep: true, propagation: unix.MS_SLAVE | unix.MS_REC}, ""},
		{"bind,private", mountOptions{bind: true, propagation: unix.MS_PRIVATE}, ""},
		{"size=64m,async,mode=1777,sync,defaults", mountOptions{}, "size=64m,mode=1777,sync"},
		{"r", mountOptions{}, "r"},
	} {
		got := readMountOptions(strings.Split(c.in, ","))
		if data := got.dataString(); data != c.data {
			t.Errorf("%q: data %q, want %q", c.in, data, c.data)
		}
		if got.data = nil; got.set != c.want.set || got.clear != c.want.clear || got.propagation != c.want.propagation ||
			got.bind != c.want.bind || got.recursive != c.want.recursive || got.deep != c.want.deep {
			t.Errorf("%q: got %+v, want %+v", c.in, got, c.want)
		}
	}
}
