package monitor

import (
	"strings"
	"testing"
)

func TestZombieStatus(t *testing.T) {
	stat := func(state, start, code string) string {
		fields := strings.Split(strings.Repeat("0 ", 50), " ")[:50]
		fields[0], fields[19], fields[49] = state, start, code
		return "17 (a ) Z (b) " + strings.Join(fields, " ") + "\n"
	}
	for _, test := range []struct {
		name, stat string
		code       int
		ok         bool
	}{
		{"nothing", "", 0, false},
		{"short", "17 (a) Z 1 2 3", 0, false},
		{"alive", stat("S", "500", "0"), 0, false},
		{"another", stat("Z", "501", "256"), 0, false},
		{"exited", stat("Z", "500", "2304"), 9, true},
		{"killed", stat("Z", "500", "9"), 137, true},
		{"dumped", stat("Z", "500", "139"), 139, true},
	} {
		w, ok := zombieStatus([]byte(test.stat), 500)
		if ok != test.ok || ok && exitStatus(w).Code != test.code {
			t.Errorf("%s: %v, %v", test.name, exitStatus(w), ok)
		}
	}
}
