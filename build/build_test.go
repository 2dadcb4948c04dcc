package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"codeberg.org/hoy/hoy/storage"
)

func TestBuildTwoStages(t *testing.T) {
	w := newWorld(t)
	w.file("src/a", "A")
	w.file("src/sub/b", "B")
	w.file("ignored", "no")
	w.file(".dockerignore", "ignored\nDockerfile\n")
	img := w.must(`FROM scratch AS one
COPY . /ctx/
RUN write /made/by-run hello world

FROM scratch
ENV GREETING=hi NAME="a b"
WORKDIR /app
COPY --from=one /ctx/src /made ./
USER 1000:1000
EXPOSE 80 53/udp
VOLUME /data
LABEL a=b
ENTRYPOINT ["/bin/app"]
CMD ["serve"]
STOPSIGNAL SIGTERM
`)
	if got := w.files(img); got != "app/a=A app/by-run=hello world app/sub/b=B" {
		t.Errorf("files: %s", got)
	}
	c := img.Config.Config
	if c.WorkingDir != "/app" || c.User != "1000:1000" || c.StopSignal != "SIGTERM" || !slices.Equal(c.Entrypoint, []string{"/bin/app"}) ||
		!slices.Equal(c.Cmd, []string{"serve"}) || c.Labels["a"] != "b" || len(c.ExposedPorts) != 2 || len(c.Volumes) != 1 ||
		!slices.Equal(c.Env, []string{"PATH=" + defaultPath, "GREETING=hi", "NAME=a b"}) {
		t.Errorf("config: %+v", c)
	}
	want := []string{
		"ENV GREETING=hi NAME=a b (empty)",
		"WORKDIR /app",
		"COPY /ctx/src /made ./ # buildkit",
		"USER 1000:1000 (empty)",
		"EXPOSE [53/udp 80/tcp] (empty)",
		"VOLUME [/data] (empty)",
		"LABEL a=b (empty)",
		`ENTRYPOINT ["/bin/app"] (empty)`,
		`CMD ["serve"] (empty)`,
		"STOPSIGNAL SIGTERM (empty)",
	}
	if got := history(img); !slices.Equal(got, want) {
		t.Errorf("history:\n%s", strings.Join(got, "\n"))
	}
	for _, h := range img.Config.History {
		if h.Comment != historyComment || h.Created == nil {
			t.Errorf("history line %+v", h)
		}
	}
	if len(img.DiffIDs) != 2 {
		t.Errorf("%d layers", len(img.DiffIDs))
	}
	if !slices.Contains(img.Names, "docker.io/library/x:latest") {
		t.Errorf("names %v", img.Names)
	}
}

func TestBuildOnAnImage(t *testing.T) {
	w := newWorld(t)
	w.must("FROM scratch\nCOPY Dockerfile /base/file\nENV A=base\nCMD [\"base\"]\nENTRYPOINT [\"e\"]\n", func(o *Options) { o.Tags = []string{"base:1"} })
	img := w.must("FROM base:1\nENV A=$A-more\nRUN write /new x; read /base/file\nENTRYPOINT [\"n\"]\n")
	if len(img.DiffIDs) != 2 || len(img.Config.History) != 7 {
		t.Errorf("%d layers, history %q", len(img.DiffIDs), history(img))
	}
	if img.Config.Config.Cmd != nil {
		t.Errorf("ENTRYPOINT keeps the base's CMD: %q", img.Config.Config.Cmd)
	}
	if env := img.Config.Config.Env; !slices.Contains(env, "A=base-more") {
		t.Errorf("env %q", env)
	}
	run := w.runner.runs[0]
	if !slices.Equal(run.Config.Cmd, []string{"/bin/sh", "-c", "write /new x; read /base/file"}) || run.Config.WorkingDir != "/" ||
		run.Config.Network != DefaultNetwork || run.Config.Hostname != hostname {
		t.Errorf("RUN got %+v", run.Config)
	}
}

// numbers that differ from run to run.
var (
	seconds = regexp.MustCompile(`\d+\.\d+`)
	ids     = regexp.MustCompile(`[0-9a-f]{64}`)
)

