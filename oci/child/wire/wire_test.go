package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (a, b Conn) {
	t.Helper()
	a, b, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestBadMessages(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"half a header", []byte{'P', 1}, io.ErrUnexpectedEOF},
		{"half a payload", []byte{'P', 9, 0, 0, 0, 'x'}, io.ErrUnexpectedEOF},
		{"absurd length", binary.LittleEndian.AppendUint32([]byte{'P'}, 1<<31), ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b, err := Pair()
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			unix.Write(a.FD, tt.data)
			a.Close()
			if _, _, _, err := b.Recv(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestLong sends more than a socket's buffer holds.
func TestLong(t *testing.T) {
	a, b := pair(t)
	want := bytes.Repeat([]byte("environment"), 1<<18)
	sent := make(chan error, 1)
	go func() { sent <- a.Send(Plan, want) }()
	k, got, fd, err := b.Recv()
	if err != nil || k != Plan || fd != -1 || !bytes.Equal(got, want) {
		t.Fatalf("kind %c, %d bytes, descriptor %d, %v", k, len(got), fd, err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestDescriptor(t *testing.T) {
	a, b := pair(t)
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := a.SendFD(Console, nil, int(f.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := a.Send(Ready, nil); err != nil {
		t.Fatal(err)
	}
	k, _, fd, err := b.Recv()
	if err != nil || k != Console || fd < 0 {
		t.Fatalf("kind %c, descriptor %d, %v", k, fd, err)
	}
	defer unix.Close(fd)
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("the received descriptor is not closed on exec")
	}
	if k, _, fd, err := b.Recv(); err != nil || k != Ready || fd != -1 {
		t.Fatalf("kind %c, descriptor %d, %v", k, fd, err)
	}
}
