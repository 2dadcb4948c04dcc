package runtime

import (
	"os"
	"syscall"
)

// Ref names a process across commands and reboots: a pid alone may be another process's by now.
type Ref struct {
	Pid       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // clock ticks since boot
	BootID    string `json:"bootId"`    // /proc/sys/kernel/random/boot_id
}

// Signal sends a signal to the process, by pidfd where the kernel has it.
func (p *Process) Signal(sig syscall.Signal) error { return errNotBuilt }

// Ref gives the name of the process to be stored.
func (p *Process) Ref() Ref { return Ref{} }

// Alive says whether the named process runs; a zombie does not.
func (r Ref) Alive() bool { return false }

// Open gives a pidfd of the named process, or ESRCH when it has ended.
func (r Ref) Open() (*os.File, error) { return nil, errNotBuilt }

// Signal sends a signal to the named process, or gives ESRCH when it has ended.
func (r Ref) Signal(sig syscall.Signal) error { return errNotBuilt }

// BootID is this boot's id.
func BootID() string { return "" }
