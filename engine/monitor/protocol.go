package monitor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// The protocol of the attach socket. It is a SOCK_SEQPACKET socket of the Unix domain: a message is a frame, whole or not at all.
// Its first byte is the frame's type, the rest its content, at most maxFrame bytes. Any number of clients may be connected;
// each gets what it asked for in its hello.
//
//	client                                  monitor
//	  | hello   streams, rows, cols           |    first, once
//	  |-------------------------------------->|
//	  |                       started         |    when the container's command runs; at once if it does already
//	  |<--------------------------------------|
//	  | input   bytes                         |    to the container's stdin
//	  | close                                 |    end of stdin; the container's too when it was started attached to it
//	  | resize  rows, cols                    |    of its terminal
//	  | signal  number                        |    to the container's first process
//	  | nudge                                 |    a user has stopped the container: it may be waiting to be started again
//	  | probe                                 |    make the health check now
//	  | keep    path                          |    open the network namespace there for as long as the container runs; the answer is held
//	  | hold                                  |    do not start the container again while this client is there
//	  |-------------------------------------->|
//	  |                       held    0 or 1  |    1: it waits to be started again, and goes on waiting
//	  |                       probed  code    |
//	  |                       stdout  bytes   |    only what is written from the hello on
//	  |                       stderr  bytes   |
//	  |                       exit    code    |    last: the container has ended, and with --rm it is gone; its restart policy may start it again
//	  |                       failure code, text    last: it could not be started
//	  |<--------------------------------------|
//
// Signals travel here only where the client may not send them by pidfd, as it does otherwise so that they do not queue up behind input: an
// ordinary user's `rm -f` and `restart` are in another user namespace than the container and its monitor.
// A client that closes its end detaches. The monitor's end closes without exit or failure only when the monitor was killed.
const (
	frameHello   = 'h'
	frameInput   = 'i'
	frameClose   = 'c'
	frameResize  = 'w'
	frameSignal  = 'k'
	frameNudge   = 'n'
	frameProbe   = 'p'
	frameProbed  = 'P'
	frameKeep    = 'm'
	frameHold    = 'l'
	frameHeld    = 'L'
	frameStarted = 'S'
	frameStdout  = 'o'
	frameStderr  = 'e'
	frameExit    = 'x'
	frameFailure = 'f'
)

const maxFrame = 32 << 10

// Streams are the streams a client wants.
type Streams uint8

// The streams.
const (
	Stdin Streams = 1 << iota
	Stdout
	Stderr
)

// Size is a terminal's size in characters; the zero value leaves it as it is.
type Size struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

// Failure is the reason why a container could not be started, with the exit code for the command: 125, 126 or 127.
type Failure struct {
	Code int    `json:"code"`
	Text string `json:"text"`
}

// Error gives the text as the step that failed wrote it.
func (f *Failure) Error() string { return f.Text }

// ExitCode gives Docker's exit code for the failure.
func (f *Failure) ExitCode() int { return f.Code }

// NewFailure turns any error into one that can be sent.
func NewFailure(err error) *Failure {
	f := &Failure{Code: 125, Text: err.Error()}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		f.Code = coded.ExitCode()
	}
	return f
}

func helloFrame(s Streams, z Size) []byte {
	return append([]byte{frameHello, byte(s)}, sizeBytes(z)...)
}

func parseHello(frame []byte) (Streams, Size, error) {
	if len(frame) != 6 || frame[0] != frameHello {
		return 0, Size{}, fmt.Errorf("attach: first frame is no hello")
	}
	z, err := parseSize(frame[2:])
	return Streams(frame[1]), z, err
}

func sizeBytes(z Size) []byte {
	b := binary.LittleEndian.AppendUint16(nil, z.Rows)
	return binary.LittleEndian.AppendUint16(b, z.Cols)
}

func parseSize(b []byte) (Size, error) {
	if len(b) != 4 {
		return Size{}, fmt.Errorf("attach: a size of %d bytes", len(b))
	}
	return Size{Rows: binary.LittleEndian.Uint16(b), Cols: binary.LittleEndian.Uint16(b[2:])}, nil
}

func exitFrame(code int) []byte { return codeFrame(frameExit, code) }

func codeFrame(kind byte, code int) []byte {
	return binary.LittleEndian.AppendUint32([]byte{kind}, uint32(code))
}

func failureFrame(f *Failure) []byte {
	text := f.Text
	if len(text) > maxFrame/8 { // a byte may take six in JSON
		text = text[:maxFrame/8]
	}
	data, err := json.Marshal(Failure{Code: f.Code, Text: text})
	if err != nil {
		data = []byte(`{"code":125,"text":"start failed"}`)
	}
	return append([]byte{frameFailure}, data...)
}
