package storage

import (
	"fmt"
	"io"
	"sync"

	"go.podman.io/image/v5/types"
)

// progress writes what `docker pull` writes where there is no terminal.
type progress struct {
	mu     sync.Mutex
	w      io.Writer
	layers map[string]bool // the short digests of layers that are being fetched
}

func newProgress(w io.Writer) *progress { return &progress{w: w, layers: map[string]bool{}} }

func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// begin notes which blobs are layers: nothing is said of the config.
func (p *progress) begin(img *peeked) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
	digest := e.Artifact.Digest.String()
	p.mu.Lock()
	_, layer := p.layers[digest]
	p.mu.Unlock()
	if !layer {
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
		p.mu.Lock()
		p.layers[digest] = true
		p.mu.Unlock()
	}
}

// end says that the layers that were fetched are in their place, and what the image is.
func (p *progress) end(img *peeked) {
	for _, l := range img.layers {
		if p.layers[l.Digest.String()] {
			p.line("%s: Pull complete", short(l.Digest.Encoded()))
			p.layers[l.Digest.String()] = false
		}
	}
	p.line("Digest: %s", img.listDigest)
}
