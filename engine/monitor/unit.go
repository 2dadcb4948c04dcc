package monitor

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// writePids writes the files that say which processes the container's and its monitor are. Whoever reads one finds a whole line.
func (k *keeper) writePids(container int) error {
	for _, f := range []struct {
		path string
		pid  int
	}{{k.s.Pidfile, container}, {k.s.MonitorPidfile, os.Getpid()}} {
		if f.path == "" {
			continue
		}
		if err := os.WriteFile(f.path, []byte(strconv.Itoa(f.pid)+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// envNotify names the socket of the service manager (sd_notify(3)).
const envNotify = "NOTIFY_SOCKET"

// notifySocket is the variable for a background monitor that is to speak to the service manager.
func notifySocket(s *Settings) []string {
	if path := os.Getenv(envNotify); path != "" && (s.NotifyReady || s.NotifyMain) {
		return []string{envNotify + "=" + path}
	}
	return nil
}

// notify tells the service manager what it may wait for. One that does not listen is no reason to end a container. In the foreground the service's
// main process is hoy, or hoy's outer half, already.
func (k *keeper) notify() {
	path := os.Getenv(envNotify)
	if path == "" {
		return
	}
	var lines []string
	if k.s.NotifyMain && !k.s.Foreground {
		lines = append(lines, "MAINPID="+strconv.Itoa(os.Getpid()))
	}
	if k.s.NotifyReady {
		lines = append(lines, notifyReady)
	}
	sendNotify(path, lines)
}

const notifyReady = "READY=1"

// notifyHealthy tells the service manager that the container's first check was good.
func (k *keeper) notifyHealthy() {
	if path := os.Getenv(envNotify); path != "" && k.s.NotifyHealthy {
		sendNotify(path, []string{notifyReady})
	}
}

func sendNotify(path string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	unix.Sendto(fd, []byte(strings.Join(lines, "\n")), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: path}) // a name that begins with @ is abstract there too
}
