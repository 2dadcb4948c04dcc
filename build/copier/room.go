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

// take gives an empty slice with a capacity of size bytes, or nil when there is no room left.
func (r *room) take(size int64) []byte {
	end := r.used.Add(size)
	if end > int64(len(r.all)) {
		return nil
	}
	return r.all[end-size : end-size : end]
}