func TestProgressIsBuildKits(t *testing.T) {
	w := newWorld(t)
	w.must("FROM scratch\nCOPY Dockerfile /f\n", func(o *Options) { o.Tags = []string{"base"} })
	w.must("FROM base\nRUN say hello; say you\nCOPY Dockerfile /\n", func(o *Options) { o.Tags = []string{"x", "reg.example/y:2"} })
	want := `#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 51B done
#1 DONE Ns

#2 [internal] load metadata for docker.io/library/base:latest
#2 DONE Ns

#3 [1/3] FROM docker.io/library/base:latest
#3 CACHED

#4 [2/3] RUN say hello; say you
#4 N hello
#4 N you
#4 DONE Ns

#5 [3/3] COPY Dockerfile /
#5 DONE Ns

#6 exporting to image
#6 exporting layers
#6 exporting layers done
#6 writing image sha256:ID done
#6 naming to docker.io/library/x done
#6 naming to reg.example/y:2 done
#6 DONE Ns
`
	got := ids.ReplaceAllString(seconds.ReplaceAllString(w.out.String(), "N"), "ID")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCacheHitsAndMisses(t *testing.T) {
	w := newWorld(t)
	w.file("f", "1")
	w.file("g", "1")
	df := "FROM scratch\nWORKDIR /w\nCOPY f /f\nRUN write /r 1\nENV X=1\nCOPY g /g\nRUN write /s 1\n"
	first := w.must(df)
	runs := func() int { return len(w.runner.runs) }
	if runs() != 2 || w.cached() != 0 {
		t.Fatalf("first build: %d runs, %d cached", runs(), w.cached())
	}
	again := w.must(df)
	if runs() != 2 || w.cached() != 5 {
		t.Errorf("same again: %d runs, %d cached\n%s", runs(), w.cached(), w.out.String())
	}
	if again.ID != first.ID {
		t.Errorf("the same build gives another image: %s, then %s", first.ID, again.ID)
	}
	must(t, os.Chtimes(filepath.Join(w.ctx, "f"), first.Created, first.Created))
	if w.must(df); runs() != 2 || w.cached() != 5 {
		t.Errorf("another mtime: %d runs, %d cached", runs(), w.cached())
	}
	w.file("g", "2")
	if w.must(df); runs() != 3 || w.cached() != 3 {
		t.Errorf("another g: %d runs, %d cached", runs(), w.cached())
	}
	w.file("g", "1")
	if w.must(df); runs() != 3 || w.cached() != 5 {
		t.Errorf("the first g: %d runs, %d cached", runs(), w.cached())
	}
	if w.must(strings.Replace(df, "ENV X=1", "ENV X=2", 1)); runs() != 4 || w.cached() != 4 {
		t.Errorf("another ENV: %d runs, %d cached", runs(), w.cached())
	}
	if w.must(strings.Replace(df, "ENV X=1", "LABEL X=2", 1)); runs() != 5 || w.cached() != 4 {
		t.Errorf("no ENV: %d runs, %d cached", runs(), w.cached())
	}
	if w.must(df + "LABEL a=b\nCMD x\n"); runs() != 5 || w.cached() != 5 {
		t.Errorf("more metadata: %d runs, %d cached", runs(), w.cached())
	}
}

func TestNoCache(t *testing.T) {
	w := newWorld(t)
	df := "FROM scratch\nCOPY Dockerfile /a\nRUN write /r 1\nCOPY Dockerfile /b\n"
	w.must(df)
	img := w.must(df, func(o *Options) { o.NoCache = true })
	if len(w.runner.runs) != 2 || w.cached() != 1 {
		t.Errorf("%d runs, %d cached", len(w.runner.runs), w.cached())
	}
	// What lies on the RUN's first layer must not be taken for what lies on its second.
	if got := w.files(img); !strings.Contains(got, "r=1") || !strings.Contains(got, "b=FROM") {
		t.Errorf("files: %s", got)
	}
	if w.must(df); len(w.runner.runs) != 2 || w.cached() != 3 {
		t.Errorf("after it: %d runs, %d cached", len(w.runner.runs), w.cached())
	}
}

// A stage that was made again and gave the same files does not make what copies from it again.
func TestCopyFromIsByContent(t *testing.T) {
	w := newWorld(t)
	df := func(v string) string {
		return "FROM scratch AS b\nARG V=" + v + "\nRUN write /out same\nFROM scratch\nCOPY --from=b /out /out\nRUN write /x y\n"
	}
	w.must(df("1"))
	w.must(df("2"))
	if len(w.runner.runs) != 3 || w.cached() != 2 {
		t.Errorf("%d runs, %d cached\n%s", len(w.runner.runs), w.cached(), w.out.String())
	}
	w.must(df("2"))
	if len(w.runner.runs) != 3 || w.cached() != 3 {
		t.Errorf("again: %d runs, %d cached", len(w.runner.runs), w.cached())
	}
}

func TestMissingLayerIsAMiss(t *testing.T) {
	w := newWorld(t)
	df := "FROM scratch\nRUN write /r 1\n"
	img := w.must(df)
	_, err := w.store.Remove(context.Background(), img.ID, storage.RemoveOptions{Force: true})
	must(t, err)
	if w.must(df); len(w.runner.runs) != 2 {
		t.Errorf("%d runs", len(w.runner.runs))
	}
}

func TestOnlyWhatTheTargetNeeds(t *testing.T) {
	w := newWorld(t)
	df := `FROM scratch AS a
RUN write /a 1
FROM scratch AS unused
RUN fail 9
FROM a AS b
RUN write /b 1
FROM scratch AS last
COPY --from=b / /
`
	w.must(df)
	if len(w.runner.runs) != 2 {
		t.Errorf("%d runs", len(w.runner.runs))
	}
	img := w.must(df, func(o *Options) { o.Target = "A" })
	if got := w.files(img); got != "a=1" {
		t.Errorf("target a: %s", got)
	}
	_, err := w.build(df, func(o *Options) { o.Target = "lost" })
	if err == nil || err.Error() != `target stage "lost" could not be found (did you mean last?)` {
		t.Errorf("got %v", err)
	}
}

func TestStagesRunAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	var both sync.WaitGroup
	both.Add(2)
	w.runner.hook = func(RunSpec) error { both.Done(); both.Wait(); return nil } // each waits for the other
	w.must("FROM scratch AS a\nRUN write /a 1\nFROM scratch AS b\nRUN write /b 1\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n")
}

