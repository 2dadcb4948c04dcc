package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/rootless"
)

// envUnshare says to a hoy that it runs in a session of `hoy unshare`.
const envUnshare = "HOY_UNSHARE"

func unshareCommand(s *session) *command {
	return &command{
		args:  "[COMMAND] [ARG...]",
		short: "Run a command, or a shell, in the user namespace of an ordinary user's containers",
		long: `Run a command, or a shell, in the user namespace of an ordinary user's containers.

There the user is root over the files that containers have written with their own users' ids, and can look at them, change and remove them.`,
		max:     -1,
		ordered: true,
		run:     func(_ context.Context, args []string) error { return unshare(args) },
	}
}

// unshare replaces this process, which is in the user namespace already, by the command.
func unshare(args []string) error {
	if !rootless.Rootless() {
		return coded{errors.New("unshare is for ordinary users: root sees all files as they are"), codeUsage}
	}
	if len(args) == 0 {
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		args = []string{shell}
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return coded{fmt.Errorf("exec: %q: executable file not found in $PATH", args[0]), codeNotFound}
	}
	if err := os.Setenv(envUnshare, "1"); err != nil {
		return err
	}
	return coded{fmt.Errorf("exec %s: %w", path, unix.Exec(path, args, os.Environ())), codeNotExecutable}
}
