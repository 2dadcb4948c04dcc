package runtime

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// seats are the files by which a thread moves into groups of version 1, and back to its own.
type seats struct{ there, back []*os.File }

// openSeats opens them for the groups that the files, cgroup.procs, are of; nil where the caller's own groups cannot be found. A thread that moves itself by
// "0" waits for nobody, and its children are born in the groups. A process that is moved by its number waits, for each hierarchy, until nobody on the whole
// machine is forking: 0.3 ms (kernel, cgroup_procs_write_start).
func openSeats(files []string) *seats {
	if len(files) == 0 {
		return nil
	}
	own, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return nil
	}
	s := new(seats)
	for _, file := range files {
		there, err := openTasks(path.Dir(file))
		if err == nil {
			s.there = append(s.there, there)
			there, err = openTasks(ownGroup(string(own), path.Dir(file)))
		}
		if err != nil {
			s.close()
			return nil
		}
		s.back = append(s.back, there)
	}
	return s
}

func openTasks(dir string) (*os.File, error) { return os.OpenFile(dir+"/tasks", os.O_WRONLY, 0) }

// ownGroup is the group that a thread is in, by its /proc/thread-self/cgroup, in the hierarchy of another one, /sys/fs/cgroup/HIERARCHY/….
func ownGroup(own, other string) string {
	parts := strings.SplitN(other, "/", 6) // "", sys, fs, cgroup, HIERARCHY, …
	if len(parts) < 6 {
		return ""
	}
	names := strings.Split(parts[4], ",")
	for line := range strings.Lines(own) {
		words := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(words) == 3 && slices.ContainsFunc(strings.Split(words[1], ","), func(n string) bool { return slices.Contains(names, n) }) {
			return path.Join("/sys/fs/cgroup", parts[4], words[2])
		}
	}
	return ""
}

// fork starts a process from the groups. When left is an error the calling thread is in one of them still.
func (s *seats) fork(start func() (int, error)) (pid int, left, err error) {
	if err = s.take(); err == nil {
		pid, err = start()
	}
	return pid, s.leave(), err
}

// take moves the calling thread.
func (s *seats) take() error {
	if s == nil {
		return nil
	}
	for _, f := range s.there {
		if _, err := f.WriteString("0"); err != nil {
			return fmt.Errorf("enter cgroup: %w", err)
		}
	}
	return nil
}

// leave moves the calling thread back.
func (s *seats) leave() error {
	if s == nil {
		return nil
	}
	var failed error
	for _, f := range s.back {
		if _, err := f.WriteString("0"); err != nil {
			failed = errors.Join(failed, fmt.Errorf("leave cgroup: %w", err))
		}
	}
	return failed
}

func (s *seats) close() {
	if s == nil {
		return
	}
	for _, f := range slices.Concat(s.there, s.back) {
		f.Close()
	}
}

// enterGroups moves a process by its number.
func enterGroups(pid int, files []string) error {
	for _, file := range files {
		if err := os.WriteFile(file, strconv.AppendInt(nil, int64(pid), 10), 0); err != nil {
			return fmt.Errorf("enter cgroup: %w", err)
		}
	}
	return nil
}
