package rootless

import "strings"

// globalValues are the flags before the command that take the next word as their value.
var globalValues = map[string]bool{
	"--root": true, "--run": true, "--log-level": true, "-l": true, "--config": true, "-H": true, "--host": true, "-c": true, "--context": true,
}

// groups are the words that stand before a command's own: `hoy container run` is `hoy run`.
var groups = map[string]bool{
	"container": true, "image": true, "volume": true, "system": true, "builder": true, "buildx": true, "network": true, "kube": true, "secret": true,
}

// inside are the commands that start containers, mount, or read and write files of the user's subordinate ids. All others
// stay outside: they read what the user owns, and signal and join containers with the rights that the user has as owner of their user namespace.
// cp opens a running container's root from outside, and goes on inside (Inside).
var inside = map[string]bool{
	"run": true, "create": true, "start": true, "restart": true, "rm": true, "prune": true,
	"build": true, "pull": true, "push": true, "load": true, "save": true, "import": true, "rmi": true, "tag": true, "commit": true,
	"export": true, "diff": true, "mount": true, "unmount": true, "umount": true, "unshare": true,
	"compose": true, "system df": true, "system check": true, "system reset": true,
	"image rm": true, "image remove": true, "container remove": true, "volume rm": true, "volume remove": true,
	"builder build": true, "kube play": true, "kube down": true, "network connect": true, "network disconnect": true,
}

// outside are commands whose last word alone would say otherwise.
var outside = map[string]bool{"volume create": true, "network create": true, "network rm": true, "network remove": true, "network prune": true,
	"secret create": true, "secret rm": true, "secret remove": true}

// NeedsUserns says whether a command line, without the program's name, needs the user namespace. A line that asks for help does not.
func NeedsUserns(args []string) bool {
	words := command(args)
	if len(words) == 0 {
		return false
	}
	line := strings.Join(words, " ")
	return (inside[line] || inside[words[len(words)-1]]) && !outside[line]
}

// command gives the command's own words: "run", or a group and its command. Nil means that the line only asks for help or has no command.
func command(args []string) []string {
	args = skipGlobals(args)
	if len(args) == 0 {
		return nil
	}
	n := 1
	if groups[args[0]] {
		n = 2
	}
	if len(args) < n || (len(args) > n && args[n] == "--help") {
		return nil
	}
	return args[:n]
}

// RunArgs gives the arguments of a `run`. It says no of another command.
func RunArgs(args []string) (rest []string, ok bool) {
	words := command(args)
	if len(words) == 0 || words[len(words)-1] != "run" || len(words) == 2 && words[0] != "container" {
		return nil, false
	}
	return skipGlobals(args)[len(words):], true
}

// globalValue gives the value of a flag before the command, "" when it is not there.
func globalValue(args []string, flag string) string {
	value := ""
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name, v, joined := strings.Cut(args[0], "=")
		if !joined && globalValues[name] && len(args) > 1 {
			v = args[1]
			args = args[1:]
		}
		if name == flag {
			value = v
		}
		args = args[1:]
	}
	return value
}

func skipGlobals(args []string) []string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if globalValues[args[0]] && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	return args
}
