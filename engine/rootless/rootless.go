// Package rootless enters the user namespace that an ordinary user's containers need, and says what a host lacks for it.
//
// It is called from a package initialiser, before any wide library is initialised, so it imports the standard library
// and golang.org/x/sys only.
package rootless

// Problem is something that the host lacks.
type Problem struct {
	What string // "newuidmap is missing: containers see one user only"
	Fix  string // the command or setting that mends it
}

// Enter is the outer half of a rootless call. It returns when the call needs no user namespace, or is in it already; otherwise
// it runs hoy again inside a new one, passes signals and the exit status on, and never returns.
func Enter() {}

// Rootless says whether an ordinary user runs this hoy, inside or outside of the user namespace.
func Rootless() bool { return UID() != 0 }

// InUserns says whether this process is in a user namespace other than the host's first.
func InUserns() bool { return false }

// UID is the host uid of the user who runs hoy: 0 for root.
func UID() int { return 0 }

// GID is the host gid of the user who runs hoy: 0 for root.
func GID() int { return 0 }

// Problems lists what is missing for containers of the calling user, with the way to get it; nil when nothing is.
func Problems() []Problem { return nil }
