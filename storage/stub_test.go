package storage

import (
	"encoding/json"
	"testing"

	"github.com/acarl005/stripansi"
	"github.com/docker/distribution/registry/api/errcode"
)

// TestRegistryErrors: what stands in for the library's error codes reads a registry's answers as that does.
func TestRegistryErrors(t *testing.T) {
	for _, tt := range []struct{ answer, want string }{
		{`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, "manifest unknown"},
		{`{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, "manifest unknown"},
		{`{"errors":[{"code":"DENIED","message":"no"}]}`, "denied: no"},
		{`{"errors":[{"code":"DENIED","detail":{"a":1}}]}`, "denied: requested access to the resource is denied"},
		{`{"errors":[{"code":"OF_TOMORROW","message":"m"},{"code":"NAME_UNKNOWN"}]}`, "errors:\nunknown: m\nname unknown\n"},
		{`{"errors":[]}`, "<nil>"},
		{`{}`, "<nil>"},
	} {
		var list errcode.Errors
		if err := json.Unmarshal([]byte(tt.answer), &list); err != nil || list.Error() != tt.want {
			t.Errorf("%s: %q, %v", tt.answer, list.Error(), err)
		}
	}
	var list errcode.Errors
	if json.Unmarshal([]byte(`{"errors":1}`), &list) == nil {
		t.Error("no error")
	}
}

func TestStripANSI(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain": "plain", "\x1b[1;31mred\x1b[0m": "red", "a\x1b[2Kb": "ab", "a\x1b[12": "a", "[x]": "[x]",
	} {
		if got := stripansi.Strip(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
