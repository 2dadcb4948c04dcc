package plan

// device is a node that every container has; the specification implies them (config-linux.md, default devices).
type device struct {
	path         string
	major, minor int64
}

var defaultDevices = [...]device{
	{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
}

// deviceMode is what the default devices are open to: everybody.
const deviceMode = 0o666
