package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What of each contender is between an ordinary user's container and the host, by the kernel's names of the processes.
var between = map[string][]string{
	"hoy":                 {"hoy-serve", "hoy-uplink"},
	"podman, slirp4netns": {"slirp4netns", "rootlessport", "rootlessport-child"},
	"pasta alone":         {"pasta", "pasta.avx2", "passt", "passt.avx2"},
}

// stackOf gives the processes between a contender's container and the host. Those of hoy are known by their first argument: they are copies of hoy.
func stackOf(name string) ([]string, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, pid := range all {
		line, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		comm, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		first, _, _ := bytes.Cut(line, []byte{0})
		if slices.Contains(between[name], filepath.Base(string(first))) || slices.Contains(between[name], strings.TrimSpace(string(comm))) {
			out = append(out, pid)
		}
	}
	return out, nil
}

// spent gives the milliseconds of processor time that a contender's stack has used. It is the sum of those that run: a process that ended takes
// its share along.
func spent(name string) (float64, error) {
	pids, err := stackOf(name)
	if err != nil {
		return 0, err
	}
	const tick = 10 // USER_HZ is 100 on all of Go's platforms
	sum := 0.0
	for _, pid := range pids {
		data, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil {
			continue
		}
		words := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // proc_pid_stat(5): the first is field 3
		for _, field := range words[11:13] {
			n, err := strconv.Atoi(field)
			if err != nil {
				return 0, err
			}
			sum += float64(n) * tick
		}
	}
	return sum, nil
}

// setupUserCPU measures the processor time of the stack, not how long it takes: out of the container or, through a published port, into it.
func setupUserCPU(out bool) func(*bench) ([]contender, func(), error) {
	const part = 4 // of a gigabyte is moved
	return func(b *bench) ([]contender, func(), error) {
		ps, undo, err := b.userServers()
		var cs []contender
		for _, p := range ps {
			move := func(bytes int) (flow, error) {
				if out {
					return pourFrom(hostAddress+":"+p.port, worldAddress+":9000", bytes)
				}
				return pourTo(hostAddress+":"+p.port, bytes)
			}
			c := measured(p.name, p.missing, func() (float64, error) {
				before, err := spent(p.name)
				if err != nil {
					return 0, err
				}
				f, err := move(1 << 30 / part)
				if err != nil {
					return 0, err
				}
				after, err := spent(p.name)
				return (after - before) / f.share * part, err
			})
			c.before = func() error { // what is started on demand is not to be started between the two looks
				_, err := move(1 << 26)
				return err
			}
			cs = append(cs, c)
		}
		return cs, undo, err
	}
}

const thousand = 1000

// setupUserMemory measures the stack with a thousand connections: out of the container or into it.
func setupUserMemory(out bool) func(*bench) ([]contender, func(), error) {
	return func(b *bench) ([]contender, func(), error) {
		ps, undo, err := b.userServers()
		var cs []contender
		for _, p := range ps {
			c := contender{name: p.name, skip: p.missing}
			if c.skip == "" {
				value, err := heldBy(p, out)
				if c.value = value; err != nil {
					c.skip = err.Error()
				}
			}
			cs = append(cs, c)
		}
		return cs, undo, err
	}
}

func heldBy(p pair, out bool) (float64, error) {
	address := hostAddress + ":" + p.port
	var held []net.Conn
	defer func() { closeAll(held) }()
	if out {
		c, err := dialFrom(labWorld, address)
		if err != nil {
			return 0, err
		}
		held = append(held, c)
		fmt.Fprintf(c, "hold %s:9000 %d\n", worldAddress, thousand)
		if _, err := reply(c); err != nil {
			return 0, err
		}
	} else {
		err := within(labWorld, func() (err error) {
			held, err = hold(address, strconv.Itoa(thousand))
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	time.Sleep(time.Second)
	pids, err := stackOf(p.name)
	sum := 0
	for _, pid := range pids {
		kb, err := pss(pid)
		if err != nil {
			return 0, err
		}
		sum += kb
	}
	return float64(sum) / 1000, err
}
