package ahead

import (
	"strings"
	"testing"
)

func TestForeground(t *testing.T) {
	for _, tt := range []struct {
		line, network string
		ok            bool
	}{
		{"run img", "", true},
		{"container run --rm img sh -c -d", "", true},
		{"--root /r run --rm --network none img true", "none", true},
		{"run --network=none --name=a -eA=1 -v/a:/b -w /x -i img", "none", true},
		{"run --net host -- img", "host", true},
		{"run --name", "", false},
		{"run", "", false},
		{"run --help", "", false},
		{"run -d img", "", false},
		{"run -it img", "", false},
		{"run --rm=false img", "", false},
		{"run --pid host img", "", false},
		{"run -m 1g img", "", false},
		{"create img", "", false},
		{"build .", "", false},
		{"", "", false},
	} {
		if network, ok := foreground(strings.Fields(tt.line)); ok != tt.ok || network != tt.network && ok {
			t.Errorf("%q: %q, %v", tt.line, network, ok)
		}
	}
}
