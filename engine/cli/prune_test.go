package cli

import (
	"testing"
	"time"
)

func TestFiltersPrunes(t *testing.T) {
	old, labels := time.Now().Add(-2*time.Hour), map[string]string{"a": "1"}
	for _, test := range []struct {
		filters filters
		want    bool
	}{
		{filters{"until": {"nonsense"}}, false},
		{filters{"until": {"1h", "2h"}}, false},
		{filters{"until": {"3h"}}, false},
		{filters{"label": {"b"}}, false},
		{filters{"label": {"a=2"}}, false},
		{filters{"label": {"a", "b"}}, false},
		{filters{"label!": {"a"}}, false},
		{filters{"label!": {"b", "a=1"}}, false},
		{nil, true},
		{filters{"until": {"1h"}}, true},
		{filters{"label": {"a=1"}}, true},
		{filters{"label!": {"a=2"}}, true},
	} {
		if got := test.filters.selects(labels, old); got != test.want {
			t.Errorf("%v: %v, want %v", test.filters, got, test.want)
		}
	}
}

func TestDfRow(t *testing.T) {
	var c dfCount
	c.add(3000, true)
	c.add(1000, false)
	want := dfRow{Active: "1", Reclaimable: "1kB (25%)", Size: "4kB", TotalCount: "2", Type: "Things"}
	if got := c.row("Things"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (dfCount{}).row("None").Reclaimable; got != "0B" {
		t.Errorf("of nothing %q can be reclaimed", got)
	}
}
