package engine

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/engine/monitor"
)

// A container that was started although a user has just stopped it is not waited for: it is to be stopped again.
func TestCancelOfWhatWasStarted(t *testing.T) {
	p := monitor.Place{Root: t.TempDir(), Run: t.TempDir(), ID: "c1"}
	must(t, monitor.MakeRunDir(p.RunFile("")))
	listener, err := net.Listen("unixpacket", p.RunFile("attach.sock"))
	must(t, err)
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			conn.Write([]byte{'S'}) // the frame "started"
			time.Sleep(time.Minute)
		}
	}()
	w, err := (&Engine{}).watch(&Container{place: p})
	must(t, err)
	defer w.close()
	done := make(chan error)
	go func() { done <- w.cancel(t.Context()) }()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(10 * time.Second):
		t.Error("it waits for the end of what was started")
	}
}

// The end of a run is not missed when its monitor is slow to take in who waits for it: nobody is killed before that.
func TestRestartWithASlowMonitor(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "sleep 1000")
	cfg.AutoRemove = true
	c := start(t, e, cfg)
	const socket = "attach.sock"
	t.Chdir(c.place.RunFile("")) // an address has room for 108 bytes
	must(t, os.Rename(socket, socket+".slow"))
	listener, err := net.Listen("unixpacket", socket)
	must(t, err)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go slowly(conn, socket+".slow")
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	now := 0
	must(t, e.Restart(ctx, c, StopOptions{Timeout: &now}, Streams{}))
	if again := find(t, e, c.ID()); again.State.Pid == c.State.Pid {
		t.Error("it is the same run")
	}
	listener.Close()
	must(t, os.Rename(socket+".slow", socket))
	must(t, e.Remove(t.Context(), find(t, e, c.ID()), RemoveOptions{Force: true}))
}

// slowly joins a client and a monitor after a while.
func slowly(client net.Conn, monitor string) {
	time.Sleep(500 * time.Millisecond)
	server, err := net.Dial("unixpacket", monitor)
	if err != nil {
		client.Close()
		return
	}
	go pass(server, client)
	pass(client, server)
}

func pass(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || n == 0 {
			return
		}
		to.Write(buf[:n])
	}
}
