package build

import (
	"slices"
	"strings"
	"testing"
)

func ptr(s string) *string { return &s }

// What RUN sees, and what the history says, of ARG and ENV.
func TestArguments(t *testing.T) {
	for _, c := range []struct {
		name, dockerfile string
		args             map[string]*string
		env              []string // of the last RUN, without PATH
		run              string   // its line in the history
		warn             string
	}{
		{"default", "FROM scratch\nARG A=1\nRUN x\n", nil, []string{"A=1"}, "RUN |1 A=1 /bin/sh -c x # buildkit", ""},
		{"given", "FROM scratch\nARG A=1\nRUN x\n", map[string]*string{"A": ptr("2")}, []string{"A=2"}, "RUN |1 A=2 /bin/sh -c x # buildkit", ""},
		{"not declared", "FROM scratch\nRUN x\n", map[string]*string{"A": ptr("2")}, nil, "RUN /bin/sh -c x # buildkit", "[Warning] One or more build-args [A] were not consumed\n"},
		{"without a value", "FROM scratch\nARG A\nRUN x\n", nil, nil, "RUN |1 A= /bin/sh -c x # buildkit", ""},
		{"global only", "ARG A=1\nFROM scratch\nRUN x\n", nil, nil, "RUN /bin/sh -c x # buildkit", ""},
		{"global, declared again", "ARG A=1\nFROM scratch\nARG A\nRUN x\n", nil, []string{"A=1"}, "RUN |1 A=1 /bin/sh -c x # buildkit", ""},
		{"global given, declared again", "ARG A=1\nFROM scratch\nARG A\nRUN x\n", map[string]*string{"A": ptr("g")}, []string{"A=g"}, "RUN |1 A=g /bin/sh -c x # buildkit", ""},
		{"of another stage", "FROM scratch AS a\nARG A=1\nFROM scratch\nRUN x\n", nil, nil, "RUN /bin/sh -c x # buildkit", ""},
		{"of the base stage", "FROM scratch AS a\nARG A=1\nFROM a\nRUN x\n", nil, []string{"A=1"}, "RUN |1 A=1 /bin/sh -c x # buildkit", ""},
		{"after the RUN", "FROM scratch\nRUN x\nARG A=1\n", nil, nil, "RUN /bin/sh -c x # buildkit", ""},
		{"in another", "FROM scratch\nARG A=1 B=${A}2\nRUN x\n", nil, []string{"A=1", "B=12"}, "RUN |2 A=1 B=12 /bin/sh -c x # buildkit", ""},
		{"declared twice", "FROM scratch\nARG A=1\nARG B=2\nARG A=3\nRUN x\n", nil, []string{"A=3", "B=2"}, "RUN |2 A=3 B=2 /bin/sh -c x # buildkit", ""},
		{"ENV of the same name", "FROM scratch\nARG A=1\nENV A=e\nRUN x\n", map[string]*string{"A": ptr("2")}, []string{"A=e"}, "RUN |1 A=e /bin/sh -c x # buildkit", ""},
		{"in ENV", "FROM scratch\nARG A=1\nENV B=${A:+b}${C:-c}\nRUN x\n", nil, []string{"A=1", "B=bc"}, "RUN |1 A=1 /bin/sh -c x # buildkit", ""},
		{"ENV uses values from before its line", "FROM scratch\nENV A=1\nENV A=2 B=$A\nRUN x\n", nil, []string{"A=2", "B=1"}, "RUN /bin/sh -c x # buildkit", ""},
		{"proxy", "FROM scratch\nRUN x\n", map[string]*string{"http_proxy": ptr("p")}, []string{"HTTP_PROXY=p", "http_proxy=p"}, "RUN /bin/sh -c x # buildkit", ""},
		{"platform", "FROM scratch\nARG TARGETOS TARGETARCH\nRUN x\n", nil, []string{"TARGETOS=linux", "TARGETARCH=amd64"}, "RUN |2 TARGETOS=linux TARGETARCH=amd64 /bin/sh -c x # buildkit", ""},
		{"exec form", "FROM scratch\nRUN [\"a b\", \"c\"]\n", nil, nil, "RUN a b c # buildkit", ""},
		{"SHELL", "FROM scratch\nSHELL [\"/bin/x\", \"-e\"]\nRUN a b\n", nil, nil, "RUN /bin/x -e a b # buildkit", ""},
		{"here-document", "FROM scratch\nRUN <<EOF\na\nb\nEOF\n", nil, nil, "RUN /bin/sh -c a\nb\n # buildkit", ""},
		{"here-document of a command", "FROM scratch\nRUN cat <<EOF\na\nEOF\n", nil, nil, "RUN /bin/sh -c cat <<EOF\na\nEOF # buildkit", ""},
	} {
		w := newWorld(t)
		img := w.must(c.dockerfile, func(o *Options) { o.BuildArgs = c.args })
		run := w.runner.runs[len(w.runner.runs)-1]
		env := slices.DeleteFunc(slices.Clone(run.Config.Env), func(s string) bool { return strings.HasPrefix(s, "PATH=") })
		if !slices.Equal(env, c.env) {
			t.Errorf("%s: RUN sees %q, want %q", c.name, env, c.env)
		}
		if !slices.Contains(history(img), c.run) {
			t.Errorf("%s: history %q, want %q", c.name, history(img), c.run)
		}
		if i := strings.Index(w.out.String(), "[Warning]"); (i >= 0) != (c.warn != "") || i >= 0 && !strings.HasPrefix(w.out.String()[i:], c.warn) {
			t.Errorf("%s: got\n%s", c.name, w.out.String())
		}
	}
}

