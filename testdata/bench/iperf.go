package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// iperfMount is where a container has iperf3 with its libraries: see copyIperf. Elsewhere it is in $PATH.
const iperfMount = "/iperf"

// iperfOffset is how far the port of iperf3 is from the one of the server of peer.go beside it.
const iperfOffset = 1000

func iperf3(args ...string) *exec.Cmd {
	line := []string{"iperf3"}
	if _, err := os.Stat(iperfMount + "/ld.so"); err == nil {
		line = []string{iperfMount + "/ld.so", "--library-path", iperfMount, iperfMount + "/iperf3"}
	}
	line = append(line, args...)
	return exec.Command(line[0], line[1:]...)
}

// copyIperf copies iperf3, its libraries and the loader into a directory for containers to mount.
func (b *bench) copyIperf() (string, error) {
	dir := b.path("iperf")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	program, err := exec.LookPath("iperf3")
	if err != nil {
		return "", err
	}
	libraries, err := exec.Command("ldd", program).Output()
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", err
	}
	for _, file := range append(strings.Fields(string(libraries)), program) {
		to := filepath.Base(file)
		if !filepath.IsAbs(file) {
			continue
		}
		if strings.HasPrefix(to, "ld-") {
			to = "ld.so"
		}
		if err := runQuiet(b.environ(), []string{"install", "-m", "755", file, filepath.Join(dir, to)}); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// serveIperf runs the server of iperf3 for as long as this process lives, and waits until it listens.
func serveIperf(port string) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the child is to die with this process, of which the kernel takes the thread for the parent
		cmd := iperf3("-s", "-p", port)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		failed <- fmt.Errorf("iperf3: %w", cmd.Run())
	}()
	number, err := strconv.Atoi(port)
	for err == nil && !listens(number) {
		select {
		case err = <-failed:
		case <-time.After(5 * time.Millisecond):
		}
	}
	return err
}

// listens says whether somebody listens on the TCP port (proc_net(5)).
func listens(port int) bool {
	want := fmt.Sprintf(":%04X ", port)
	for _, table := range []string{"tcp", "tcp6"} {
		data, _ := os.ReadFile("/proc/net/" + table)
		if strings.Contains(string(data), want) {
			return true
		}
	}
	return false
}

func iperfPort(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return port
	}
	return strconv.Itoa(n + iperfOffset)
}

// flow is what iperf3 measured: the milliseconds for all bytes at the receiver's rate, and the share of the bytes that had arrived when the sender was
// done: of what lies in buffers then nothing more is to be known.
type flow struct{ ms, share float64 }

// pour sends bytes by iperf3 to the one beside the server at an address.
func pour(address, bytes string) (f flow, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return f, err
	}
	addrs, err := net.LookupHost(host)
	if err != nil {
		return f, err
	}
	want, err := strconv.ParseFloat(bytes, 64)
	if err != nil {
		return f, err
	}
	out, failed := iperf3("-J", "-c", addrs[0], "-p", iperfPort(port), "-n", bytes).Output()
	var said struct {
		Error string
		End   struct {
			Received struct{ Seconds, Bytes float64 } `json:"sum_received"`
		}
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return f, fmt.Errorf("iperf3: %w, %w", err, failed)
	}
	f.share = said.End.Received.Bytes / want
	if failed != nil || said.Error != "" || f.share < 0.1 {
		return f, fmt.Errorf("iperf3: %.0f %% arrived: %s", 100*f.share, said.Error)
	}
	f.ms = said.End.Received.Seconds * 1000 / f.share
	return f, nil
}

// pourFrom has the server at an address send bytes to another one.
func pourFrom(address, to string, bytes int) (f flow, err error) {
	said, err := ask(labWorld, address, fmt.Sprintf("pour %s %d", to, bytes))
	if err == nil {
		_, err = fmt.Sscan(said, &f.ms, &f.share)
	}
	return f, err
}

// pourTo sends bytes to the server at an address from the other machine.
func pourTo(address string, bytes int) (f flow, err error) {
	err = within(labWorld, func() (err error) {
		f, err = pour(address, strconv.Itoa(bytes))
		return err
	})
	return f, err
}

// flowing is a contender whose time is the flow's.
func flowing(name, skip string, work func() (flow, error)) contender {
	return measured(name, skip, func() (float64, error) {
		f, err := work()
		return f.ms, err
	})
}

// measured is a contender whose work measures itself.
func measured(name, skip string, work func() (float64, error)) contender {
	sum := 0.0
	return contender{
		name: name, skip: skip,
		meter: func() (float64, error) { return sum, nil },
		run: func() error {
			n, err := work()
			sum += n
			return err
		},
	}
}
