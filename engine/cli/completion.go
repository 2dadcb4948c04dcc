package cli

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The scripts speak for a program called NAME. Each asks `hoy __complete` (see complete.go) and hands the answer to its shell.
var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

const completionHelp = `Generate the autocompletion script for the specified shell: bash, fish or zsh.

To load completions in your current shell session:

	source <(NAME completion bash)
	source <(NAME completion zsh)
	NAME completion fish | source

To load completions for every new session, execute once:

	NAME completion bash > /etc/bash_completion.d/NAME
	NAME completion zsh > "${fpath[1]}/_NAME"
	NAME completion fish > ~/.config/fish/completions/NAME.fish`

func completionCommand(s *session) *command {
	scripts := map[string]string{"bash": bashScript, "fish": fishScript, "zsh": zshScript}
	return &command{
		args:  "bash|fish|zsh",
		short: "Generate the autocompletion script for the specified shell",
		long:  strings.ReplaceAll(completionHelp, "NAME", s.name),
		min:   1,
		max:   1,
		complete: func(*session, []string) []choice {
			var out []choice
			for _, shell := range slices.Sorted(maps.Keys(scripts)) {
				out = append(out, choice{word: shell})
			}
			return out
		},
		run: func(_ context.Context, args []string) error {
			script, ok := scripts[args[0]]
			if !ok {
				return fmt.Errorf("unknown shell %q: must be bash, fish or zsh", args[0])
			}
			_, err := s.Out.WriteString(strings.ReplaceAll(script, "NAME", s.name))
			return err
		},
	}
}
