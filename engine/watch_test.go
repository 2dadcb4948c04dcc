package engine

import (
	"net"
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