// A proxy is in no key and in no image.
func TestProxyIsNotInTheKey(t *testing.T) {
	w := newWorld(t)
	df := "FROM scratch\nRUN write /x 1\n"
	w.must(df, func(o *Options) { o.BuildArgs = map[string]*string{"HTTPS_PROXY": ptr("one")} })
	img := w.must(df, func(o *Options) { o.BuildArgs = map[string]*string{"HTTPS_PROXY": ptr("two")} })
	if len(w.runner.runs) != 1 {
		t.Errorf("%d runs", len(w.runner.runs))
	}
	if s := strings.Join(append(img.Config.Config.Env, history(img)...), " "); strings.Contains(s, "one") {
		t.Errorf("the image says %s", s)
	}
	w.must("FROM scratch\nARG HTTPS_PROXY\nRUN write /x 1\n", func(o *Options) { o.BuildArgs = map[string]*string{"HTTPS_PROXY": ptr("one")} })
	if len(w.runner.runs) != 2 {
		t.Error("a declared proxy does not count")
	}
}

func TestHistoryAndConfig(t *testing.T) {
	w := newWorld(t)
	w.file("f", "x")
	img := w.must(`FROM scratch
MAINTAINER me <me@example>
WORKDIR sub
WORKDIR deeper
COPY --chmod=0600 f ./
COPY --parents f /p/
COPY <<EOF <<E2 /docs/
one
EOF
two
E2
HEALTHCHECK --interval=5s --retries=3 CMD true
SHELL ["/bin/bash", "-c"]
CMD echo $HOME
LABEL "a b"=c d="e f"
ONBUILD RUN x
USER me
VOLUME ["/a", "/b"]
WORKDIR /
EXPOSE 8000-8002/UDP 1
`)
	want := []string{
		"MAINTAINER me <me@example> (empty)",
		"WORKDIR /sub",
		"WORKDIR /sub/deeper",
		"COPY --chmod=0600 f ./ # buildkit",
		"COPY --parents f /p/ # buildkit",
		"COPY <<EOF <<E2 /docs/ # buildkit",
		"HEALTHCHECK {Test:[CMD-SHELL true] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3} (empty)",
		"SHELL [/bin/bash -c] (empty)",
		`CMD ["/bin/bash" "-c" "echo $HOME"] (empty)`,
		"LABEL a b=c d=e f (empty)",
		"USER me (empty)",
		"VOLUME [/a /b] (empty)",
		"WORKDIR / (empty)",
		"EXPOSE [1/tcp 8000/udp 8001/udp 8002/udp] (empty)",
	}
	if got := history(img); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	c := img.Config
	//lint:ignore SA1019 deprecated, and still what BuildKit writes
	if c.Author != "me <me@example>" || !c.Config.ArgsEscaped || c.Config.WorkingDir != "/" || len(c.Config.ExposedPorts) != 4 ||
		c.Config.Labels["d"] != "e f" || img.Docker.Healthcheck == nil || !slices.Equal(img.Docker.OnBuild, []string{"RUN x"}) ||
		!slices.Equal(img.Docker.Shell, []string{"/bin/bash", "-c"}) {
		t.Errorf("config %+v, Docker's %+v", c, img.Docker)
	}
	if got := w.files(img); !strings.Contains(got, "docs/E2=two\n docs/EOF=one\n p/f=x sub/deeper/f=x") {
		t.Errorf("files %q", got)
	}
}

