package storage

import "go.podman.io/storage/pkg/reexec"

// Reexec runs the library's helper when this process was started as one (argv[0] "storage-untar" and its kin: extraction in a chroot)
// and says whether it was; main then returns at once. It must be the first call of main.
func Reexec() bool { return reexec.Init() }
