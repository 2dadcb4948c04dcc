package engine

import (
	"encoding/json"
	"testing"

	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/oci"
)

// What is known of a container's device filter before anything else is known is still so when all is.
func TestDefaultGuard(t *testing.T) {
	host, err := oci.ReadHost(false)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := oci.Spec(&oci.Config{Cmd: []string{"true"}}, oci.SpecOptions{Host: host, Device: devicesAt})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := json.Marshal(spec.Linux.Resources.Devices)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := group.GuardDir("", rules)
	if got, _ := group.DefaultGuard(""); got != want {
		t.Errorf("%s instead of %s", got, want)
	}
}
