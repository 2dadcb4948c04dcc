package early

// Run is what can be said of a `run` by its flags alone.
type Run struct {
	Network string
	Userns  bool // it has a user namespace of its own
	Detach  bool
	TTY     bool
}

// Alone says whether the container is on no network of containers: it has one of its own, none, or the host's.
//
//go:nosplit
func (r Run) Alone() bool {
	switch r.Network {
	case "", "none", "host", "bridge", "default":
		return true
	}
	return false
}

// boolean and valued are flags of `run` that need nothing of another container and, but for what Run has of them, change nothing of what a process is born
// with. One letter stands for a short flag.
var (
	boolean = [...]string{"rm", "i", "interactive", "d", "detach", "t", "tty", "init", "read-only", "P", "publish-all", "q", "quiet", "no-healthcheck", "sig-proxy", "rmi"}
	valued  = [...]string{
		"e", "env", "env-file", "v", "volume", "mount", "tmpfs", "name", "w", "workdir", "u", "user", "h", "hostname", "entrypoint", "l", "label", "network", "net",
		"p", "publish", "cap-add", "cap-drop", "ulimit", "shm-size", "add-host", "dns", "log-driver", "log-opt", "cidfile", "pull", "platform", "stop-signal",
		"stop-timeout", "network-alias", "ip", "expose", "annotation", "group-add", "sysctl", "userns", "uidmap", "gidmap",
	}
)

// Parse reads the words behind `run`. It says no when there is a flag that it does not know, or no image.
//
//go:nosplit
func Parse(args []string) (r Run, ok bool) {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		name, value, joined := flag(args[0])
		switch {
		case args[0][1] != '-' && !joined && letters(name):
			for i := range len(name) {
				r.note(name[i : i+1])
			}
		case !joined && among(boolean[:], name):
			r.note(name)
		case !among(valued[:], name):
			return r, false
		case !joined:
			if len(args) == 1 {
				return r, false
			}
			value, args = args[1], args[1:]
		}
		switch name {
		case "network", "net":
			if r.Alone() { // of several networks one that it shares counts
				r.Network = value
			}
		case "uidmap", "gidmap":
			r.Userns = true
		case "userns":
			const other = "container:"
			if len(value) >= len(other) && value[:len(other)] == other {
				return r, false
			}
			r.Userns = value != "" && value != "host"
		}
		args = args[1:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	return r, len(args) > 0
}

//go:nosplit
func (r *Run) note(name string) {
	switch name {
	case "d", "detach":
		r.Detach = true
	case "t", "tty":
		r.TTY = true
	}
}

// flag takes a word of the command line apart: "--name=value", "-nvalue", "-abc".
//
//go:nosplit
func flag(word string) (name, value string, joined bool) {
	if word[1] != '-' {
		name = word[1:]
		if len(name) > 1 && among(valued[:], name[:1]) {
			if value = name[1:]; value[0] == '=' {
				value = value[1:]
			}
			return name[:1], value, true
		}
		return name, "", false
	}
	name = word[2:]
	for i := range len(name) {
		if name[i] == '=' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}

// letters says whether name is short flags in one word that take no value.
//
//go:nosplit
func letters(name string) bool {
	for i := range len(name) {
		if !among(boolean[:], name[i:i+1]) {
			return false
		}
	}
	return len(name) > 1
}

//go:nosplit
func among(list []string, name string) bool {
	for i := range list {
		if list[i] == name {
			return true
		}
	}
	return false
}
