package cli

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestChoices(t *testing.T) {
	t.Setenv("HOY_ROOT", t.TempDir())
	t.Setenv("HOY_RUN", t.TempDir())
	for _, c := range []struct{ line, want string }{
		{"nosuch ", ""},
		{"run --nosuch ", ""},
		{"run --nosuch=", ""},
		{"container nosuch ", ""},
		{"rena", "rename"},
		{"imag", "image images"},
		{"container l", "logs ls"},
		{"help vol", "volume"},
		{"help volume c", "create"},
		{"--log-level w", "warn"},
		{"--log-level=w", "--log-level=warn"},
		{"--root /x rena", "rename"},
		{"run --cap-a", "--cap-add"},
		{"run --rm --pul", "--pull"},
		{"run --pull ", "always missing never newer"},
		{"run --pull=n", "--pull=never --pull=newer"},
		{"run -it --pull n", "never newer"},
		{"run --net h", "host"},
		{"run --net=h", "--net=host"},
		{"run --env-file ", ":files"},
		{"run --env-file=x", ":files"},
		{"run --mount type=b", "type=bind, :nospace"},
		{"run img -", ""},
		{"run -- -", ""},
		{"logs c -", "--details --follow --latest --names --since --tail --timestamps --until --help"},
		{"completion ", "bash fish zsh"},
		{"completion bash ", ""},
		{"build ", ":dirs"},
		{"ps --filter st", "status= :nospace"},
		{"kill -s HU", "HUP"},
		{"--", "--config --debug --log-level --root --run --version --help"},
	} {
		words := strings.Split(c.line, " ")
		var got []string
		for _, one := range newSession("hoy").choices(words[:len(words)-1], words[len(words)-1]) {
			got = append(got, one.word)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

// TestScripts has each shell that is here read its script. What the scripts do is in testdata/scripts.
func TestScripts(t *testing.T) {
	for shell, check := range map[string][]string{"bash": {"bash", "-n"}, "fish": {"fish", "-n"}, "zsh": {"zsh", "-n"}} {
		r := hoy(t, "hoy", "completion", shell)
		if r.code != 0 || strings.Contains(r.out, "NAME") || !strings.Contains(r.out, "__complete") {
			t.Errorf("%s: %d\n%s", shell, r.code, r.out)
		}
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		name := t.TempDir() + "/script"
		if err := os.WriteFile(name, []byte(r.out), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(check[0], append(slices.Clone(check[1:]), name)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}
