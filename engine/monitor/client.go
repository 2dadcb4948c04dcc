package monitor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// ErrGone says that the monitor went without a word: it was killed, or there is none.
var ErrGone = errors.New("the container's monitor is gone")

// ErrNoProbe says that the container has no health check, or ended while it was made.
var ErrNoProbe = errors.New("there is no health check")

// Client is a connection to a container's monitor. One goroutine may call Next while others call the rest.
type Client struct {
	conn *os.File
	buf  []byte
}

// Dial connects to the container's monitor and asks for streams. ErrGone when there is none.
func Dial(p Place, s Streams, z Size) (*Client, error) {
	conn, err := dial(p.RunFile(socketFile))
	if err != nil {
		if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, ErrGone
		}
		return nil, err
	}
	return newClient(conn, s, z)
}

func newClient(conn *os.File, s Streams, z Size) (*Client, error) {
	if _, err := conn.Write(helloFrame(s, z)); err != nil {
		conn.Close()
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			// it was about to end, or was killed, and took the connection no more
			return nil, ErrGone
		}
		return nil, fmt.Errorf("attach: %w", err)
	}
	return &Client{conn: conn, buf: make([]byte, maxFrame+1)}, nil
}

// Event is what a monitor tells its client. One of Started, Data, Exited is set.
type Event struct {
	Started bool
	Stream  Streams // of Data: Stdout or Stderr
	Data    []byte  // valid until the next call of Next
	Exited  bool
	Probed  bool
	Held    bool
	Code    int // with Exited: the container's exit code; with Probed: the health check's; with Held: 1 for yes
}

// Next waits for the next event. Errors: *Failure when the container could not be started, ErrGone.
func (c *Client) Next() (Event, error) {
	n, err := receive(c.conn, c.buf)
	if err != nil || n == 0 {
		if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return Event{}, err
		}
		return Event{}, ErrGone
	}
	return parseEvent(c.buf[:n])
}

func parseEvent(frame []byte) (Event, error) {
	content := frame[1:]
	switch frame[0] {
	case frameStarted:
		return Event{Started: true}, nil
	case frameStdout:
		return Event{Stream: Stdout, Data: content}, nil
	case frameStderr:
		return Event{Stream: Stderr, Data: content}, nil
	case frameExit, frameProbed, frameHeld:
		if len(content) != 4 {
			return Event{}, fmt.Errorf("attach: a frame %q of %d bytes", frame[0], len(content))
		}
		code := int(int32(binary.LittleEndian.Uint32(content)))
		return Event{Exited: frame[0] == frameExit, Probed: frame[0] == frameProbed, Held: frame[0] == frameHeld, Code: code}, nil
	case frameFailure:
		f := new(Failure)
		if err := json.Unmarshal(content, f); err != nil {
			return Event{}, fmt.Errorf("attach: %w", err)
		}
		return Event{}, f
	}
	return Event{}, fmt.Errorf("attach: frame of unknown type %q", frame[0])
}

// Write sends input.
func (c *Client) Write(b []byte) (int, error) {
	sent := 0
	for sent < len(b) {
		part := b[sent:min(len(b), sent+maxFrame)]
		if _, err := c.conn.Write(append([]byte{frameInput}, part...)); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return sent, nil
}

// CloseInput ends the container's input, where this client is the one that its input belongs to.
func (c *Client) CloseInput() error { return c.send(frameClose) }

// Resize sets the size of the container's terminal.
func (c *Client) Resize(z Size) error { return c.send(frameResize, sizeBytes(z)...) }

// Signal sends the container's first process a signal.
func (c *Client) Signal(sig syscall.Signal) error { return c.send(frameSignal, byte(sig)) }

// Nudge has the monitor of a container that waits to be started again see that it was marked as stopped.
func (c *Client) Nudge() error { return c.send(frameNudge) }

// Probe has the monitor make the container's health check, and gives its exit code; ErrNoProbe.
func (c *Client) Probe() (int, error) {
	if err := c.send(frameProbe); err != nil {
		return 0, err
	}
	for {
		switch e, err := c.Next(); {
		case err != nil:
			return 0, err
		case e.Exited, e.Probed && e.Code == noProbe:
			return 0, ErrNoProbe
		case e.Probed:
			return e.Code, nil
		}
	}
}

// Keep has the monitor open the network namespace at a path, for as long as the container runs.
func (c *Client) Keep(path string) (bool, error) {
	if err := c.send(frameKeep, []byte(path)...); err != nil {
		return false, ErrGone
	}
	return c.held()
}

// Hold has the monitor of a container that waits to be started again wait on until the connection is closed. It says no when the container does not wait.
func (c *Client) Hold() (bool, error) {
	if err := c.send(frameHold); err != nil {
		return false, ErrGone
	}
	return c.held()
}

func (c *Client) held() (bool, error) {
	for {
		if e, err := c.Next(); err != nil || e.Exited || e.Held {
			return e.Held && e.Code == 1, err
		}
	}
}

func (c *Client) send(kind byte, content ...byte) error {
	_, err := c.conn.Write(append([]byte{kind}, content...))
	return err
}

// SetDeadline makes Next fail with os.ErrDeadlineExceeded from t on; the zero time takes that back.
func (c *Client) SetDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Close detaches.
func (c *Client) Close() error { return c.conn.Close() }

// WaitStarted waits until the container runs. A container that has ended by then is no error.
func (c *Client) WaitStarted() error {
	for {
		e, err := c.Next()
		if err != nil || e.Started || e.Exited {
			return err
		}
	}
}

// WaitExit waits for the container's end and gives its exit code.
func (c *Client) WaitExit() (int, error) {
	for {
		e, err := c.Next()
		if err != nil || e.Exited {
			return e.Code, err
		}
	}
}

var _ io.Writer = (*Client)(nil)
