package build

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	w := newWorld(t)
	w.file("dir/f", "x")
	w.file(".dockerignore", "hidden\n")
	w.file("hidden", "x")
	source := "failed to compute cache key: failed to calculate checksum: "
	for _, c := range []struct{ name, dockerfile, want string }{
		{"empty", "\n", "the Dockerfile cannot be empty"},
		{"comments", "# nothing\n", "file with no instructions"},
		{"no stage", "ARG X\n", "dockerfile contains no stages to build"},
		{"before FROM", "RUN x\n", "no build stage in current context"},
		{"unknown instruction", "FROM scratch\nRUNN x\n", "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)"},
		{"unknown flag", "FROM scratch\nCOPY --form=x a b\n", "dockerfile parse error on line 2: unknown flag: --form (did you mean from?)"},
		{"one argument", "FROM scratch\nCOPY a\n", "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined"},
		{"no such image", "FROM 127.0.0.1:1/none\n", "127.0.0.1:1/none: "},
		{"bad image", "FROM In_Valid\n", "invalid reference format: \"In_Valid\""},
		{"blank image", "ARG B\nFROM $B\n", "base name ($B) should not be blank"},
		{"missing source", "FROM scratch\nCOPY nothing /\n", source + `"/nothing": not found`},
		{"ignored source", "FROM scratch\nCOPY hidden /\n", source + `"/hidden": not found`},
		{"missing source of a stage", "FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /\n", source + `"/x": not found`},
		{"directory onto a file", "FROM scratch\nCOPY dir/f /f\nCOPY dir /f\n", "cannot copy to non-directory: /f"},
		{"itself", "FROM scratch AS a\nCOPY --from=a / /\n", "circular dependency detected on stage: a"},
		{"a later stage", "FROM scratch AS a\nCOPY --from=b / /\nFROM a\nFROM scratch AS b\nFROM a\n", `cannot copy from stage "b", it needs to be defined before current stage "a"`},
		{"stage number", "FROM scratch\nCOPY --from=7 / /\n", "invalid stage index 7"},
		{"variable in from", "ARG S=a\nFROM scratch AS a\nFROM scratch\nCOPY --from=$S / /\n", "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"},
		{"required variable", "FROM scratch\nENV X=\"${Y:?set Y}\"\n", `failed to process "\"${Y:?set Y}\"": Y: set Y`},
		{"unknown user", "FROM scratch\nCOPY --chown=web dir /\n", "find user web: no /etc/passwd"},
		{"chmod", "FROM scratch\nCOPY --chmod=99 dir /\n", "invalid chmod parameter: '99'. it should be octal string and between 0 and 07777"},
		{"chown and link", "FROM scratch\nCOPY --link --chown=web dir /\n", "--chown=web: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead"},
		{"platform", "FROM --platform=linux/s390x scratch\n", "platform linux/s390x is not this machine's (linux/amd64): hoy builds for its own platform only"},
		{"git", "FROM scratch\nADD https://example.com/x.git /x\n", "ADD https://example.com/x.git: adding a git repository is not supported"},
		{"URL and COPY", "FROM scratch\nCOPY https://example.com/x /x\n", "source can't be a URL for COPY"},
		{"checksum of a file", "FROM scratch\nADD --checksum=sha256:00 dir /x\n", "checksum requires HTTP(S) or Git sources"},
		{"ssh", "FROM scratch\nRUN --mount=type=ssh x\n", "RUN --mount=type=ssh is not supported"},
		{"device", "FROM scratch\nRUN --device=v/c=n x\n", "RUN --device is not supported"},
		{"insecure", "FROM scratch\nRUN --security=insecure x\n", "RUN --security=insecure is not supported"},
		{"frontend", "# syntax=example/frontend:1\nFROM scratch\n", "frontend example/frontend:1 is not supported: only docker/dockerfile is built in"},
		{"secret", "FROM scratch\nRUN --mount=type=secret,id=s,required x\n", "secret s: not found"},
		{"mount on the root", "FROM scratch\nRUN --mount=type=tmpfs,target=/ x\n", `invalid mount target "/"`},
		{"signal", "FROM scratch\nSTOPSIGNAL SIGNOTHING\n", "invalid signal: SIGNOTHING"},
		{"port", "FROM scratch\nEXPOSE 99999\n", "invalid containerPort: 99999"},
		{"epoch", "ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\n", "invalid SOURCE_DATE_EPOCH: soon"},
	} {
		_, err := w.build(c.dockerfile)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	imgs, err := w.store.Images(context.Background())
	must(t, err)
	if len(imgs) != 0 {
		t.Errorf("images: %d", len(imgs))
	}
}

func TestErrorsOfOptions(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"tag", func(o *Options) { o.Tags = []string{"A B"} }, `invalid tag "A B": invalid reference format`},
		{"platform", func(o *Options) { o.Platform = "linux/s390x" }, "platform linux/s390x is not this machine's"},
		{"network", func(o *Options) { o.Network = "bridge" }, `network mode "bridge" not supported by hoy build`},
		{"context", func(o *Options) { o.Context = filepath.Join(w.ctx, "none") }, "build context " + filepath.Join(w.ctx, "none") + ": no such file or directory"},
		{"context is a file", func(o *Options) { o.Context = filepath.Join(w.ctx, "Dockerfile") }, "build context " + filepath.Join(w.ctx, "Dockerfile") + ": not a directory"},
		{"context is a URL", func(o *Options) { o.Context = "https://example.com/x.git#main" }, "build context https://example.com/x.git#main: only a directory or - is supported"},
		{"dockerfile", func(o *Options) { o.Dockerfile = filepath.Join(w.ctx, "Other") }, "failed to read dockerfile: open Other: no such file or directory"},
		{"both on stdin", func(o *Options) { o.Context, o.Dockerfile, o.Stdin = "-", "-", strings.NewReader("") }, "invalid argument: can't use stdin for both build context and dockerfile"},
		{"check", func(o *Options) { s := "nonsense"; o.BuildArgs = map[string]*string{"BUILDKIT_DOCKERFILE_CHECK": &s} }, "check options: invalid check option"},
	} {
		_, err := w.build("FROM scratch\n", c.change)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestSyntaxErrorShowsTheLine(t *testing.T) {
	w := newWorld(t)
	_, err := w.build("FROM scratch\nENV A=b\nRUNN x\n")
	if err == nil {
		t.Fatal("no error")
	}
	want := "Dockerfile:3\n--------------------\n   1 |     FROM scratch\n   2 |     ENV A=b\n   3 | >>> RUNN x\n   4 |     \n--------------------\n"
	if !strings.Contains(w.out.String(), want) {
		t.Errorf("got\n%s", w.out.String())
	}
}
