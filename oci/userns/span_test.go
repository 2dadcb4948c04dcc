package userns

import "testing"

func TestSpan(t *testing.T) {
	for name, c := range map[string]struct {
		ranges    []Range
		low, high uint32
		ok        bool
	}{
		"none":             {nil, 0, 0, false},
		"one id":           {[]Range{{0, 1001, 1}}, 0, 0, true},
		"a user's":         {[]Range{{0, 1001, 1}, {1, 100000, 65536}}, 0, 65536, true},
		"a user above":     {[]Range{{0, 200000, 1}, {1, 100000, 65536}}, 1, 65536, true},
		"all":              {[]Range{{0, 0, 4294967295}}, 0, 1<<31 - 1, true},
		"keep-id":          {[]Range{{0, 100000, 1000}, {1000, 1000, 1}, {1001, 101000, 64536}}, 1000, 65536, true},
		"ranges in a heap": {[]Range{{0, 300, 10}, {10, 100, 10}, {20, 200, 10}}, 0, 9, true},
	} {
		low, high, ok := Span(c.ranges)
		if low != c.low || high != c.high || ok != c.ok {
			t.Errorf("%s: %d %d %v, want %d %d %v", name, low, high, ok, c.low, c.high, c.ok)
		}
	}
}
