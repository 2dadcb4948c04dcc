package main

import (
	"os"
	"os/exec"
	"path/filepath"

	"codeberg.org/hoy/hoy/oci/runtime"
)

const emptyProgram = "an empty static Go program"

// empty builds the program that does nothing, as hoy is built.
func (b *bench) empty() (contender, error) {
	dir := b.path("empty")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return contender{}, err
	}
	for name, text := range map[string]string{"go.mod": "module empty\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return contender{}, err
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "empty")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if _, err := cmd.Output(); err != nil {
		return contender{}, err
	}
	program := filepath.Join(dir, "empty")
	return contender{name: emptyProgram, run: func() error { return runQuiet(b.environ(), []string{program}) }}, nil
}

func setupVersion(b *bench) ([]contender, func(), error) {
	empty, err := b.empty()
	return []contender{b.hoy.contender("version"), empty}, nil, err
}

// setupChild starts hoy in the child's role with no plan to read: the child stops at its first step, so that the time is that of the way
// there and of ending.
func setupChild(b *bench) ([]contender, func(), error) {
	empty, err := b.empty()
	child := contender{name: "hoy", run: func() error {
		cmd := exec.Command(b.hoy.program[0])
		cmd.Args = []string{"hoy-child"}
		cmd.Env = runtime.ChildEnv
		if err := cmd.Run(); err != nil {
			if _, ok := err.(*exec.ExitError); !ok {
				return err
			}
		}
		return nil
	}}
	return []contender{child, empty}, nil, err
}

func setupSize(b *bench) ([]contender, func(), error) {
	cs := []contender{sizeOf("hoy", b.hoy.program[0])}
	if b.peers {
		cs = append(cs, sizeOf("podman", "/usr/bin/podman"), sizeOf("buildah", "/usr/bin/buildah"), sizeOf("dockerd", "/usr/sbin/dockerd"))
	}
	return cs, nil, nil
}

func sizeOf(name, path string) contender {
	st, err := os.Stat(path)
	if err != nil {
		return contender{name: name, skip: err.Error()}
	}
	return contender{name: name, value: float64(st.Size()) / 1e6}
}
