package bundle

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestWrites has the limits that are set without the whole program, and some that are not.
func TestWrites(t *testing.T) {
	const deny = `{"allow": false, "access": "rwm"}`
	for _, c := range []struct{ devices, rest, want string }{
		{deny, ``, "devices.deny=a devices.allow=c *:* m"},
		{deny + `, {"allow": true, "type": "c", "major": 10, "access": "r"}`, ``, "devices.deny=a devices.allow=c 10:* r devices.allow=c *:* m"},
		{deny, `, "pids": {"limit": 5}`, "devices.allow=c 136:* rwm pids.max=5"},
		{deny, `, "memory": {"limit": 1000, "swap": 2000}`, "memory.limit_in_bytes=1000 memory.memsw.limit_in_bytes=2000"},
		{deny, `, "cpu": {"shares": 2, "quota": 1, "cpus": "0-1"}, "blockIO": {}`, "cpu.shares=2 cpu.cfs_quota_us=1 cpuset.cpus=0-1"},
		{deny + `, {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"}`, ``, "devices.deny=a devices.allow=c *:* m"},
		{`{"allow": true, "access": "rwm"}`, ``, ""},
		{`{"allow": false, "type": "c", "access": "rwm"}`, ``, ""},
		{`{"allow": false, "access": "rw"}`, ``, ""},
		{deny + `, {"allow": true, "type": "c", "major": 1, "access": "r"}, {"allow": false, "type": "c", "major": 1, "minor": 3, "access": "r"}`, ``, ""},
		{deny, `, "pids": {"limit": 0}`, ""},
		{deny, `, "pids": {"limit": -1}`, ""},
		{deny, `, "memory": {"limit": -1}`, ""},
		{deny, `, "memory": {"limit": 1000, "swappiness": 0}`, ""},
		{deny, `, "cpu": {"shares": 1}`, ""},
		{deny, `, "cpu": {"quota": -1}`, ""},
		{deny, `, "cpu": {"realtimePeriod": 1}`, ""},
		{deny, `, "blockIO": {"weight": 10}`, ""},
		{deny, `, "unified": {"memory.high": "1"}`, ""},
		{deny, `, "hugepageLimits": [{"pageSize": "2MB", "limit": 1}]`, ""},
	} {
		var r specs.LinuxResources
		if err := json.Unmarshal([]byte(`{"devices": [`+c.devices+`]`+c.rest+`}`), &r); err != nil {
			t.Fatal(err)
		}
		list, ok := writes(&r)
		var got []string
		for _, w := range list {
			got = append(got, w[0]+"="+w[1])
		}
		if said := strings.Join(got, " "); ok != (c.want != "") || ok && !strings.Contains(said, c.want) {
			t.Errorf("%s%s: %s, %v", c.devices, c.rest, said, ok)
		}
	}
}
