package cdi

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
)

const sample = `
cdiVersion: "0.6.0"
kind: vendor.com/net
containerEdits:
  env: [ALL=1]
devices:
- name: null0
  containerEdits:
    env: [ONE=1]
    deviceNodes:
    - path: /dev/mine
      hostPath: /dev/null
      permissions: rw
    mounts:
    - {hostPath: /etc/hostname, containerPath: /given, options: [ro, nosuid, bind, rprivate]}
    additionalGids: [0, 44]
- name: hooked
  containerEdits:
    hooks: [{hookName: never, path: /usr/bin/hook}]
`

func registry(t *testing.T, files map[string]string) *Registry {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Read([]string{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "none")})
}

func TestApply(t *testing.T) {
	r := registry(t, map[string]string{"a/vendor.yaml": sample})
	c := oci.Config{Env: []string{"HAVE=1"}}
	if err := r.Apply(&c, []string{"vendor.com/net=null0"}); err != nil {
		t.Fatal(err)
	}
	want := oci.Config{
		Env:      []string{"HAVE=1", "ALL=1", "ONE=1"},
		Devices:  []oci.Device{{Source: "/dev/null", Target: "/dev/mine", Permissions: "rw"}},
		Mounts:   []oci.Mount{{Type: oci.MountBind, Source: "/etc/hostname", Target: "/given", ReadOnly: true, NonRecursive: true, Propagation: "rprivate", Options: []string{"nosuid"}}},
		GroupAdd: []string{"44"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v", c)
	}
}

// TestOnce: what a file says of all its devices is needed once, and before what it says of any.
func TestOnce(t *testing.T) {
	r := registry(t, map[string]string{"a/v.yaml": `
cdiVersion: "0.6.0"
kind: v.com/x
containerEdits:
  mounts: [{hostPath: /etc/hostname, containerPath: /given}]
  hooks: [{hookName: createContainer, path: /all, args: [all, x], env: [A=1], timeout: 3}, {hookName: poststop, path: /end}]
devices:
- {name: "0", containerEdits: {hooks: [{hookName: createContainer, path: /zero}]}}
- {name: "1", containerEdits: {hooks: [{hookName: createContainer, path: /one}]}}
`})
	var c oci.Config
	if err := r.Apply(&c, []string{"v.com/x=1", "v.com/x=0", "v.com/x=1"}); err != nil {
		t.Fatal(err)
	}
	three := 3
	want := &specs.Hooks{
		CreateContainer: []specs.Hook{{Path: "/all", Args: []string{"all", "x"}, Env: []string{"A=1"}, Timeout: &three}, {Path: "/one"}, {Path: "/zero"}},
		Poststop:        []specs.Hook{{Path: "/end"}},
	}
	if len(c.Mounts) != 1 || !reflect.DeepEqual(c.Hooks, want) {
		t.Errorf("%d mounts, hooks %+v", len(c.Mounts), c.Hooks)
	}
	if data, err := json.Marshal(c); err != nil || strings.Contains(string(data), "/one") {
		t.Errorf("hooks are stored: %s, %v", data, err)
	}
}

func TestErrors(t *testing.T) {
	r := registry(t, map[string]string{
		"a/vendor.yaml": sample,
		"a/twice.json":  `{"cdiVersion":"1.0.0","kind":"v.com/x","devices":[{"name":"d","containerEdits":{}}]}`,
		"a/twice2.json": `{"cdiVersion":"1.0.0","kind":"v.com/x","devices":[{"name":"d","containerEdits":{}}]}`,
		"a/new.json":    `{"cdiVersion":"9.0.0","kind":"v.com/new","devices":[{"name":"d"}]}`,
		"a/bad.yaml":    "{",
	})
	for name, want := range map[string]string{
		"vendor.com/net=none":   "CDI device injection failed: unresolvable CDI devices vendor.com/net=none",
		"v.com/x=d":             "unresolvable CDI devices v.com/x=d", // two files of one directory say different things
		"v.com/new=d":           `unknown cdiVersion "9.0.0"`,
		"vendor.com/net=hooked": `unknown hook name "never"`,
	} {
		if err := r.Apply(new(oci.Config), []string{name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	later := registry(t, map[string]string{
		"a/x.json": `{"cdiVersion":"1.0.0","kind":"v.com/x","devices":[{"name":"d","containerEdits":{"env":["V=a"]}}]}`,
		"b/x.json": `{"cdiVersion":"1.0.0","kind":"v.com/x","devices":[{"name":"d","containerEdits":{"env":["V=b"]}}]}`,
	})
	var c oci.Config
	if err := later.Apply(&c, []string{"v.com/x=d"}); err != nil || !reflect.DeepEqual(c.Env, []string{"V=b"}) {
		t.Errorf("%v %v: the later directory wins", c.Env, err)
	}
}

func TestGPUs(t *testing.T) {
	gpus := registry(t, map[string]string{"a/n.json": `{"cdiVersion":"1.0.0","kind":"nvidia.com/gpu","devices":[{"name":"all","containerEdits":{}}]}`})
	for value, want := range map[string]string{
		"all": "all", "2": "0 1", "device=0": "0", `"device=0,GPU-1"`: "0 GPU-1", "count=1,capabilities=utility": "0", "driver=nvidia": "all",
	} {
		got, err := gpus.GPUs(value)
		if words := strings.ReplaceAll(strings.Join(got, " "), "nvidia.com/gpu=", ""); err != nil || words != want {
			t.Errorf("%s: %q %v", value, words, err)
		}
	}
	for value, want := range map[string]string{"x": "invalid count (x)", "0": "invalid count (0)", "foo=1": "unexpected key 'foo'"} {
		if _, err := gpus.GPUs(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
	if _, err := Read(nil).GPUs("all"); err != errNoGPU {
		t.Error(err)
	}
}
