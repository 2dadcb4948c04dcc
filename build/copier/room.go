package copier

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// room is memory for what several readers keep.
type room struct {
	all  []byte
	used atomic.Int64
}

// newRoom makes room for size bytes. Much of it is asked for in large pages: making 5,000 small ones takes longer than reading the files.
func newRoom(size int64) *room {
	r := &room{all: make([]byte, max(size, 0))}
	if size > 4<<20 {
		_ = unix.Madvise(r.all, unix.MADV_HUGEPAGE) // not every kernel has them
	}
	return r
}

// take gives size bytes, or nil when there is no room left. A nil room has none.
func (r *room) take(size int) []byte {
	if r == nil {
		return nil
	}
	end := int(r.used.Add(int64(size)))
	if end > len(r.all) {
		return nil
	}
	return r.all[end-size : end : end]
}
