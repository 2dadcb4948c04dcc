package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/engine/rootless"
)

// result is what one command line came to.
type result struct {
	code     int
	out, err string
}

// hoy runs a command line in this process, with a store of its own. stdin is empty.
func hoy(t *testing.T, name string, args ...string) result {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOY_ROOT", filepath.Join(dir, "root"))
	t.Setenv("HOY_RUN", filepath.Join(dir, "run"))
	s := newSession(name)
	s.In = file(t, os.DevNull, os.O_RDONLY)
	s.Out = file(t, filepath.Join(dir, "out"), os.O_RDWR|os.O_CREATE)
	s.Err = file(t, filepath.Join(dir, "err"), os.O_RDWR|os.O_CREATE)
	code := s.report(s.main(context.Background(), args))
	return result{code, content(t, s.Out), content(t, s.Err)}
}

func file(t *testing.T, name string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUsageErrors has the command lines that are wrong by themselves. The texts are those of Docker's client 28.
func TestUsageErrors(t *testing.T) {
	t.Setenv("DOCKER_DEFAULT_PLATFORM", "")
	const run = "\n\nUsage:  hoy run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'hoy run --help' for more information\n"
	for _, c := range []struct {
		args string
		code int
		err  string
	}{
		{"run --x img", 125, "unknown flag: --x" + run},
		{"run -itx img", 125, "unknown shorthand flag: 'x' in -x" + run},
		{"run --name", 125, "flag needs an argument: --name" + run},
		{"run -h", 125, "flag needs an argument: 'h' in -h" + run},
		{"run -it=abc img", 125, `invalid argument "abc" for "-t, --tty" flag: strconv.ParseBool: parsing "abc": invalid syntax` + run},
		{"run -e =x img", 125, `invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x` + run},
		{"run -l =x img", 125, `invalid argument "=x" for "-l, --label" flag: invalid label '=x': empty name` + run},
		{"run -a foo img", 125, `invalid argument "foo" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR` + run},
		{"run --add-host x img", 125, `invalid argument "x" for "--add-host" flag: bad format for add-host: "x"` + run},
		{"run --dns x img", 125, `invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x` + run},
		{"run --stop-timeout x img", 125, `invalid argument "x" for "--stop-timeout" flag: strconv.ParseInt: parsing "x": invalid syntax` + run},
		{"run", 1, "hoy: 'hoy run' requires at least 1 argument" + run},
		{"ps x", 1, "hoy: 'hoy ps' accepts no arguments\n\nUsage:  hoy ps [OPTIONS]\n\nRun 'hoy ps --help' for more information\n"},
		{"container ls x", 1, "hoy: 'hoy container ls' accepts no arguments\n\nUsage:  hoy container ls [OPTIONS]\n\nRun 'hoy container ls --help' for more information\n"},
		{"tag a", 1, "hoy: 'hoy tag' requires 2 arguments\n\nUsage:  hoy tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n\nRun 'hoy tag --help' for more information\n"},
		{"images a b", 1, "hoy: 'hoy images' requires at most 1 argument\n\nUsage:  hoy images [OPTIONS] [REPOSITORY[:TAG]]\n\nRun 'hoy images --help' for more information\n"},
		{"exec c", 1, "hoy: 'hoy exec' requires at least 2 arguments\n\nUsage:  hoy exec [OPTIONS] CONTAINER COMMAND [ARG...]\n\nRun 'hoy exec --help' for more information\n"},
		{"rm c -x", 125, "unknown shorthand flag: 'x' in -x\n\nUsage:  hoy rm [OPTIONS] CONTAINER [CONTAINER...]\n\nRun 'hoy rm --help' for more information\n"},
		{"--x", 125, "unknown flag: --x\n\nUsage:  hoy [OPTIONS] COMMAND\n\nRun 'hoy --help' for more information\n"},
		{"pss", 1, "hoy: unknown command: hoy pss\n\nRun 'hoy --help' for more information\nhint: did you mean 'hoy ps'?\n"},
		{"imag", 1, "hoy: unknown command: hoy imag\n\nRun 'hoy --help' for more information\nhint: did you mean 'hoy image'?\n"},
		{"frobnicate", 1, "hoy: unknown command: hoy frobnicate\n\nRun 'hoy --help' for more information\n"},
		{"container frob", 1, "hoy: unknown command: hoy container frob\n\nRun 'hoy container --help' for more information\n"},
		{"container --x", 125, "unknown flag: --x\n\nUsage:  hoy container COMMAND\n\nRun 'hoy container --help' for more information\n"},
		{"help frob", 1, "hoy: unknown help topic: frob\n"},
		{"ps --filter foo", 125, "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected name=value)\n\nUsage:  hoy ps [OPTIONS]\n\nRun 'hoy ps --help' for more information\n"},
		{"ps --filter foo=x", 1, "hoy: invalid filter 'foo'\n"},
		{"run --pull foo img", 125, `hoy: invalid pull option: 'foo': must be one of "always", "missing" or "never"` + "\n"},
		{"run -d -a stdin img", 1, "hoy: conflicting options: cannot specify both --attach and --detach\n"},
		{"run -it img", 1, "hoy: the input device is not a TTY\n"},
		{"run --env-file /nope img", 125, "hoy: open /nope: no such file or directory\n"},
		{"inspect --type foo x", 1, "hoy: unknown type: \"foo\": must be one of \"container\", \"image\", \"network\", \"volume\"\n"},
		{"inspect -f {{ x", 64, "hoy: template parsing error: template: :1: unclosed action\n"},
		{"ps --format {{", 1, "hoy: template parsing error: template: :1: unclosed action\n"},
		{"version --format {{", 64, "hoy: template parsing error: template: :1: unclosed action\n"},
		{"start -a a b", 1, "hoy: you cannot start and attach multiple containers at once\n"},
		{"completion foo", 1, "hoy: unknown shell \"foo\": must be bash, fish or zsh\n"},
		{"load -i /nope", 1, "hoy: open /nope: no such file or directory\n"},
		{"save --format x y", 1, "hoy: unknown format \"x\": must be \"docker-archive\" or \"oci-archive\"\n"},
		{"--log-level foo ps", 1, "hoy: unable to parse logging level: foo\n"},
	} {
		r := hoy(t, "hoy", strings.Fields(c.args)...)
		if r.code != c.code || r.err != c.err || strings.Trim(r.out, "\n") != "" {
			t.Errorf("%s: %d %q %q,\nwant %d %q", c.args, r.code, r.err, r.out, c.code, c.err)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, same := range [][2]string{
		{"help run", "run --help"}, {"help container ls", "container ls --help"}, {"image --help", "image"}, {"--help", ""},
		{"--help ps", "ps --help"}, {"ps -h", "ps --help"}, {"ps x --help", "ps --help"}, {"help", "--help"},
	} {
		a, b := hoy(t, "hoy", strings.Fields(same[0])...), hoy(t, "hoy", strings.Fields(same[1])...)
		if a != b || a.code != 0 || a.out == "" {
			t.Errorf("%q and %q differ: %+v\n%+v", same[0], same[1], a, b)
		}
	}
	const want = `Usage:  docker rm [OPTIONS] CONTAINER [CONTAINER...]

Remove one or more containers

Aliases:
  docker container rm, docker container remove, docker rm

Options:
  -a, --all             Act on all containers
      --cidfile list    Read the container ID from the file
      --depend          Remove container and all containers that depend
                        on the selected container
      --filter filter   Act on the containers that fit the conditions
  -f, --force           Force the removal of a running container (uses
                        SIGKILL)
  -i, --ignore          Ignore errors when a specified container is missing
  -l, --latest          Act on the latest container, which was created last
  -t, --time int        Seconds to wait for stop before killing the
                        container, implies --force
  -v, --volumes         Remove anonymous volumes associated with the container
`
	if r := hoy(t, "/usr/bin/docker", "rm", "--help"); r.out != want {
		t.Errorf("docker rm --help:\n%s", r.out)
	}
}

// TestTree finds flags that cannot all be given, and commands that nothing describes.
func TestTree(t *testing.T) {
	s := newSession("hoy")
	root, _ := s.find(nil)
	s.walk(root, func(f found) {
		if f.short == "" || (f.run == nil) == (len(f.subs) == 0) {
			t.Errorf("%s: no description, or not either a command or a group", f.pathName())
		}
		seen := map[string]bool{"help": true}
		for _, o := range f.flags {
			for _, name := range append(append([]string{o.Name}, o.Also...), o.Short) {
				if name != "" && name != "help" && seen[name] {
					t.Errorf("%s: two flags %s", f.pathName(), name)
				}
				seen[name] = true
			}
		}
		for _, way := range f.aliases {
			if g, rest := s.find(strings.Fields(way)); len(rest) > 0 || g.short != f.short {
				t.Errorf("%s: alias %q leads elsewhere", f.pathName(), way)
			}
		}
	})
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text          string
		indent, width int
		want          string
	}{
		{"short", 10, 79, "short"},
		{"one two three four five six seven", 10, 40, "one two three four five\n          six seven"},
		{"line\nother", 4, 79, "line\n    other"},
		{"too narrow for columns beside the flags of this one command", 40, 60, "\n                too narrow for columns beside the\n                flags of this one command"},
	} {
		if got := wrap(c.text, c.indent, c.width); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	s := newSession("hoy")
	root, _ := s.find(nil)
	for word, want := range map[string]string{"pss": "ps", "sart": "start", "imagse": "image", "x": "", "frobnicate": "", "exce": "exec", "__doc": ""} {
		if got := root.nearest(word); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// TestGlobalsBeforeUserns: what decides whether a rootless call needs its user namespace reads the same global flags.
func TestGlobalsBeforeUserns(t *testing.T) {
	for _, f := range newSession("hoy").globalFlags() {
		names := []string{"--" + f.Name}
		if f.Short != "" {
			names = append(names, "-"+f.Short)
		}
		for _, name := range names {
			line := []string{name, "run", "img"}
			if !f.Bool() {
				line = []string{name, "version", "run", "img"}
			}
			if !rootless.NeedsUserns(line) {
				t.Errorf("engine/rootless reads %q otherwise", line)
			}
		}
	}
}
