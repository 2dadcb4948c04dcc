package oci

import (
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/userns"
)

func rootlessHost() *IDHost {
	ids := []userns.Range{{Inside: 0, Outside: 1001, Count: 1}, {Inside: 1, Outside: 100000, Count: 65536}}
	return &IDHost{Rootless: true, UID: 1001, GID: 1001, Namespace: userns.Map{UIDs: ids, GIDs: ids}}
}

func rootHost() *IDHost {
	ids := []userns.Range{{Inside: 0, Outside: 0, Count: 1<<32 - 1}}
	return &IDHost{Namespace: userns.Map{UIDs: ids, GIDs: ids}}
}

func TestUsernsResolve(t *testing.T) {
	for _, tt := range []struct {
		name string
		host *IDHost
		cfg  Config
		want string // of uids; "": none of its own
		err  string
	}{
		{"default", rootHost(), Config{}, "", ""},
		{"host", rootlessHost(), Config{UsernsMode: "host"}, "", ""},
		{"keep-id", rootlessHost(), Config{UsernsMode: "keep-id"}, "0:1:1001 1001:0:1 1002:1002:64535", ""},
		{"keep-id uid", rootlessHost(), Config{UsernsMode: "keep-id:uid=200,gid=210"}, "0:1:200 200:0:1 201:201:65336", ""},
		{"keep-id 0", rootlessHost(), Config{UsernsMode: "keep-id:uid=0,gid=0"}, "0:0:1 1:1:65536", ""},
		{"keep-id beyond", rootlessHost(), Config{UsernsMode: "keep-id:uid=70000,gid=70000"}, "0:1:65536 70000:0:1", ""},
		{"keep-id size", rootlessHost(), Config{UsernsMode: "keep-id:size=10"}, "0:1:10 1001:0:1", ""},
		{"keep-id root", rootHost(), Config{UsernsMode: "keep-id"}, "", "ordinary users"},
		{"keep-id bad", rootlessHost(), Config{UsernsMode: "keep-id:uid=x"}, "", `uid=x: "x" is no id`},
		{"keep-id unknown", rootlessHost(), Config{UsernsMode: "keep-id:foo=1"}, "", "unknown option"},
		{"nomap", rootlessHost(), Config{UsernsMode: "nomap"}, "0:1:65536", ""},
		{"nomap root", rootHost(), Config{UsernsMode: "nomap"}, "", "ordinary users"},
		{"map", rootHost(), Config{UIDMap: []string{"0:100000:65536"}}, "0:100000:65536", ""},
		{"gid map alone", rootHost(), Config{GIDMap: []string{"0:5:10"}}, "0:5:10", ""},
		{"map host id", rootlessHost(), Config{UIDMap: []string{"0:@100005:10"}}, "0:6:10", ""},
		{"map add", rootlessHost(), Config{UIDMap: []string{"+1000:@1001:1"}}, "1:1:999 1000:0:1 1001:1001:64536", "no uid 0"},
		{"map add swap", rootlessHost(), Config{UIDMap: []string{"+u1000:0", "+u0:1000"}, GIDMap: []string{"g0:0:100"}}, "0:1000:1 1:1:999 1000:0:1 1001:1001:64536", ""},
		{"map foreign", rootlessHost(), Config{UIDMap: []string{"0:@5:1"}}, "", "not all of this user's"},
		{"map too far", rootlessHost(), Config{UIDMap: []string{"0:65000:1000"}}, "", "this user has the ids 0-0, 1-65536"},
		{"map overlap", rootHost(), Config{UIDMap: []string{"0:1000:10", "5:2000:10"}}, "", "uid maps overlap: 0:1000:10 and 5:2000:10"},
		{"map no root", rootHost(), Config{UIDMap: []string{"1:1000:10"}}, "", "no uid 0"},
		{"map zero", rootHost(), Config{UIDMap: []string{"0:1000:0"}}, "", "out of range"},
		{"map wraps", rootHost(), Config{UIDMap: []string{"0:4294967290:100"}}, "", "out of range"},
		{"map words", rootHost(), Config{UIDMap: []string{"0"}}, "", "want CONTAINER:FROM"},
		{"both", rootHost(), Config{UsernsMode: "auto", UIDMap: []string{"0:1:1"}}, "", "conflicting options"},
		{"unknown", rootHost(), Config{UsernsMode: "foo"}, "", "--userns: invalid USER mode"},
		{"container", rootHost(), Config{UsernsMode: "container:"}, "", "--userns: invalid USER mode"},
	} {
		u, err := tt.cfg.Userns()
		var m *userns.Map
		if err == nil {
			m, err = u.Resolve(tt.host)
		}
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		if m != nil {
			for _, r := range m.UIDs {
				got = append(got, show(r))
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestFreeRange(t *testing.T) {
	free := []userns.Range{{Inside: 100, Count: 100}, {Inside: 500, Count: 1000}}
	used := []userns.Range{{Outside: 150, Count: 10}, {Outside: 100, Count: 20}, {Outside: 600, Count: 10}}
	for size, want := range map[uint32]uint32{10: 120, 30: 120, 40: 160, 41: 500, 100: 500, 101: 610, 890: 610} {
		if got, err := FreeRange(free, used, size); err != nil || got != want {
			t.Errorf("%d ids: %d, %v, want %d", size, got, err, want)
		}
	}
	if _, err := FreeRange(free, used, 891); err == nil {
		t.Error("891 ids were found")
	}
}

func FuzzUserns(f *testing.F) {
	for _, seed := range []string{"keep-id:uid=1,gid=2,size=3", "auto:size=10,uidmapping=0:1:2", "container:x", "host", "+u1:@2:3", "0:0:4294967295"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, mode, ids string) {
		for _, c := range []Config{{UsernsMode: mode}, {UIDMap: []string{ids, mode}}} {
			u, err := c.Userns()
			if err != nil {
				continue
			}
			for _, h := range []*IDHost{rootHost(), rootlessHost()} {
				if m, err := u.Resolve(h); err == nil && m != nil {
					if err := h.Check(m); err != nil {
						t.Errorf("%q %q: %v", mode, ids, err)
					}
				}
			}
		}
	})
}
