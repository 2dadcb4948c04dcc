package oci

import (
	"reflect"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestMergeImage(t *testing.T) {
	none := struct{}{}
	img := &v1.ImageConfig{
		User: "web", Env: []string{"PATH=/bin", "A=1", "BAD"}, Entrypoint: []string{"/entry"}, Cmd: []string{"serve"},
		WorkingDir: "/srv", StopSignal: "SIGQUIT", Labels: map[string]string{"a": "image", "b": "image"},
		ExposedPorts: map[string]struct{}{"80": none, "53/udp": none},
		Volumes:      map[string]struct{}{"/data": none, "/cache/": none, "../../etc": none, "/link/..": none, "/own": none},
	}
	empty := Config{}
	empty.MergeImage(img)
	volume := func(target string) Mount { return Mount{Type: MountVolume, Target: target, Anonymous: true} }
	want := Config{
		User: "web", Env: []string{"PATH=/bin", "A=1"}, Entrypoint: []string{"/entry"}, Cmd: []string{"serve"}, WorkingDir: "/srv",
		StopSignal: "SIGQUIT", Labels: map[string]string{"a": "image", "b": "image"}, Ports: []string{"53/udp", "80/tcp"},
		Mounts: []Mount{volume("/etc"), volume("/cache"), volume("/data"), volume("/own")},
	}
	if !reflect.DeepEqual(empty, want) {
		t.Errorf("got %+v", empty)
	}
	full := Config{
		User: "0", Env: []string{"A=2", "PATH", "C=3"}, Cmd: []string{"sh"}, WorkingDir: "/", StopSignal: "SIGINT",
		Labels: map[string]string{"a": "user"}, Ports: []string{"80/tcp", "443/tcp"},
		Mounts: []Mount{{Type: MountTmpfs, Target: "/own"}},
	}
	full.MergeImage(img)
	want = Config{
		User: "0", Env: []string{"A=2", "C=3"}, Entrypoint: []string{"/entry"}, Cmd: []string{"sh"}, WorkingDir: "/", StopSignal: "SIGINT",
		Labels: map[string]string{"a": "user", "b": "image"}, Ports: []string{"443/tcp", "53/udp", "80/tcp"},
		Mounts: []Mount{{Type: MountTmpfs, Target: "/own"}, volume("/etc"), volume("/cache"), volume("/data")},
	}
	if !reflect.DeepEqual(full, want) {
		t.Errorf("got %+v", full)
	}
	if img.Labels["a"] != "image" {
		t.Error("the image's labels were changed")
	}
}

func TestMergeImageCommand(t *testing.T) {
	img := &v1.ImageConfig{Entrypoint: []string{"e"}, Cmd: []string{"c"}}
	for _, c := range []struct {
		entrypoint, cmd, wantEntrypoint, wantCmd []string
	}{
		{nil, nil, []string{"e"}, []string{"c"}},
		{nil, []string{"x"}, []string{"e"}, []string{"x"}},
		{[]string{"x"}, nil, []string{"x"}, nil},
		{[]string{"x"}, []string{"y"}, []string{"x"}, []string{"y"}},
		{[]string{""}, nil, nil, nil},
		{[]string{""}, []string{"y"}, nil, []string{"y"}},
	} {
		cfg := Config{Entrypoint: c.entrypoint, Cmd: c.cmd}
		cfg.MergeImage(img)
		if !reflect.DeepEqual(cfg.Entrypoint, c.wantEntrypoint) || !reflect.DeepEqual(cfg.Cmd, c.wantCmd) {
			t.Errorf("%q %q: got %q %q", c.entrypoint, c.cmd, cfg.Entrypoint, cfg.Cmd)
		}
	}
}