func TestOnbuild(t *testing.T) {
	w := newWorld(t)
	w.file("f", "x")
	w.must("FROM scratch\nONBUILD COPY f /from-trigger\nONBUILD ENV T=1\n", func(o *Options) { o.Tags = []string{"base"} })
	img := w.must("FROM scratch AS other\nCOPY f /o\nFROM base AS one\nONBUILD COPY --from=other /o /o\nFROM one\n")
	if got := w.files(img); got != "from-trigger=x o=x" {
		t.Errorf("files %s", got)
	}
	if !slices.Contains(img.Config.Config.Env, "T=1") || len(img.Docker.OnBuild) != 0 {
		t.Errorf("env %q, triggers %q", img.Config.Config.Env, img.Docker.OnBuild)
	}
	if !strings.Contains(w.out.String(), "[one 2/2] ONBUILD COPY f /from-trigger\n") {
		t.Errorf("got\n%s", w.out.String())
	}
}

func TestLabelsAndEpoch(t *testing.T) {
	w := newWorld(t)
	img := w.must("FROM scratch\nCOPY Dockerfile /\nLABEL a=1 b=2\n", func(o *Options) {
		o.Labels = map[string]string{"b": "3", "c": "4"}
		o.BuildArgs = map[string]*string{"SOURCE_DATE_EPOCH": ptr("86400")}
	})
	if l := img.Config.Config.Labels; l["a"] != "1" || l["b"] != "3" || l["c"] != "4" {
		t.Errorf("labels %v", l)
	}
	if img.Created.Unix() != 86400 || img.Config.History[0].Created.Unix() != 86400 {
		t.Errorf("created %v, %v", img.Created, img.Config.History[0].Created)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct{ name, dockerfile, want string }{
		{"none", "FROM scratch\nCMD [\"x\"]\n", ""},
		{"shell form", "FROM scratch\nCMD x\n", "JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 2)"},
		{"legacy ENV", "FROM scratch\nENV a b\n", `LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 2)`},
		{"stage name", "FROM scratch AS Up\n", "StageNameCasing: Stage name 'Up' should be lowercase (line 1)"},
		{"as", "FROM scratch as x\n", "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"},
		{"duplicate", "FROM scratch AS x\nFROM scratch AS x\n", `DuplicateStageName: Duplicate stage name "x", stage names should be unique (line 2)`},
		{"reserved", "FROM scratch AS context\n", `ReservedStageName: Stage name should not use the same name as reserved stage "context" (line 1)`},
		{"casing", "FROM scratch\nENV a=b\nlabel a=b\n", "ConsistentInstructionCasing: Command 'label' should match the case of the command majority (uppercase) (line 3)"},
		{"maintainer", "FROM scratch\nMAINTAINER x\n", "MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)"},
		{"undefined", "FROM scratch\nENV PATTH=1\nLABEL a=$PATTHS\n", "UndefinedVar: Usage of undefined variable '$PATTHS' (did you mean $PATTH?) (line 3)"},
		{"undefined in FROM", "FROM scratch$NOTHING\n", "UndefinedArgInFrom: FROM argument 'NOTHING' is not declared (line 1)"},
		{"twice", "FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]\n", "MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used (line 2)"},
		{"secret", "FROM scratch\nARG API_KEY\n", `SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY") (line 2)`},
		{"relative workdir", "FROM scratch\nWORKDIR x\n", `WorkdirRelativePath: Relative workdir "x" can have unexpected results if the base image changes (line 2)`},
		{"platform", "FROM --platform=$TARGETPLATFORM scratch\n", "RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior (line 1)"},
		{"constant platform", "FROM --platform=linux/amd64 scratch\n", `FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64" (line 1)`},
		{"port", "FROM scratch\nEXPOSE 80/TCP\n", "ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase (line 2)"},
		{"host port", "FROM scratch\nEXPOSE 8080:80\n", "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80' (line 2)"},
		{"continuation", "FROM scratch\nLABEL a=b \\\n\n c=d\n", "NoEmptyContinuation: Empty continuation line (line 4)"},
		{"skipped", "# check=skip=JSONArgsRecommended\nFROM scratch\nCMD x\n", ""},
		{"skipped here", "FROM scratch\n# check=skip=JSONArgsRecommended\nCMD x\n", ""},
	} {
		w := newWorld(t)
		w.must(c.dockerfile)
		_, got, _ := strings.Cut(w.out.String(), " warning found:\n - ")
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s: got %q, want %q", c.name, strings.TrimSpace(got), c.want)
		}
	}
	w := newWorld(t)
	if _, err := w.build("# check=error=true\nFROM scratch\nCMD x\n"); err == nil || err.Error() != "lint violation found for rules: JSONArgsRecommended" {
		t.Errorf("got %v", err)
	}
}

