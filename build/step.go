package build

import (
	"context"
	"errors"
	"sync"
	"time"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/progress"
	"codeberg.org/hoy/hoy/storage"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// step is one node of the graph: an operation on the root file system that its parent gives.
type step struct {
	show     *progress.Step
	text     string // the instruction
	location []parser.Range
	parent   *step // nil: an empty root
	op       operation
	isImage  bool // it stands for a base image, and is done

	once   sync.Once
	result *result
	err    error
}

// operation is what a step does. Its methods are called one after the other, in the order they have here, prepare while other steps are
// still being made.
type operation interface {
	// inputs are the steps beside the parent whose files it reads; nil is an empty root.
	inputs() []*step
	// prepare names what comes from outside the graph: the context's files, downloads.
	prepare(ctx context.Context, x *executor) error
	// quickKey is a key made of the identities of the inputs alone; "" when there is none that the key would not have too.
	quickKey(in *inputs) (string, error)
	// key names everything that the operation consumes, files by their content.
	key(ctx context.Context, x *executor, in *inputs) (string, error)
	// run writes the layer into the stage.
	run(ctx context.Context, x *executor, in *inputs, to *storage.Stage) error
	// again says that --no-cache makes the operation be done again though a layer of its key is there.
	again() bool
}

// inputs are the results that an operation consumes.
type inputs struct {
	step   *step
	parent *result
	others []*result // as operation.inputs orders them
}

// result is a root file system that a step gave.
type result struct {
	id      string           // its identity: what it was made from, by content. The keys of what is done with it are made of it
	top     string           // its top layer's id; "" for an empty root
	lower   []string         // its diff directories, top first
	image   *storage.Image   // the base image at its bottom; nil for scratch
	layers  []*storage.Layer // above the base image, bottom first
	created []time.Time      // of each of layers
}

// imageResult is the root file system of an image: its identity is its layers' digests, which the store has verified.
func imageResult(img *storage.Image) (*result, error) {
	r := &result{image: img, lower: img.Layers}
	if len(img.LayerIDs) > 0 {
		r.top = img.LayerIDs[0]
	}
	var err error
	r.id, err = cache.Key("base", struct {
		DiffIDs           []string
		OS, Arch, Variant string
	}{img.DiffIDs, img.Config.OS, img.Config.Architecture, img.Config.Variant})
	return r, err
}

// emptyResult is the root file system of `FROM scratch`.
func emptyResult() *result { return &result{id: "scratch"} }

// above is the root file system with one more layer.
func (r *result) above(l *storage.Layer, id string, created time.Time) *result {
	return &result{
		id:      id,
		top:     l.ID,
		lower:   append([]string{l.Dir}, r.lower...),
		image:   r.image,
		layers:  append(append([]*storage.Layer(nil), r.layers...), l),
		created: append(append([]time.Time(nil), r.created...), created),
	}
}

// errNotRecorded marks a layer that is whole but is not what its key says.
var errNotRecorded = errors.New("not to be recorded")
