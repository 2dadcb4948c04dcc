package copier

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// room is memory for what several readers keep. There is none until one of them asks for some.
type room struct {
	size int64
	once sync.Once
	all  []byte
	used atomic.Int64
}

// make asks for much in large pages: making 5,000 small ones takes longer than reading the files.
func (r *room) make() {
	r.all = make([]byte, r.size)
	if r.size > 4<<20 {
		_ = unix.Madvise(r.all, unix.MADV_HUGEPAGE) // not every kernel has them
	}
}

// take gives size bytes, or nil when there is no room left. A nil room has none.
func (r *room) take(size int) []byte {
	if r == nil {
		return nil
	}
	end := r.used.Add(int64(size))
	if end > r.size {
		return nil
	}
	r.once.Do(r.make)
	return r.all[end-int64(size) : end : end]
}
