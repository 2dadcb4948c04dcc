package monitor

import (
	"strconv"
	"testing"
	"time"
)

// What a slow log does not take in time is lost, the newest first; the rest comes in order.
func TestRing(t *testing.T) {
	var got []string
	lost := 0
	hold := make(chan struct{})
	r := newRing(10, func(lines []ringLine, n int) {
		<-hold
		for _, l := range lines {
			got = append(got, string(l.text))
		}
		lost += n
	})
	line := []byte("0\n")
	for i := range 9 {
		line[0] = byte('0' + i)
		r.put(Stdout, line, time.Now())
	}
	close(hold)
	if !r.close() {
		t.Fatal("it is not done")
	}
	r.put(Stdout, line, time.Now())
	if len(got) != 5 || lost != 4 {
		t.Errorf("%q, %d lost", got, lost)
	}
	for i, l := range got {
		if l != strconv.Itoa(i)+"\n" {
			t.Errorf("line %d is %q", i, l)
		}
	}
}

// A line that is larger than all of it is taken when it is empty.
func TestRingOfALongLine(t *testing.T) {
	got := 0
	r := newRing(3, func(lines []ringLine, _ int) { got += len(lines) })
	r.put(Stdout, []byte("longer"), time.Now())
	r.close()
	if got != 1 {
		t.Errorf("%d lines", got)
	}
}