func TestSignals(t *testing.T) {
	for s, want := range map[string]bool{
		"SIGTERM": true, "term": true, "15": true, "64": true, "SIGRTMIN+3": true, "RTMAX-1": true, "SIGRTMIN": true,
		"": false, "0": false, "65": false, "SIGNOPE": false, "SIGRTMIN+99": false, "-1": false,
	} {
		if got := isSignal(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for p, ok := range map[string]bool{
		"": true, "linux": true, "linux/amd64": true, "amd64": true, "x86_64": true, "LINUX/AMD64": true, "linux/amd64/v2": true,
		"linux/arm64": false, "windows/amd64": false, "arm64": false, "a/b/c/d": false,
	} {
		if err := checkPlatform(p); (err == nil) != ok {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestTagsAreShownAsGiven(t *testing.T) {
	for tag, want := range map[string]string{
		"x": "docker.io/library/x", "x:1": "docker.io/library/x:1", "me/x": "docker.io/me/x", "reg:5000/x": "reg:5000/x", "reg:5000/x:latest": "reg:5000/x:latest",
	} {
		if got := shownTag(tag); got != want {
			t.Errorf("%s: %s, want %s", tag, got, want)
		}
	}
}

func TestTagsMove(t *testing.T) {
	w := newWorld(t)
	one := w.must("FROM scratch\nLABEL n=1\n", func(o *Options) { o.Tags = []string{"x", "x", "y:2"} })
	two := w.must("FROM scratch\nLABEL n=2\n")
	if one.ID == two.ID || !slices.Equal(two.Names, []string{"docker.io/library/x:latest"}) {
		t.Errorf("%v, then %v", one.Names, two.Names)
	}
	again, err := w.store.Image(t.Context(), "y:2")
	if err != nil || again.ID != one.ID {
		t.Errorf("y:2: %v", err)
	}
}

func FuzzDockerfile(f *testing.F) {
	for _, s := range []string{
		"FROM scratch\nRUN x\n", "ARG A=${B:-c}\nFROM $A AS x\nCOPY --from=x a b\n", "FROM scratch\nRUN <<EOF\nx\nEOF\n",
		"FROM scratch\nONBUILD COPY <<A /b\nx\nA\n", "# syntax=docker/dockerfile:1\n# escape=`\nFROM scratch\nEXPOSE 1-2/udp [::]:1:2\n",
		"FROM scratch\nHEALTHCHECK --interval=1s CMD [\"x\"]\nSTOPSIGNAL 9\nVOLUME [\"\"]\nWORKDIR\n", "\xef\xbb\xbfFROM scratch AS \x00\n",
		"FROM scratch\nCOPY --chmod=u=rwX,go= --exclude=** --parents a/./b/** /\n", "FROM --platform=$TARGETPLATFORM scratch\nRUN --mount=type=cache,id=$A,target=/x y\n",
		"FROM scratch\nADD --checksum=sha256:x http://x/y /z\nADD x.git#y:z /\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _ = planOnly(data) })
}
