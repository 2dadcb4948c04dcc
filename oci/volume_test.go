package oci

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseVolumeRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "invalid empty volume spec",
		":":                 "invalid spec: :: empty section between colons",
		":/b":               "invalid spec: :/b: empty section between colons",
		"/a:":               "invalid spec: /a:: empty section between colons",
		"/a::/b":            "invalid spec: /a::/b: empty section between colons",
		"/a:/b:ro:x":        "invalid spec: /a:/b:ro:x: too many colons",
		"/a:ro":             "invalid volume specification: '/a:ro'",
		"/a:/b:foo":         "invalid mode: foo",
		"/a:/b:ro,rw":       "invalid mode: ro,rw",
		"/a:/b:ro,,z":       "invalid mode: ro,,z",
		"/a:/b:z,Z":         "invalid mode: z,Z",
		"/":                 `invalid volume specification: '/': invalid mount config for type "volume": invalid specification: destination can't be '/'`,
		"/a:/b/..":          `invalid volume specification: '/a:/b/..': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
		"/a:b":              `invalid volume specification: '/a:b': invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
		"data":              `invalid volume specification: 'data': invalid mount config for type "volume": invalid mount path: 'data' mount path must be absolute`,
		"/a:/b:nocopy":      `invalid volume specification: '/a:/b:nocopy': invalid mount config for type "bind": field VolumeOptions must not be specified`,
		"vol:/b:rshared":    `invalid volume specification: 'vol:/b:rshared': invalid mount config for type "volume": field BindOptions must not be specified`,
		"v:/b":              `volume name is too short, names should be at least two alphanumeric characters`,
		"a/b:/c":            `"a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
		"~/a:/c":            `"~/a" includes invalid characters for a local volume name`,
		"/a\x00b:/c":        "NUL",
		"/a:/c\x00d:nocopy": "NUL",
	} {
		_, err := ParseVolume(in, "/cwd")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
		if err != nil && strings.HasPrefix(want, "inv") && err.Error() != want {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

func TestParseVolume(t *testing.T) {
	for in, want := range map[string]Mount{
		"/data":                     {Type: MountVolume, Target: "/data", Anonymous: true},
		"/data/../x/":               {Type: MountVolume, Target: "/x", Anonymous: true},
		"vol:/data":                 {Type: MountVolume, Source: "vol", Target: "/data"},
		"vol:/data:ro,nocopy":       {Type: MountVolume, Source: "vol", Target: "/data", ReadOnly: true, NoCopy: true},
		"/a/:/b/":                   {Type: MountBind, Source: "/a", Target: "/b", Create: true},
		"/a:/b:rw":                  {Type: MountBind, Source: "/a", Target: "/b", Create: true},
		"/a:/b:ro,Z,rslave,cached":  {Type: MountBind, Source: "/a", Target: "/b", Create: true, ReadOnly: true, Relabel: "Z", Propagation: "rslave"},
		"/a:/b:U,O,exec":            {Type: MountBind, Source: "/a", Target: "/b", Create: true, Chown: true, Overlay: true, Options: []string{"exec"}},
		"/a:/b:idmap":               {Type: MountBind, Source: "/a", Target: "/b", Create: true, IDMap: "auto"},
		"vol:/b:suid,dev,copy":      {Type: MountVolume, Source: "vol", Target: "/b", Options: []string{"suid", "dev"}},
		".:/b":                      {Type: MountBind, Source: "/cwd", Target: "/b", Create: true},
		"./x:/b":                    {Type: MountBind, Source: "/cwd/x", Target: "/b", Create: true},
		"../x:/b":                   {Type: MountBind, Source: "/x", Target: "/b", Create: true},
		"/a b,c:/d=e":               {Type: MountBind, Source: "/a b,c", Target: "/d=e", Create: true},
		"/var/run/docker.sock:/s:z": {Type: MountBind, Source: "/var/run/docker.sock", Target: "/s", Create: true, Relabel: "z"},
	} {
		got, err := ParseVolume(in, "/cwd")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v, want %+v", in, got, err, want)
		}
	}
}

func TestParseMountRefuses(t *testing.T) {
	for in, want := range map[string]string{
		" ":                                "value is empty",
		`"`:                                "parse error",
		"type=bind,src=/a, dst=/b":         "invalid option 'dst' in ' dst=/b': option should not have whitespace",
		"type=bind,src=,dst=/b":            "invalid value for 'src': value is empty",
		"type=bind,src=/a ,dst=/b":         "invalid value for 'src' in 'src=/a ': value should not have whitespace",
		"type=bind,src=/a,dst":             "invalid field 'dst' must be a key=value pair",
		"type=bind,src=/a,dst=/b,ro=maybe": `invalid value for 'ro': invalid boolean value ("maybe"): must be one of "true", "1", "false", or "0" (default "true")`,
		"type=bind,src=/a,dst=/b,colour=1": "unknown option 'colour' in 'colour=1'",
		"type=bind,src=/a,dst=/b,bind-recursive=x":           `invalid value for bind-recursive: x (must be "enabled", "disabled", "writable", or "readonly")`,
		"type=bind,src=/a,dst=/b,bind-recursive=writable":    "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
		"type=bind,src=/a,dst=/b,bind-recursive=readonly":    "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction",
		"type=bind,src=/a,dst=/b,ro,bind-recursive=readonly": "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
		"type=bind,src=/a,dst=/b,bind-propagation=shared2":   `invalid mount config for type "bind": invalid propagation mode: shared2`,
		"type=bind,dst=/b":                                       `invalid mount config for type "bind": field Source must not be empty`,
		"type=bind,src=a,dst=/b":                                 `invalid mount config for type "bind": invalid mount path: 'a' mount path must be absolute`,
		"type=bind,src=/a":                                       `invalid mount config for type "bind": field Target must not be empty`,
		"src=vol,dst=/b,bind-propagation=shared":                 "cannot mix 'bind-*' options with mount type 'volume'",
		"type=bind,src=/a,dst=/b,volume-nocopy":                  "cannot mix 'volume-*' options with mount type 'bind'",
		"type=bind,src=/a,dst=/b,tmpfs-size=1":                   "cannot mix 'tmpfs-*' options with mount type 'bind'",
		"type=tmpfs,src=/a,dst=/b":                               `invalid mount config for type "tmpfs": field Source must not be specified`,
		"type=tmpfs,dst=/b,tmpfs-size=x":                         "invalid value for tmpfs-size: x",
		"type=tmpfs,dst=/b,tmpfs-mode=9":                         "invalid value for tmpfs-mode: 9",
		"type=image,dst=/b":                                      `invalid mount config for type "image": field Source must not be empty`,
		"type=image,src=a,dst=/b,subpath=../x":                   "subpath must be a relative path within the image",
		"type=bind,src=/a,dst=/b,O,ro":                           "cannot be read-only",
		"type=bind,src=/a,dst=/b,upperdir=/u":                    "upperdir and workdir need an overlay",
		"type=bind,src=/a,dst=/b,idmap=uids=1-2":                 `"1-2" is no FROM-TO-COUNT`,
		"type=tmpfs,dst=/b,U":                                    "U, O and idmap are for binds and volumes",
		"type=disk,src=a,dst=/b":                                 `invalid mount config for type "disk": mount type unknown`,
		"src=vol,dst=/b,volume-driver=nfs":                       `volume driver "nfs" is not supported`,
		"src=vol,dst=/b,volume-subpath=../x":                     `invalid mount config for type "volume": subpath must be a relative path within the volume`,
		"dst=/b,volume-subpath=x":                                `invalid mount config for type "volume": must not set Subpath when using anonymous volumes`,
		"type=bind,src=/a,dst=/b,bind-propagation=shared,ro,x=y": "unknown option 'x' in 'x=y'",
	} {
		if _, err := ParseMount(in, "/cwd"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

func TestParseMount(t *testing.T) {
	for in, want := range map[string]Mount{
		"target=/x":                                                                    {Type: MountVolume, Target: "/x", Anonymous: true},
		"type=volume,source=vol,destination=/x":                                        {Type: MountVolume, Source: "vol", Target: "/x"},
		"src=vol,dst=/x,volume-nocopy,ro":                                              {Type: MountVolume, Source: "vol", Target: "/x", NoCopy: true, ReadOnly: true},
		"src=vol,dst=/x,volume-subpath=a/b":                                            {Type: MountVolume, Source: "vol", Target: "/x", Subpath: "a/b"},
		"TYPE=Bind,SRC=/a,DST=/x/,READONLY=1":                                          {Type: MountBind, Source: "/a", Target: "/x", ReadOnly: true},
		"type=bind,src=./a,dst=/x,readonly=false":                                      {Type: MountBind, Source: "/cwd/a", Target: "/x"},
		`type=bind,"src=/a,b",dst=/x`:                                                  {Type: MountBind, Source: "/a,b", Target: "/x"},
		"type=bind,src=/a,dst=/x,bind-create-src":                                      {Type: MountBind, Source: "/a", Target: "/x", Create: true},
		"type=bind,src=/a,dst=/x,bind-propagation=rshared,consistency=cached":          {Type: MountBind, Source: "/a", Target: "/x", Propagation: "rshared"},
		"type=bind,src=/a,dst=/x,bind-recursive=disabled":                              {Type: MountBind, Source: "/a", Target: "/x", NonRecursive: true},
		"type=bind,src=/a,dst=/x,ro,bind-recursive=writable":                           {Type: MountBind, Source: "/a", Target: "/x", ReadOnly: true, TopOnly: true},
		"type=bind,src=/a,dst=/x,ro,bind-recursive=readonly,bind-propagation=rprivate": {Type: MountBind, Source: "/a", Target: "/x", ReadOnly: true, Propagation: "rprivate"},
		"type=tmpfs,dst=/x,tmpfs-size=64m,tmpfs-mode=1770":                             {Type: MountTmpfs, Target: "/x", Options: []string{"size=67108864", "mode=1770"}},
	} {
		got, err := ParseMount(in, "/cwd")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v, want %+v", in, got, err, want)
		}
	}
}

func TestParseTmpfs(t *testing.T) {
	for in, want := range map[string]string{
		"":              "invalid mount path: '' mount path must be absolute",
		"run":           "invalid mount path: 'run' mount path must be absolute",
		"/:size=1":      "invalid specification: destination can't be '/'",
		"/run:bind":     `invalid tmpfs option ["bind"]`,
		"/run:a=b":      `invalid tmpfs option ["a=b"]`,
		"/run:size":     `invalid tmpfs option ["size"]`,
		"/run:rw,,exec": `invalid tmpfs option [""]`,
	} {
		if _, err := ParseTmpfs(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
	got, err := ParseTmpfs("/run/:rw,exec,size=64m,mode=1770,uid=5,rro")
	want := Mount{Type: MountTmpfs, Target: "/run", Options: []string{"rw", "exec", "size=64m", "mode=1770", "uid=5", "rro"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzParseVolume(f *testing.F) {
	for _, s := range []string{"/a:/b:ro", "vol:/x:nocopy,z", "./a:/b", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseVolume(s, "/cwd")
		if err != nil {
			return
		}
		if m.Target[0] != '/' || m.Target == "/" || m.Type == MountBind && m.Source[0] != '/' {
			t.Errorf("%q: %+v", s, m)
		}
	})
}

func FuzzParseMount(f *testing.F) {
	for _, s := range []string{"type=bind,src=/a,dst=/b,ro", "type=tmpfs,dst=/x,tmpfs-size=1g", `"a,b"`, "target=/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseMount(s, "/cwd"); err == nil && (m.Target[0] != '/' || m.Target == "/") {
			t.Errorf("%q: %+v", s, m)
		}
	})
}
