package storage

import "testing"

func TestVolumeOptions(t *testing.T) {
	for _, test := range []struct {
		options map[string]string
		ok      bool
	}{
		{map[string]string{"size": "1g"}, false},
		{map[string]string{"o": "bind"}, false},
		{map[string]string{"type": "none", "o": "bind"}, false},
		{map[string]string{"device": "/d", "o": "bind"}, false},
		{map[string]string{"type": "none", "device": "/d"}, false},
		{map[string]string{"type": "tmpfs"}, false},
		{map[string]string{"type": "none", "device": "d", "o": "bind"}, false},
		{map[string]string{"type": "none", "device": "/d", "o": "bind,noexec"}, false},
		{nil, true},
		{map[string]string{"type": "tmpfs", "device": "tmpfs"}, true},
		{map[string]string{"type": "nfs", "device": ":/x", "o": "addr=1.2.3.4"}, true},
		{map[string]string{"type": "none", "device": "/d", "o": "bind"}, true},
		{map[string]string{"type": "bind", "device": "/d", "o": "rbind,ro"}, true},
	} {
		if err := checkVolumeOptions(test.options); (err == nil) != test.ok {
			t.Errorf("%v: %v", test.options, err)
		}
	}
}
