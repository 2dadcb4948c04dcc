package build

import (
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestFinishDates(t *testing.T) {
	at := func(h int) *time.Time { u := time.Date(2020, 1, 1, h, 0, 0, 0, time.UTC); return &u }
	c := imageConfig{}
	c.History = []v1.History{
		{CreatedBy: "base", Created: at(1)},
		{CreatedBy: "base cmd", Created: at(2), EmptyLayer: true},
		{CreatedBy: "ENV", EmptyLayer: true},
		{CreatedBy: "RUN"},
		{CreatedBy: "LABEL", EmptyLayer: true},
		{CreatedBy: "COPY"},
		{CreatedBy: "CMD", EmptyLayer: true},
	}
	c.finish(1, []time.Time{*at(5), *at(7)})
	for i, want := range []int{1, 2, 5, 5, 5, 7, 7} {
		if got := c.History[i].Created; got == nil || got.Hour() != want {
			t.Errorf("%s: %v, want hour %d", c.History[i].CreatedBy, got, want)
		}
	}
	if c.Created.Hour() != 7 {
		t.Errorf("image created %v", c.Created)
	}
}

// Without a new layer everything is as old as the newest layer of the base image.
func TestFinishDatesWithoutLayers(t *testing.T) {
	base := time.Date(2020, 1, 1, 1, 0, 0, 0, time.UTC)
	c := imageConfig{}
	c.History = []v1.History{{CreatedBy: "base", Created: &base}, {CreatedBy: "ENV", EmptyLayer: true}}
	c.finish(1, nil)
	if c.History[1].Created == nil || !c.History[1].Created.Equal(base) || !c.Created.Equal(base) {
		t.Errorf("history %v, image %v", c.History[1].Created, c.Created)
	}
	epoch := time.Unix(0, 0).UTC()
	dated := imageConfig{epoch: &epoch}
	dated.History = []v1.History{{CreatedBy: "base", Created: &base}}
	dated.commit("RUN x", true)
	dated.finish(1, []time.Time{time.Now()})
	if !dated.Created.Equal(epoch) || !dated.History[0].Created.Equal(base) {
		t.Errorf("SOURCE_DATE_EPOCH: image %v, base %v", dated.Created, dated.History[0].Created)
	}
	empty := scratchConfig()
	empty.finish(0, nil)
	if empty.Created == nil {
		t.Error("an image without layers and history has no date")
	}
}
