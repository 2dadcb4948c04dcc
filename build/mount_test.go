package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci"
)

// mountOf finds what a RUN has mounted at a target.
func mountOf(t *testing.T, r RunSpec, target string) oci.Mount {
	t.Helper()
	for _, m := range r.Config.Mounts {
		if m.Target == target {
			return m
		}
	}
	t.Fatalf("nothing is mounted at %s: %+v", target, r.Config.Mounts)
	return oci.Mount{}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

func TestBindMounts(t *testing.T) {
	w := newWorld(t)
	w.file("src/f", "F")
	w.file("src/sub/g", "G")
	w.file("src/hidden", "H")
	w.file("src/part/in", "I")
	w.file("src/part/out", "O")
	w.file(".dockerignore", "src/hidden\nsrc/part/out\n")
	var got []string
	w.runner.hook = func(r RunSpec) error {
		for _, o := range r.Overlays {
			got = append(got, o.Target+": "+w.list(o.Lower))
			if (o.Upper == "") != o.ReadOnly || o.ReadOnly && len(o.Lower) < 2 {
				t.Errorf("overlay %+v", o)
			}
		}
		for _, m := range r.Config.Mounts {
			if fi, err := os.Stat(m.Source); err == nil && fi.IsDir() {
				got = append(got, m.Target+": "+w.list([]string{m.Source}))
			} else {
				got = append(got, m.Target+": "+read(t, m.Source))
			}
			if !m.ReadOnly && m.Type == oci.MountBind {
				t.Errorf("%s can be written", m.Target)
			}
		}
		return nil
	}
	for _, c := range []struct{ name, dockerfile, want string }{
		{"a directory", "FROM scratch\nRUN --mount=source=src/sub,target=/m x\n", "/m: g=G"},
		{"without what is ignored", "FROM scratch\nRUN --mount=source=src,target=/m x\n", "/m: f=F part/in=I sub/g=G"},
		{"to be written", "FROM scratch\nRUN --mount=source=src/sub,target=/m,rw x\n", "/m: g=G"},
		{"a file", "FROM scratch\nRUN --mount=source=src/f,target=/m x\n", "/m: F"},
		{"a relative target", "FROM scratch\nWORKDIR /w\nRUN --mount=source=src/f,target=m x\n", "/w/m: F"},
		{"a stage's directory", "FROM scratch AS a\nCOPY src/sub /d\nFROM scratch\nRUN --mount=from=a,source=/d,target=/m x\n", "/m: g=G"},
		{"of two layers", "FROM scratch AS a\nCOPY src/sub /d\nCOPY src/f /d/\nFROM scratch\nRUN --mount=from=a,source=/d,target=/m x\n", "/m: f=F g=G"},
		{"scratch", "FROM scratch\nRUN --mount=from=scratch,target=/m x\n", "/m: "},
		{"an empty stage", "FROM scratch AS a\nFROM scratch\nRUN --mount=from=a,target=/m x\n", "/m: "},
	} {
		got = nil
		w.must(c.dockerfile, func(o *Options) { o.NoCache = true })
		if !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	_, err := w.build("FROM scratch\nRUN --mount=source=src/hidden,target=/m x\n")
	if err == nil || !strings.HasSuffix(err.Error(), `"/src/hidden": not found`) {
		t.Errorf("an ignored file: %v", err)
	}
	_, err = w.build("FROM scratch\nRUN --mount=source=src/*,target=/m x\n")
	if err == nil || !strings.HasSuffix(err.Error(), `"/src/*": not found`) {
		t.Errorf("a wildcard: %v", err)
	}
}

// A link of the stage's that leads out of it must not be followed on the host (CVE-2024-1753).
func TestBindMountStaysInside(t *testing.T) {
	w := newWorld(t)
	must(t, os.MkdirAll(filepath.Join(w.ctx, "d"), 0o755))
	must(t, os.Symlink("/", filepath.Join(w.ctx, "d/rootdir")))
	must(t, os.Symlink("/etc", filepath.Join(w.ctx, "d/etc")))
	w.must("FROM scratch AS a\nCOPY d /\nFROM scratch\nRUN --mount=from=a,source=/rootdir,target=/m x\n")
	src := mountOf(t, w.runner.runs[0], "/m").Source
	if !strings.HasPrefix(src, w.root) {
		t.Errorf("mounted %s", src)
	}
	if _, err := w.build("FROM scratch AS a\nCOPY d /\nFROM scratch\nRUN --mount=from=a,source=/etc/passwd,target=/m x\n"); err == nil {
		t.Error("the host's passwd was found")
	}
}

func TestMountedContentIsInTheKey(t *testing.T) {
	w := newWorld(t)
	w.file("f", "1")
	w.file("other", "1")
	for _, df := range []string{
		"FROM scratch\nRUN --mount=source=f,target=/m write /x 1\n",
		"FROM scratch AS a\nCOPY . /c/\nFROM scratch\nRUN --mount=from=a,source=/c/f,target=/m write /x 1\n",
	} {
		w.runner.runs = nil
		w.file("f", "1")
		w.must(df)
		w.must(df)
		w.file("other", df)
		w.must(df)
		if n := len(w.runner.runs); n != 1 {
			t.Errorf("%s: %d runs", df, n)
		}
		w.file("f", "2")
		w.must(df)
		if n := len(w.runner.runs); n != 2 {
			t.Errorf("%s: %d runs after a change", df, n)
		}
	}
}

func TestCacheMounts(t *testing.T) {
	w := newWorld(t)
	w.runner.hook = func(r RunSpec) error {
		m := mountOf(t, r, "/c")
		return os.WriteFile(filepath.Join(m.Source, "n"), []byte(read2(filepath.Join(m.Source, "n"))+"x"), 0o644)
	}
	source := func() string { return mountOf(t, w.runner.runs[len(w.runner.runs)-1], "/c").Source }
	w.must("FROM scratch\nRUN --mount=type=cache,target=/c a\n")
	first := source()
	w.must("FROM scratch\nRUN --mount=type=cache,target=/c b\n")
	if read(t, filepath.Join(first, "n")) != "xx" || source() != first {
		t.Error("the cache is not kept")
	}
	w.must("FROM scratch\nRUN --mount=type=cache,target=/c,id=other,mode=0700 a\n")
	if source() == first {
		t.Error("another id has the same directory")
	}
	if fi, err := os.Stat(source()); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode: %v %v", fi, err)
	}
	w.must("FROM scratch\nRUN --mount=type=cache,target=/c,id=../../../../x,sharing=locked a\n")
	if dir := source(); filepath.Dir(filepath.Dir(dir)) != filepath.Join(w.root, "build/v1/mnt") {
		t.Errorf("the id leads to %s", dir)
	}
	w.must("FROM scratch\nRUN --mount=type=cache,target=/c,sharing=private y\n")
	runs := len(w.runner.runs)
	w.must("FROM scratch\nRUN --mount=type=cache,target=/c a\n")
	if len(w.runner.runs) != runs {
		t.Error("what the cache holds counts")
	}
}

func read2(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

func TestSecretsAndScripts(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "s")
	must(t, os.WriteFile(file, []byte("hush"), 0o600))
	secrets := func(o *Options) { o.Secrets = map[string]Secret{"s": {Path: file}, "e": {Env: "HOY_TEST_SECRET"}} }
	t.Setenv("HOY_TEST_SECRET", "env-hush")
	w.runner.hook = func(r RunSpec) error {
		m := mountOf(t, r, "/run/secrets/s")
		fi, err := os.Stat(m.Source)
		if err != nil || fi.Mode().Perm() != 0o440 || read(t, m.Source) != "hush" || !m.ReadOnly {
			t.Errorf("secret: %+v %v %v", m, fi, err)
		}
		if !slices.Contains(r.Config.Env, "TOKEN=env-hush") {
			t.Errorf("env %q", r.Config.Env)
		}
		return nil
	}
	df := "FROM scratch\nRUN --mount=type=secret,id=s,mode=0440 --mount=type=secret,id=e,env=TOKEN --mount=type=secret,id=optional say $TOKEN\n"
	img := w.must(df, secrets)
	if all := strings.Join(append(history(img), w.out.String()), " "); strings.Contains(all, "hush") {
		t.Errorf("the secret is in %s", all)
	}
	must(t, os.WriteFile(file, []byte("changed"), 0o600))
	if w.must(df, secrets); len(w.runner.runs) != 1 {
		t.Error("a secret's value counts")
	}
	w.runner.hook = func(r RunSpec) error {
		m := mountOf(t, r, "/dev/pipes")
		if read(t, filepath.Join(m.Source, "EOF")) != "#!/bin/x\nhi\n" || r.Config.Cmd[2] != "/dev/pipes/EOF" {
			t.Errorf("script: %+v %q", m, r.Config.Cmd)
		}
		return nil
	}
	w.must("FROM scratch\nRUN <<EOF\n#!/bin/x\nhi\nEOF\n")
}

func TestTmpfsAndNetwork(t *testing.T) {
	w := newWorld(t)
	w.must("FROM scratch\nRUN --mount=type=tmpfs,target=/t,size=1m --network=none x\nRUN --network=host y\nRUN z\n", func(o *Options) { o.Network = "none" })
	m := mountOf(t, w.runner.runs[0], "/t")
	if m.Type != oci.MountTmpfs || !slices.Equal(m.Options, []string{"size=1048576"}) {
		t.Errorf("tmpfs %+v", m)
	}
	for i, want := range []string{"none", "host", "none"} {
		if got := w.runner.runs[i].Config.Network; got != want {
			t.Errorf("RUN %d: network %s", i, got)
		}
	}
}
