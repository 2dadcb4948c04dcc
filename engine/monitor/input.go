package monitor

import (
	"os"
	"sync"
)

// input is the container's stdin as the clients write to it.
type input struct {
	mu   sync.Mutex
	file *os.File // nil: the container has none, or it was closed
	once bool     // the end of one client's input is the container's
}

// write passes input on and waits until the container takes it. What it no longer takes is dropped.
func (i *input) write(b []byte) {
	i.mu.Lock()
	file := i.file
	i.mu.Unlock()
	if file == nil {
		return
	}
	if _, err := file.Write(b); err != nil {
		i.close()
	}
}

// end is called at the end of a client's input.
func (i *input) end() {
	i.mu.Lock()
	once := i.once
	i.mu.Unlock()
	if once {
		i.close()
	}
}

// open makes file, which may be nil, what is written to.
func (i *input) open(file *os.File, once bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.file, i.once = file, once && file != nil
}

func (i *input) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.file != nil {
		i.file.Close()
		i.file = nil
	}
}
