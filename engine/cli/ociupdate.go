package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
)

// limitsOf is a flag's place in linux.resources: the parts that it lies in are made when it is given.
type limits struct{ r specs.LinuxResources }

func (l *limits) cpu() *specs.LinuxCPU {
	if l.r.CPU == nil {
		l.r.CPU = &specs.LinuxCPU{}
	}
	return l.r.CPU
}

func (l *limits) memory() *specs.LinuxMemory {
	if l.r.Memory == nil {
		l.r.Memory = &specs.LinuxMemory{}
	}
	return l.r.Memory
}

func setSigned(to func() **int64) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		*to() = &n
		return err
	}
}

func setUnsigned(to func() **uint64) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 10, 64)
		*to() = &n
		return err
	}
}

func setBytes(to func() **int64) func(string) error {
	return func(s string) error {
		if s == "-1" {
			n := int64(-1)
			*to() = &n
			return nil
		}
		n, err := oci.ParseBytes(s)
		*to() = &n
		return err
	}
}

func ociUpdateCommand(s *session) *command {
	var l limits
	file := ""
	return &command{
		args:  "[OPTIONS] CONTAINER",
		short: "Change the limits of a container",
		min:   1,
		max:   1,
		flags: append(l.flags(),
			flags.String(&file, "resources,r", `File with linux.resources; "-" is the standard input. Other options then do not count`).From("file")),
		run: s.runtimeRun("update", func(r *bundle.Runtime, args []string) error {
			c, err := r.Load(args[0])
			if err != nil {
				return err
			}
			if file != "" {
				if l.r, err = readResources(file, s.In); err != nil {
					return err
				}
			}
			if c.Status == specs.StateStopped {
				return bundle.ErrNotRunning
			}
			host := cgroups.Detect(cgroups.Options{Rootless: r.Rootless, UID: os.Geteuid()})
			return host.Update(c.Group, &l.r)
		}),
	}
}

func (l *limits) flags() []*flags.Flag {
	return []*flags.Flag{
		flags.Func(func(v string) error {
			n, err := strconv.ParseUint(v, 10, 16)
			weight := uint16(n)
			l.r.BlockIO = &specs.LinuxBlockIO{Weight: &weight}
			return err
		}, "blkio-weight", "Block IO weight, 10 to 1000").As("int"),
		flags.Func(setUnsigned(func() **uint64 { return &l.cpu().Burst }), "cpu-burst", "Microseconds of CPU time saved up for a burst").As("int"),
		flags.Func(setSigned(func() **int64 { return &l.cpu().Idle }), "cpu-idle", "SCHED_IDLE for the group: 1, or 0").As("int"),
		flags.Func(setUnsigned(func() **uint64 { return &l.cpu().Period }), "cpu-period", "CPU period in microseconds").As("int"),
		flags.Func(setSigned(func() **int64 { return &l.cpu().Quota }), "cpu-quota", "CPU time in each period, in microseconds").As("int"),
		flags.Func(setUnsigned(func() **uint64 { return &l.cpu().RealtimePeriod }), "cpu-rt-period", "Realtime period in microseconds").As("int"),
		flags.Func(setSigned(func() **int64 { return &l.cpu().RealtimeRuntime }), "cpu-rt-runtime", "Realtime CPU time in each period, in microseconds").As("int"),
		flags.Func(setUnsigned(func() **uint64 { return &l.cpu().Shares }), "cpu-share,cpu-shares", "CPU shares").As("int"),
		flags.Func(func(v string) error { l.cpu().Cpus = v; return nil }, "cpuset-cpus", "CPUs to run on").As("string"),
		flags.Func(func(v string) error { l.cpu().Mems = v; return nil }, "cpuset-mems", "Memory nodes to use").As("string"),
		flags.Func(setBytes(func() **int64 { return &l.memory().Limit }), "memory", "Memory limit").As("bytes"),
		flags.Func(setBytes(func() **int64 { return &l.memory().Reservation }), "memory-reservation", "Memory soft limit").As("bytes"),
		flags.Func(setBytes(func() **int64 { return &l.memory().Swap }), "memory-swap", "Memory and swap together; -1 for unlimited swap").As("bytes"),
		flags.Func(func(v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			l.r.Pids = &specs.LinuxPids{Limit: &n}
			return err
		}, "pids-limit", "Number of processes; 0 or -1 for any").As("int"),
	}
}

func readResources(file string, in io.Reader) (r specs.LinuxResources, err error) {
	var data []byte
	if file == "-" {
		if in == nil {
			return r, errors.New("there is no standard input")
		}
		data, err = io.ReadAll(in)
	} else {
		data, err = os.ReadFile(file)
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return r, fmt.Errorf("resources: %w", err)
	}
	return r, nil
}
