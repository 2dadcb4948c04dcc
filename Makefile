# make        builds ./hoy
# make demo   builds hoy, builds an image from examples/hello and runs it
# make test   runs every test; as root it runs them as an ordinary user too
# make test-vm  runs what this machine may not have (cgroup v2, systemd) in a virtual one; needs QEMU
# make test-oci  runs the programs of others that judge OCI runtimes (root)
# make soak   lives fifty containers' lives at once for ten minutes, and looks what is wrong or left (SOAK=60s, SOAKFLAGS=-v)
# make bench  measures hoy against podman, buildah, docker, crun and runc (root)
# make lint   gofmt, vet, staticcheck
# make docs   writes the man pages and docs/cli
# make install PREFIX=/usr/local

# The one place for the build's settings. containers_image_openpgp keeps gpgme (C) out, urfave_cli_no_docs and
# containers_image_docker_daemon_stub and exclude_graphdriver_zfs keep libraries out that hoy never calls.
TAGS    := containers_image_openpgp,urfave_cli_no_docs,containers_image_docker_daemon_stub,exclude_graphdriver_zfs
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# On amd64 hoy has an entry point of its own (package early): one process instead of two for an ordinary user's run.
ENTRY   := $(if $(filter amd64,$(shell go env GOARCH)),-E=codeberg.org/hoy/hoy/engine/rootless/early.entry)
LDFLAGS := -s -w $(ENTRY) -X codeberg.org/hoy/hoy/engine/cli.buildVersion=$(VERSION)
# Packages whose speed nobody notices are compiled for size: 1 MB less. Others, such as net/http, would cost every start of a child 0.3 ms, for their
# variables would have to be initialised. `go build` alone works as well.
SMALL   := $(foreach m,go.podman.io google.golang.org github.com/opencontainers github.com/urfave github.com/vishvananda github.com/ProtonMail github.com/BurntSushi \
		go.yaml.in codeberg.org/hoy/hoy/engine/cli,-gcflags=$(m)/...=-l)

export CGO_ENABLED := 0
export GOFLAGS     := -trimpath -buildvcs=false -tags=$(TAGS) $(ENTRY:%=-ldflags=codeberg.org/hoy/hoy=%)

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# testdata is not part of ./..., but its programs are checked too.
PACKAGES    := ./... ./testdata/bench ./testdata/harness ./testdata/soak
PREFIX      ?= /usr/local
SOAK        ?= 10m

.PHONY: hoy demo test test-vm test-oci soak bench lint docs install clean

# The linker writes its file page by page, and so it lies in memory; a copy lies there in large folios, which are mapped faster: a fifth less for a start.
hoy:
	@mkdir -p .cache
	go build $(SMALL) -ldflags '$(LDFLAGS)' -o .cache/hoy .
	@install -m 755 .cache/hoy hoy

demo:
	@testdata/demo.sh

test:
	@testdata/test.sh

test-vm: hoy
	@testdata/vm/test.sh

test-oci: hoy
	cd testdata/validation && HOY=$(CURDIR)/hoy GOFLAGS= go test -count=1 .

soak: hoy
	go build -o .cache/soak ./testdata/soak
	.cache/soak -hoy ./hoy -time $(SOAK) $(SOAKFLAGS)

bench: hoy
	go build -o .cache/bench ./testdata/bench
	.cache/bench -hoy ./hoy -json docs/bench.json -svg docs/bench.svg $(BENCHFLAGS)

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	go vet $(PACKAGES)
	go run $(STATICCHECK) $(PACKAGES)

docs: hoy
	./hoy __docs man docs/man
	./hoy __docs markdown docs/cli

install: hoy
	install -D -m 755 hoy $(DESTDIR)$(PREFIX)/bin/hoy
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	./hoy completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hoy

clean:
	rm -rf hoy .cache
