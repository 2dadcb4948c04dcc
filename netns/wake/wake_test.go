package wake

import (
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is the parts of the tests.
func TestMain(m *testing.M) {
	if os.Args[0] == "echo" {
		os.Exit(echo())
	}
	os.Exit(m.Run())
}

// echo is a part: it answers what is in the pipe FirstFD on FirstFD+1, with its pid, and ends; it fails when it is told to.
func echo() int {
	buf := make([]byte, 64)
	unix.SetNonblock(FirstFD, false)
	n, _ := unix.Read(FirstFD, buf)
	if string(buf[:n]) == "frame" { // a link: the frame that woke it comes first
		n, _ = unix.Pread(FirstFD+2, buf, 0)
	}
	unix.Write(FirstFD+1, append(strconv.AppendInt(nil, int64(os.Getpid()), 10), " "+string(buf[:n])+"\n"...))
	switch {
	case strings.HasPrefix(string(buf[:n]), "fail"):
		return 1
	case strings.HasPrefix(string(buf[:n]), "stay"):
		time.Sleep(time.Hour)
	}
	return 0
}

// woken is a part with its input and output.
func woken(t *testing.T, link bool) (k *Keeper, in *os.File, answer func() (pid int, text string)) {
	t.Helper()
	inner, in := packets(t)
	out, outer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	part := Part{Args: []string{"echo"}, Files: []int{0, 1}, Watch: []int{0}, Link: link}
	if k, err = New([]Part{part}, []*os.File{inner, outer}); err != nil {
		t.Fatal(err)
	}
	go k.Run()
	t.Cleanup(func() {
		k.Close()
		for _, f := range []*os.File{inner, in, out, outer} {
			f.Close()
		}
	})
	buf := make([]byte, 256)
	return k, in, func() (int, string) {
		t.Helper()
		out.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		number, text, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
		pid, _ := strconv.Atoi(number)
		return pid, text
	}
}

// packets is a pair of sockets that keep messages apart, as a link does.
func packets(t *testing.T) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
}

func TestWoken(t *testing.T) {
	_, in, answer := woken(t, false)
	var pids []int
	for _, text := range []string{"one", "fail", "three"} { // each in a process of its own
		io.WriteString(in, text)
		pid, got := answer()
		if got != text {
			t.Errorf("got %q, want %q", got, text)
		}
		pids = append(pids, pid)
	}
	if pids[0] == pids[1] || pids[1] == pids[2] {
		t.Errorf("pids %v", pids)
	}
}

func TestCloseEnds(t *testing.T) {
	k, in, answer := woken(t, false)
	io.WriteString(in, "stay")
	pid, _ := answer()
	if unix.Kill(pid, 0) != nil {
		t.Fatal("it does not run")
	}
	k.Close()
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("it outlives Close: %v", err)
	}
}

// TestLink: the frame that wakes the part is not lost, and what concerns nobody wakes nothing.
func TestLink(t *testing.T) {
	_, in, answer := woken(t, true)
	in.Write([]byte("\x33\x33\x00\x00\x00\x16 all listeners"))
	in.Write([]byte("\x02\x00\x00\x00\x00\x01 somebody here"))
	time.Sleep(50 * time.Millisecond)
	io.WriteString(in, "frame")
	if _, got := answer(); got != "\x02\x00\x00\x00\x00\x01 somebody here" {
		t.Errorf("got %q", got)
	}
}

func TestLinkGone(t *testing.T) {
	k, in, _ := woken(t, true)
	in.Close()
	select {
	case <-k.done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a link that is gone")
	}
}

func TestConcerns(t *testing.T) {
	for mac, want := range map[string]bool{
		"\xff\xff\xff\xff\xff\xff": true, "\x33\x33\xff\x00\x00\x02": true, "\x52\x55\x0a\x00\x02\x02": true,
		"\x33\x33\x00\x00\x00\x16": false, "\x33\x33\x00\x00\x00\x02": false, "\x01\x00\x5e\x00\x00\x16": false,
	} {
		if got := concerns([]byte(mac + "12345678")); got != want {
			t.Errorf("%x: %v", mac, got)
		}
	}
	if concerns([]byte("short")) {
		t.Error("less than a header concerns somebody")
	}
}

func TestProgramMapping(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-00dfa000 r-xp 00000000 fe:00 123                                /usr/bin/hoy\n": true,
		"00dfa000-01896000 r--p 009fa000 fe:00 123                                /usr/bin/hoy\n": true,
		"01896000-01930000 rw-p 01496000 fe:00 123                                /usr/bin/hoy\n": false,
		"7fff12f85000-7fff12fa6000 rw-p 00000000 00:00 0                          [stack]\n":      false,
		"7f0000000000-7f0000001000 r--p 00000000 00:00 0 \n":                                      false,
		"": false,
	} {
		start, size, ok := programMapping(line, "/usr/bin/hoy")
		if ok != want || ok && (size == 0 || start%4096 != 0) {
			t.Errorf("%q: %x %x %v", line, start, size, ok)
		}
	}
}

// TestDrop: the file is closed, though not by the one who drops it.
func TestDrop(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := Drop(w); err != nil {
		t.Fatal(err)
	}
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the file is open still: %v", err)
	}
}
