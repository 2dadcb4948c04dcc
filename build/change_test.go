package build

import (
	"reflect"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestChangeRefuses(t *testing.T) {
	for _, line := range []string{"RUN true", "COPY a b", "FROM scratch", "SHELL [\"/bin/sh\"]", "nonsense", "EXPOSE x", "STOPSIGNAL nope", "ENV"} {
		img, ext := v1.Image{Author: "a"}, docker.DockerOCIImageConfigExt{}
		if err := Change(&img, &ext, []string{"USER u", line}); err == nil {
			t.Errorf("%s was accepted", line)
		}
		if !reflect.DeepEqual(img, v1.Image{Author: "a"}) {
			t.Errorf("%s changed the image: %+v", line, img)
		}
	}
}

func TestChange(t *testing.T) {
	img := v1.Image{History: []v1.History{{CreatedBy: "before"}}}
	img.Config.Env = []string{"A=1"}
	img.Config.WorkingDir = "/w"
	var ext docker.DockerOCIImageConfigExt
	err := Change(&img, &ext, []string{
		"ENV B=$A", "WORKDIR sub", "USER u", `CMD ["c", "d"]`, "ENTRYPOINT e f", "EXPOSE 80 53/udp", "VOLUME /v", "LABEL k=v", "STOPSIGNAL TERM",
		"ONBUILD RUN x", "HEALTHCHECK CMD true",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := v1.ImageConfig{
		User: "u", Env: []string{"A=1", "B=1"}, Entrypoint: []string{"/bin/sh", "-c", "e f"}, Cmd: []string{"c", "d"}, WorkingDir: "/w/sub",
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}, Volumes: map[string]struct{}{"/v": {}},
		Labels: map[string]string{"k": "v"}, StopSignal: "TERM",
	}
	//lint:ignore SA1019 deprecated, and still what BuildKit writes
	img.Config.ArgsEscaped = false
	if !reflect.DeepEqual(img.Config, want) {
		t.Errorf("got %+v\nwant %+v", img.Config, want)
	}
	if len(img.History) != 1 || len(ext.OnBuild) != 1 || ext.Healthcheck == nil {
		t.Errorf("history %v, onbuild %v, healthcheck %v", img.History, ext.OnBuild, ext.Healthcheck)
	}
}
