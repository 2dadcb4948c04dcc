package monitor

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// testHub is a hub that listens, and the container's stdin behind it.
func testHub(t *testing.T, once bool) (*hub, Place, *os.File) {
	t.Helper()
	p := testPlace(t)
	os.MkdirAll(p.RunDir(), 0o700)
	listener, err := listen(p.RunFile(socketFile))
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(&input{file: w, once: once}, hubCalls{resize: func(Size) {}, signal: func(syscall.Signal) {}, nudge: func() {}})
	go h.serve(listener)
	t.Cleanup(func() {
		listener.Close()
		r.Close()
	})
	return h, p, r
}

func mustDial(t *testing.T, p Place, s Streams) *Client {
	t.Helper()
	c, err := Dial(p, s, Size{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDialNobody(t *testing.T) {
	p := testPlace(t)
	if _, err := Dial(p, 0, Size{}); !errors.Is(err, ErrGone) {
		t.Errorf("no socket: %v", err)
	}
	os.MkdirAll(p.RunDir(), 0o700)
	listener, err := listen(p.RunFile(socketFile))
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(p.RunFile(socketFile)); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	listener.Close()
	if _, err := Dial(p, 0, Size{}); !errors.Is(err, ErrGone) {
		t.Errorf("dead socket: %v", err)
	}
}

func TestDialLongPath(t *testing.T) {
	p := testPlace(t)
	p.ID = string(bytes.Repeat([]byte("a"), 120))
	os.MkdirAll(p.RunDir(), 0o700)
	listener, err := listen(p.RunFile(socketFile))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	mustDial(t, p, 0)
}

func TestHubStreams(t *testing.T) {
	h, p, stdin := testHub(t, true)
	h.begin()
	all, none := mustDial(t, p, Stdin|Stdout|Stderr), mustDial(t, p, 0)
	for _, c := range []*Client{all, none} { // when it has been told, it has been taken in
		if err := c.WaitStarted(); err != nil {
			t.Fatal(err)
		}
	}
	h.output(Stdout, []byte("out"))
	h.output(Stderr, []byte("err"))
	for _, want := range []string{"out", "err"} {
		if e, err := all.Next(); err != nil || string(e.Data) != want {
			t.Errorf("%q, %v instead of %q", e.Data, err, want)
		}
	}
	none.Write([]byte("ignored"))
	long := bytes.Repeat([]byte("a line\n"), 10000)
	go func() {
		all.Write(long)
		all.CloseInput()
	}()
	var got bytes.Buffer
	if _, err := got.ReadFrom(stdin); err != nil || !bytes.Equal(got.Bytes(), long) {
		t.Errorf("input: %d bytes, %v", got.Len(), err)
	}
	h.end(exitFrame(7))
	for _, c := range []*Client{all, none} {
		if code, err := c.WaitExit(); err != nil || code != 7 {
			t.Errorf("exit: %d, %v", code, err)
		}
	}
	h.flush()
	if a := h.add(os.Stdin, 0, false); a != nil {
		t.Error("a client was taken in after the end")
	}
}

// The kernel reports an end that closed with something unread before it gives what that end had sent.
func TestReceiveAfterReset(t *testing.T) {
	ours, theirs, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	ours.Write([]byte("unread"))
	theirs.Write([]byte("one"))
	theirs.Write([]byte("two"))
	theirs.Close()
	buf := make([]byte, 8)
	for _, want := range []string{"one", "two", ""} {
		if n, err := receive(ours, buf); err != nil || string(buf[:n]) != want {
			t.Errorf("%q, %v instead of %q", buf[:n], err, want)
		}
	}
}

func TestHubInputSurvivesClients(t *testing.T) {
	h, p, stdin := testHub(t, false)
	h.begin()
	first := mustDial(t, p, Stdin)
	first.Write([]byte("a"))
	first.CloseInput()
	first.Close()
	second := mustDial(t, p, Stdin)
	second.Write([]byte("b"))
	buf := make([]byte, 2)
	for n := 0; n < 2; {
		m, err := stdin.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
}

// A client that came later and does not read misses output; it does not hold up the container.
func TestHubSlowClient(t *testing.T) {
	h, p, _ := testHub(t, true)
	h.patience = 20 * time.Millisecond
	h.begin()
	slow := mustDial(t, p, Stdout)
	if err := slow.WaitStarted(); err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, maxFrame)
	start := time.Now()
	for range 200 {
		h.output(Stdout, chunk)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("held up for %v", took)
	}
	go h.end(exitFrame(3))
	if code, err := slow.WaitExit(); err != nil || code != 3 {
		t.Errorf("the end was missed: %d, %v", code, err)
	}
	h.flush()
}

// The client that started the container is like a pipe's reader: as slow as it likes, and it misses nothing.
func TestHubFirstClient(t *testing.T) {
	h, _, _ := testHub(t, true)
	h.patience = time.Millisecond
	ours, theirs, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	c, err := newClient(ours, Stdout, Size{})
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := readHello(theirs)
	if err != nil {
		t.Fatal(err)
	}
	h.add(theirs, want, true)
	chunk := make([]byte, maxFrame)
	go func() {
		for range 200 {
			h.output(Stdout, chunk)
		}
		h.end(exitFrame(0))
	}()
	time.Sleep(50 * time.Millisecond) // longer than the patience
	total := 0
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Exited {
			break
		}
		total += len(e.Data)
	}
	if total != 200*maxFrame {
		t.Errorf("%d bytes instead of %d", total, 200*maxFrame)
	}
	h.flush()
}
