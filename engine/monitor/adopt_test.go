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

func TestProgramMapping(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-00dfa000 r-xp 00000000 fe:00 123                                /usr/bin/hoy\n": true,
		"00dfa000-01896000 r--p 009fa000 fe:00 123                                /usr/bin/hoy\n": true,
		"01896000-01930000 rw-p 01496000 fe:00 123                                /usr/bin/hoy\n": false,
		"7fff12f85000-7fff12fa6000 rw-p 00000000 00:00 0                          [stack]\n":      false,
		"7f0000000000-7f0000001000 r--p 00000000 00:00 0 \n":                                      false,
		"": false,
	} {
		start, size, ok := programMapping(line, "/usr/bin/hoy")
		if ok != want || ok && (size == 0 || start%4096 != 0) {
			t.Errorf("%q: %x %x %v", line, start, size, ok)
		}
	}
}
