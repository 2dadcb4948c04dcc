package cli

import (
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/oci"
)

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		st   engine.State
		want string
	}{
		{engine.State{Status: engine.StatusCreated}, "Created"},
		{engine.State{Status: engine.StatusRunning, StartedAt: now.Add(-3 * time.Second)}, "Up 3 seconds"},
		{engine.State{Status: engine.StatusRunning, StartedAt: now.Add(-70 * time.Second)}, "Up About a minute"},
		{engine.State{Status: engine.StatusExited, ExitCode: 3, FinishedAt: now.Add(-2 * time.Hour)}, "Exited (3) 2 hours ago"},
		{engine.State{Status: engine.StatusExited}, ""},
		{engine.State{Status: engine.StatusRemoving}, "Removal In Progress"},
		{engine.State{Status: engine.StatusDead}, "Dead"},
	} {
		if got := statusText(c.st, now); got != c.want {
			t.Errorf("%v: %q, want %q", c.st.Status, got, c.want)
		}
	}
}

// containers are three, the newest first.
func containers() []*engine.Container {
	at := func(minutes int) time.Time { return time.Now().Add(-time.Duration(minutes) * time.Minute) }
	return []*engine.Container{
		{
			Config: oci.Config{
				ID: "aa" + strings.Repeat("0", 62), Name: "web", Created: at(1), Image: "nginx:1@sha256:" + strings.Repeat("b", 64),
				Entrypoint: []string{"/docker-entrypoint.sh"}, Cmd: []string{"nginx", "-g", "daemon off;"}, Ports: []string{"80/tcp"},
				Labels: map[string]string{"b": "2", "a": "1"}, Network: "host",
				Mounts: []oci.Mount{{Type: oci.MountVolume, Source: "data", Target: "/d"}, {Type: oci.MountTmpfs, Target: "/t"}, {Type: oci.MountBind, Source: "/a/very/long/path", Target: "/b"}},
			},
			State: engine.State{Status: engine.StatusRunning, StartedAt: at(1)},
		},
		{
			Config: oci.Config{ID: "ab" + strings.Repeat("0", 62), Name: "job", Created: at(5), Image: "busybox", Cmd: []string{"true"}, ImageID: strings.Repeat("c", 64)},
			State:  engine.State{Status: engine.StatusExited, ExitCode: 3, FinishedAt: at(4)},
		},
		{
			Config: oci.Config{ID: "ac" + strings.Repeat("0", 62), Name: "webcache", Created: at(9), Image: "localhost:5000/cache:2", Cmd: []string{"serve"}, Labels: map[string]string{"a": "2"}},
			State:  engine.State{Status: engine.StatusCreated},
		},
	}
}

func TestPsFilters(t *testing.T) {
	for _, c := range []struct{ filter, want string }{
		{"status=frob", "invalid filter 'status=frob'"},
		{"exited=x", "invalid filter 'exited=x'"},
		{"name=(", "invalid filter 'name=(': error parsing regexp: missing closing ): `(`"},
		{"name=web", "web webcache"},
		{"name=^web$", "web"},
		{"name=^/web$", "web"},
		{"name=web name=job", "web job webcache"},
		{"id=ab", "job"},
		{"label=a", "web webcache"},
		{"label=a=1", "web"},
		{"label=a label=b=2", "web"},
		{"exited=3", "job"},
		{"exited=0", ""},
		{"status=created status=exited", "job webcache"},
		{"ancestor=busybox", "job"},
		{"ancestor=busybox:latest", "job"},
		{"ancestor=docker.io/library/busybox", "job"},
		{"ancestor=cccc", "job"},
		{"ancestor=localhost:5000/cache:2", "webcache"},
		{"volume=data", "web"},
		{"volume=/b", "web"},
		{"network=host", "web"},
		{"network=bridge", "job webcache"},
		{"name=web label=a=2", "webcache"},
	} {
		var f filters
		for _, one := range strings.Fields(c.filter) {
			if err := f.set(one, psFilters); err != nil {
				t.Fatal(err)
			}
		}
		list, err := f.containers(nil, containers())
		var names []string
		for _, ctr := range list {
			names = append(names, ctr.Name())
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.filter, got, c.want)
		}
	}
}

func TestPsRow(t *testing.T) {
	for _, c := range []struct {
		format, want string
		short        bool
	}{
		{"", "CONTAINER ID   IMAGE     COMMAND                  CREATED              STATUS              PORTS     NAMES\n" +
			`aa0000000000   nginx:1   "/docker-entrypoint.…"   About a minute ago   Up About a minute   80/tcp    web` + "\n", true},
		{"{{.Command}}", `"/docker-entrypoint.sh nginx -g daemon off;"` + "\n", false},
		{"{{.ID}}", "aa" + strings.Repeat("0", 62) + "\n", false},
		{`{{.Labels}} {{.Label "a"}}`, "a=1,b=2 1\n", true},
		{"{{.Mounts}} {{.LocalVolumes}} {{.Networks}} {{.State}}", "data,/a/very/long/p… 1 host running\n", true},
	} {
		var b strings.Builder
		rows := []psRow{newPsRow(containers()[0], nil, c.short)}
		if err := format.Write(&b, psTable, psTable.Template(c.format, false), rows); err != nil || b.String() != c.want {
			t.Errorf("%q: %v\n%q, want\n%q", c.format, err, b.String(), c.want)
		}
	}
}
