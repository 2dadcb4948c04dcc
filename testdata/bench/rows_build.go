package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

const buildTag = "localhost/benchbuild:latest"

// twentySteps writes a context whose Dockerfile has twenty steps of the usual kinds.
func (b *bench) twentySteps() (string, error) {
	dir := b.path("twenty")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var f bytes.Buffer
	fmt.Fprintf(&f, "FROM %s\nENV STAGE=bench\nWORKDIR /app\n", baseImage)
	for i := range 5 {
		name := fmt.Sprintf("part%d", i)
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name), 1000), 0o644); err != nil {
			return "", err
		}
		fmt.Fprintf(&f, "COPY %s /app/\nRUN cat %s > all%d\nRUN echo %d >> log\n", name, name, i, i)
	}
	fmt.Fprint(&f, "LABEL bench=twenty\nCMD [\"cat\", \"log\"]\n")
	return dir, os.WriteFile(filepath.Join(dir, "Dockerfile"), f.Bytes(), 0o644)
}

// fiveThousand writes a context with 5,000 files of 4 KiB in fifty directories.
func (b *bench) fiveThousand() (string, error) {
	dir := b.path("files")
	for i := range 5000 {
		sub := filepath.Join(dir, "tree", fmt.Sprint(i/100))
		if i%100 == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return "", err
			}
		}
		content := bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), 512)
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(i)), content, 0o644); err != nil {
			return "", err
		}
	}
	text := fmt.Sprintf("FROM %s\nCOPY tree /tree\n", baseImage)
	return dir, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644)
}

// builders are the engines that build, buildah under its own name.
func (b *bench) builders() []engine {
	buildah := b.podman
	buildah.name = "buildah"
	return []engine{b.hoy, buildah, b.docker, b.buildKit()}
}

// uncached builds dir from nothing every time, and removes the image after each build.
func (b *bench) uncached(dir string) []contender {
	var cs []contender
	for _, e := range b.builders() {
		cs = append(cs, contender{
			name: e.name, skip: e.missing,
			run:   func() error { return e.buildImage(dir, buildTag, "--no-cache") },
			after: func() error { return e.command("rmi", "-f", buildTag) },
		})
	}
	return cs
}

func setupBuild(b *bench) ([]contender, func(), error) {
	dir, err := b.twentySteps()
	return b.uncached(dir), nil, err
}

func setupCopy(b *bench) ([]contender, func(), error) {
	dir, err := b.fiveThousand()
	return b.uncached(dir), nil, err
}

func setupCachedBuild(b *bench) ([]contender, func(), error) {
	dir, err := b.twentySteps()
	if err != nil {
		return nil, nil, err
	}
	var cs []contender
	for _, e := range b.builders() {
		cs = append(cs, contender{name: e.name, skip: e.missing, run: func() error { return e.buildImage(dir, buildTag) }})
	}
	return cs, nil, nil
}
