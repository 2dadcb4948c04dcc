package early

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelStack lays out what the kernel puts on the stack of a new process.
func kernelStack(args, env []string) unsafe.Pointer {
	words := []uintptr{uintptr(len(args))}
	for _, list := range [][]string{args, env} {
		for _, s := range list {
			p, _ := syscall.BytePtrFromString(s)
			keep = append(keep, p)
			words = append(words, uintptr(unsafe.Pointer(p)))
		}
		words = append(words, 0)
	}
	stack := &words[0]
	return unsafe.Pointer(stack)
}

var keep []*byte

func lines(list ...string) **byte {
	return (**byte)(unsafe.Add(kernelStack(nil, list), 2*unsafe.Sizeof(uintptr(0))))
}

// TestBegin: in a process with several threads the last step fails, and nothing is left of those before it.
func TestBegin(t *testing.T) {
	t.Cleanup(func() { Begun = State{} })
	env := []string{"PATH=/usr/bin:/bin", "XDG_RUNTIME_DIR=" + t.TempDir()}
	begin(kernelStack([]string{"hoy", "run", "--rm", "img", "true"}, env))
	if Begun.Inside {
		t.Fatal("inside")
	}
	if _, err := syscall.Wait4(-1, nil, 0, nil); err != syscall.ECHILD {
		t.Errorf("children are left: %v", err)
	}
	for _, m := range maps {
		for _, fd := range append(m.output[:], gate[:]...) {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); fd > 0 && err == nil {
				t.Errorf("descriptor %d is left", fd)
			}
		}
	}
}

func TestPrepare(t *testing.T) {
	bin := t.TempDir()
	tool := filepath.Join(bin, "newuidmap")
	if err := os.WriteFile(tool, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	user.set("al", "", "")
	ownUID = "1001"
	for _, tt := range []struct{ subids, path, want string }{
		{"al:100000:65536\n", bin, "newuidmap 0 1001 1 1 100000 65536"},
		{"bob:1:2\nal:100000:10\n1001:200000:20\n", "rel:/nowhere:" + bin, "newuidmap 0 1001 1 1 100000 10 11 200000 20"},
		{" al:100000:65536 \r\n\n#\n", bin + ":/bin", "newuidmap 0 1001 1 1 100000 65536"},
		{"al:100000:65536", bin, "newuidmap 0 1001 1 1 100000 65536"},
		{"alice:100000:65536\nal\n", bin, ""},
		{"al:100000:65536\n", "/nowhere", ""},
		{"al:0:65536\n", bin, ""},
		{"al:100000:x\n", bin, ""},
		{"al:100000:65536:1\n", bin, ""},
		{strings.Repeat("al:100000:65536\n", maxRanges+1), bin, ""},
		{"", bin, ""},
		{"al:100000:65536\n" + strings.Repeat("#\n", len(file)), bin, ""},
	} {
		file := filepath.Join(t.TempDir(), "subuid")
		if err := os.WriteFile(file, []byte(tt.subids), 0o644); err != nil {
			t.Fatal(err)
		}
		var m mapping
		used = 0
		got := ""
		if m.prepare(lines("A=b", "PATH="+tt.path), "/newuidmap", file, 1001) {
			if m.tool.text() != tool {
				t.Errorf("%q: tool %s", tt.subids, m.tool.text())
			}
			words := []string{text(m.args[0])}
			for _, a := range m.args[2:m.n] {
				words = append(words, text(a))
			}
			got = strings.Join(words, " ")
		}
		if got != tt.want {
			t.Errorf("%q in %s: %q, want %q", tt.subids, tt.path, got, tt.want)
		}
	}
	if (&mapping{}).prepare(lines(), "/newuidmap", "/nowhere", 1001) {
		t.Error("no file")
	}
}

// TestJoins: a holder has a lock on its file; the file alone is nobody's.
func TestJoins(t *testing.T) {
	run := t.TempDir()
	ownUID = strconv.Itoa(os.Getuid())
	if joins(lines("HOY_RUN="+run)) || joins(lines("XDG_RUNTIME_DIR="+run)) {
		t.Error("no file")
	}
	if err := os.MkdirAll(filepath.Join(run, "hoy/nethold"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(run, "hoy/nethold/lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if joins(lines("XDG_RUNTIME_DIR=" + run)) {
		t.Error("no lock")
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	if !joins(lines("XDG_RUNTIME_DIR="+run)) || !joins(lines("HOY_RUN="+run+"/hoy", "XDG_RUNTIME_DIR=/nowhere")) || joins(lines("XDG_RUNTIME_DIR=/nowhere")) {
		t.Error("a lock")
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		line string
		run  Run
		ok   bool
	}{
		{"img", Run{}, true},
		{"--rm img sh -c -d", Run{}, true},
		{"--network=none --name=a -eA=1 -v/a:/b -w /x -i img", Run{Network: "none"}, true},
		{"--network mine --network bridge img", Run{Network: "mine"}, true},
		{"--network bridge --net mine img", Run{Network: "mine"}, true},
		{"-it --net host -- img", Run{Network: "host", TTY: true}, true},
		{"-dit --rm img", Run{Detach: true, TTY: true}, true},
		{"--userns=auto img", Run{Userns: true}, true},
		{"--userns keep-id:uid=5 img", Run{Userns: true}, true},
		{"--uidmap 0:1:9 --gidmap=0:1:9 img", Run{Userns: true}, true},
		{"--userns host img", Run{}, true},
		{"--userns container:a img", Run{}, false},
		{"--detach --tty -p=80:80 img", Run{Detach: true, TTY: true}, true},
		{"--name", Run{}, false},
		{"--", Run{}, false},
		{"", Run{}, false},
		{"--help", Run{}, false},
		{"--dit img", Run{}, false},
		{"-ix img", Run{}, false},
		{"--rm=false img", Run{}, false},
		{"--pid host img", Run{}, false},
		{"-m 1g img", Run{}, false},
	} {
		if run, ok := Parse(strings.Fields(tt.line)); ok != tt.ok || run != tt.run && ok {
			t.Errorf("%q: %+v, %v", tt.line, run, ok)
		}
	}
	for network, want := range map[string]bool{"": true, "none": true, "bridge": true, "mine": false, "container:a": false, "ns:/proc/1/ns/net": false} {
		if got := (Run{Network: network}).Alone(); got != want {
			t.Errorf("%q: %v", network, got)
		}
	}
}

func TestRole(t *testing.T) {
	for program, want := range map[string]bool{"hoy": false, "/opt/a-b/hoy": false, "docker": false, "hoy-child": true, "/proc/self/fd/hoy-exec": true} {
		if got := role(program); got != want {
			t.Errorf("%s: %v", program, got)
		}
	}
}
