// Package cli is hoy's command line: urfave/cli commands, their flags, what they print, and how they end.
package cli

import (
	"context"
	"slices"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// node is a place in the tree of commands. The command itself is made when it is called or shown: making all of them in
// every call would cost more than most calls do.
type node struct {
	name   string
	also   []string // other words for it at this place
	rank   int      // its place among the common commands of the top-level help; 0: it is none
	hidden bool
	make   func(*session) *command
}

// command is one command, or a group of them: what is parsed, run, shown by help, written in the manual and completed by shells.
type command struct {
	args    string // what follows its name in the usage line: "[OPTIONS] CONTAINER"
	short   string
	long    string   // instead of short in its own help
	aliases []string // every way to call it, when there are several: "container ls", "ps"

	// implied is how many arguments flags stand for, such as --latest; nil: none.
	implied  func() int
	min, max int  // how many arguments there may be; max -1: any number
	ordered  bool // flags end at the first argument, which begins another program's command line
	flags    []*flags.Flag
	complete completer // of the arguments; nil: nothing
	run      func(ctx context.Context, args []string) error

	subs []node // a group's commands; then run is nil
}

// found is a command and the words that led to it, as they are to be shown.
type found struct {
	*command
	path []string // "hoy", "container", "ls"
	node node
}

// find follows the words of a command line through the tree, as far as they name commands.
func (s *session) find(words []string) (f found, rest []string) {
	return found{command: s.root(), path: []string{s.name}}.find(s, words)
}

func (f found) find(s *session, words []string) (found, []string) {
	for len(words) > 0 && len(f.subs) > 0 {
		i := slices.IndexFunc(f.subs, func(n node) bool { return n.name == words[0] || slices.Contains(n.also, words[0]) })
		if i < 0 {
			break
		}
		f = f.child(s, f.subs[i])
		words = words[1:]
	}
	return f, words
}

// child is the command of a node below f.
func (f found) child(s *session, n node) found {
	return found{command: n.make(s), path: append(slices.Clone(f.path), n.name), node: n}
}

// group makes a management command.
func group(short string, subs ...node) func(*session) *command {
	return func(*session) *command { return &command{short: short, subs: subs} }
}
