package storage

import (
	"fmt"
	"io"
	"sync"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// progress writes what `docker pull` writes where there is no terminal.
type progress struct {
	w io.Writer

	mu     sync.Mutex
	begun  bool
	layers map[string]bool // digests of layers' blobs: whether they were fetched
}

func newProgress(w io.Writer) *progress { return &progress{w: w, layers: map[string]bool{}} }

func (p *progress) line(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }

// begin says, once, what is fetched, and notes which blobs are layers: nothing is said of the config.
func (p *progress) begin(named reference.Named, img *peeked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		p.line("%s: Pulling from %s", tagOrDigest(named), reference.Path(named))
	}
	p.begun = true
	for _, l := range img.layers {
		p.layers[l.Digest.String()] = false
	}
}

// follow writes a line for each event until the channel is closed; then it closes done.
func (p *progress) follow(events <-chan types.ProgressProperties) (done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e := range events {
			p.event(e)
		}
	}()
	return ended
}

func (p *progress) event(e types.ProgressProperties) {
	p.mu.Lock()
	defer p.mu.Unlock()
	digest := e.Artifact.Digest.String()
	if _, layer := p.layers[digest]; !layer {
		return
	}
	id := short(e.Artifact.Digest.Encoded())
	switch e.Event {
	case types.ProgressEventNewArtifact:
		p.line("%s: Pulling fs layer", id)
	case types.ProgressEventSkipped:
		p.line("%s: Already exists", id)
	case types.ProgressEventDone:
		p.line("%s: Download complete", id)
		p.layers[digest] = true
	}
}

// end says that the layers that were fetched are in their place, and what the image is.
func (p *progress) end(img *peeked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range img.layers {
		if p.layers[l.Digest.String()] {
			p.line("%s: Pull complete", short(l.Digest.Encoded()))
			p.layers[l.Digest.String()] = false
		}
	}
	p.line("Digest: %s", img.listDigest)
}

func tagOrDigest(named reference.Named) string {
	switch n := named.(type) {
	case reference.Digested:
		return n.Digest().String()
	case reference.Tagged:
		return n.Tag()
	}
	return "latest"
}
