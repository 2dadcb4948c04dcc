package copier

import (
	"sync/atomic"

	"codeberg.org/hoy/hoy/build/rootfs"
)

// listing is what is in a directory, once done is closed.
type listing struct {
	done  chan struct{}
	nodes []rootfs.Node
	err   error
}

// wait gives the nodes of a directory; those of one that nobody reads ahead, a nil listing, it reads.
func (l *listing) wait(t *rootfs.Tree, dir *rootfs.Node) ([]rootfs.Node, error) {
	if l == nil {
		return t.ReadDir(dir)
	}
	<-l.done
	return l.nodes, l.err
}

// ahead begins to read the directories that are going to be walked one after the other, several at once.
func (w *walk) ahead(all []found) {
	var dirs []*found
	for i := range all {
		if all[i].descend {
			dirs = append(dirs, &all[i])
		}
	}
	if len(dirs) < 2 {
		return
	}
	for _, f := range dirs {
		f.listing = &listing{done: make(chan struct{})}
	}
	var next atomic.Int64
	for range min(workers, len(dirs)) {
		w.reading.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(dirs)); i = next.Add(1) - 1 {
				l, dir := dirs[i].listing, *dirs[i].node
				l.nodes, l.err = w.tree.ReadDir(&dir)
				close(l.done)
			}
		})
	}
}
