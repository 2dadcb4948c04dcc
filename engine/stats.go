package engine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/engine/procps"
)

// Stats are what a running container uses at one moment.
type Stats struct {
	cgroups.Stats
	Time                  time.Time
	Received, Transmitted uint64 // bytes, by its own network interfaces
}

// Stats reads what a running container uses: from its control group or, where it has none, by adding up its processes. Then what those that have ended
// used is missing, and MemoryLimit is the machine's memory in both cases when there is no lower one.
func (e *Engine) Stats(c *Container) (*Stats, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	if !c.Running() {
		return nil, fmt.Errorf("container %s is not running%w", c.Name(), hidden{ErrNotRunning})
	}
	g, err := c.place.Group()
	if err != nil {
		return nil, err
	}
	s := &Stats{Time: time.Now()}
	if counts(g) {
		used, err := cgroups.Stat(g)
		if err != nil {
			return nil, fmt.Errorf("statistics of container %s: %w", c.Name(), err)
		}
		s.Stats = *used
	} else if err := s.add(c); err != nil {
		return nil, fmt.Errorf("statistics of container %s: %w", c.Name(), err)
	}
	if total := procps.TotalMemory(); s.MemoryLimit == 0 || s.MemoryLimit > total {
		s.MemoryLimit = total
	}
	if c.Config.Network != "host" {
		s.Received, s.Transmitted = interfaces(c.process.Pid)
	}
	return s, nil
}

// counts says whether a group counts what its processes use: one that was made to pause a container does not, and one of version 2 only where the
// memory controller is.
func counts(g *group.Group) bool {
	if g == nil || g.Dir("memory") == "" {
		return false
	}
	file := "memory.usage_in_bytes"
	if g.Unified {
		file = "memory.current"
	}
	_, err := os.Stat(g.Dir("memory") + "/" + file)
	return err == nil
}

// add adds up the container's processes.
func (s *Stats) add(c *Container) error {
	pids, err := c.processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		p, err := procps.Read(pid)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s.CPU += uint64(p.CPU)
		s.Memory += p.Resident
		s.Pids += uint64(p.Threads)
		read, written := diskBytes(pid)
		s.Read, s.Write = s.Read+read, s.Write+written
	}
	return nil
}

// diskBytes reads proc_pid_io(5); nothing where the caller may not.
func diskBytes(pid int) (read, written uint64) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/io")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(data)) {
		fmt.Sscanf(line, "read_bytes: %d", &read)
		fmt.Sscanf(line, "write_bytes: %d", &written)
	}
	return read, written
}

// interfaces adds up the network interfaces that a process sees, but for the loopback.
func interfaces(pid int) (received, transmitted uint64) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/dev")
	if err != nil {
		return 0, 0
	}
	return parseInterfaces(data)
}

// parseInterfaces reads /proc/net/dev: after the name, bytes received are the first number, bytes sent the ninth.
func parseInterfaces(data []byte) (received, transmitted uint64) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		f := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(f) < 9 {
			continue
		}
		in, _ := strconv.ParseUint(f[0], 10, 64)
		out, _ := strconv.ParseUint(f[8], 10, 64)
		received, transmitted = received+in, transmitted+out
	}
	return received, transmitted
}
