package early

// entry is the program's entry point, when it is linked with -E.
func entry()

// entry's own: where the kernel's stack is, and thread-local storage until the runtime has its own.
var (
	stack uintptr
	tls   [128]byte
)

var _, _, _ = entry, &stack, &tls