func TestFirstErrorCancelsTheRest(t *testing.T) {
	w := newWorld(t)
	var started sync.WaitGroup
	started.Add(1)
	w.runner.hook = func(r RunSpec) error {
		if strings.Contains(r.Config.Cmd[2], "wait") {
			started.Done()
		} else {
			started.Wait()
		}
		return nil
	}
	_, err := w.build("FROM scratch AS a\nRUN wait\nFROM scratch AS b\nRUN say why; fail 3\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n")
	if err == nil || err.Error() != `process "/bin/sh -c say why; fail 3" did not complete successfully: exit code: 3` {
		t.Fatalf("got %v", err)
	}
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("the status is lost: %v", err)
	}
	out := seconds.ReplaceAllString(w.out.String(), "N")
	for _, want := range []string{
		"CANCELED\n",
		"------\n > [b 1/1] RUN say why; fail 3:\nN why\n------\n",
		"Dockerfile:4\n--------------------\n   2 |     RUN wait\n   3 |     FROM scratch AS b\n   4 | >>> RUN say why; fail 3\n   5 |     FROM scratch\n   6 |     COPY --from=a / /\n--------------------\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	w.runner.hook = func(RunSpec) error { cancel(); return nil }
	_, err := w.buildContext(ctx, "FROM scratch\nCOPY Dockerfile /\nRUN wait\n")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	imgs, err := w.store.Images(context.Background())
	must(t, err)
	if len(imgs) != 0 {
		t.Errorf("images: %v", imgs)
	}
}

func TestStubsDoNotLeak(t *testing.T) {
	w := newWorld(t)
	canary := filepath.Join(t.TempDir(), "canary")
	must(t, os.WriteFile(canary, nil, 0o600))
	w.file("etc/passwd", "root:x:0:0::/:\n")
	w.must("FROM scratch\nCOPY etc /etc/\n", func(o *Options) { o.Tags = []string{"base"} })
	img := w.must("FROM base\nRUN stub /etc/hosts; stub /etc/resolv.conf; stubdir /proc; stubdir /dev; stubdir /sys; write /x 1\n")
	if got := w.layer(img, 1); got != "x=1" {
		t.Errorf("the layer holds %s", got)
	}
	img = w.must("FROM base\nRUN --mount=type=tmpfs,target=/a/b/c stubdir /a/b/c; stubdir /proc; write /a/mine 1; write /etc/hosts text\n")
	if got := w.layer(img, 1); got != "a/mine=1 etc/hosts=text" {
		t.Errorf("the layer holds %s", got)
	}
	// The command replaces the parent of a mount's target by a link out: cleaning up must not follow it (CVE-2024-23652).
	w.runner.hook = func(r RunSpec) error {
		must(t, os.MkdirAll(filepath.Join(r.Upper, "m"), 0o755))
		must(t, os.RemoveAll(filepath.Join(r.Upper, "m")))
		return os.Symlink(filepath.Dir(canary), filepath.Join(r.Upper, "m"))
	}
	w.must("FROM base\nRUN --mount=type=tmpfs,target=/m/canary say x\n")
	if _, err := os.Lstat(canary); err != nil {
		t.Error(err)
	}
}
