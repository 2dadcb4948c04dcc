//go:build deps

// Keeps the modules that are not imported by the first packages in go.mod until they are.
package main

import (
	_ "github.com/klauspost/pgzip"
	_ "github.com/moby/buildkit/frontend/dockerfile/instructions"
	_ "github.com/moby/buildkit/frontend/dockerfile/linter"
	_ "github.com/moby/buildkit/frontend/dockerfile/shell"
	_ "github.com/moby/patternmatcher"
	_ "github.com/moby/profiles/seccomp"
	_ "github.com/opencontainers/cgroups"
	_ "github.com/opencontainers/runtime-tools/generate"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/urfave/cli/v2"
	_ "go.podman.io/image/v5/copy"
	_ "go.podman.io/storage"
	_ "golang.org/x/net/bpf"
)
