package cli

import (
	"encoding/json"
	"fmt"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// runtimeEvent is a line of `events`, in runc's form (runc, types/events.go).
type runtimeEvent struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data any    `json:"data,omitempty"`
}

type usageStats struct {
	CPU struct {
		Usage      cpuUsage `json:"usage"`
		Throttling struct {
			Periods   uint64 `json:"periods,omitempty"`
			Throttled uint64 `json:"throttledPeriods,omitempty"`
			Time      uint64 `json:"throttledTime,omitempty"`
		} `json:"throttling"`
	} `json:"cpu"`
	Memory struct {
		Cache     uint64            `json:"cache,omitempty"`
		Usage     memoryUsage       `json:"usage"`
		Swap      memoryUsage       `json:"swap"`
		Kernel    memoryUsage       `json:"kernel"`
		KernelTCP memoryUsage       `json:"kernelTCP"`
		Raw       map[string]uint64 `json:"raw,omitempty"`
	} `json:"memory"`
	Pids struct {
		Current uint64 `json:"current,omitempty"`
		Limit   uint64 `json:"limit,omitempty"`
	} `json:"pids"`
	Blkio struct {
		Bytes []blkioUsage `json:"ioServiceBytesRecursive,omitempty"`
		Ops   []blkioUsage `json:"ioServicedRecursive,omitempty"`
	} `json:"blkio"`
}

type cpuUsage struct {
	Total  uint64   `json:"total,omitempty"`
	Percpu []uint64 `json:"percpu,omitempty"`
	Kernel uint64   `json:"kernel"`
	User   uint64   `json:"user"`
}

type memoryUsage struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

type blkioUsage struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

func ociEventsCommand(s *session) *command {
	interval := "5s"
	var once bool
	return &command{
		args:  "[OPTIONS] CONTAINER",
		short: "Print what a container uses, as lines of JSON, until it ends",
		min:   1,
		max:   1,
		flags: []*flags.Flag{
			flags.String(&interval, "interval", "Time between two lines"),
			flags.Bool(&once, "stats", "Print one line"),
		},
		run: s.runtimeRun("events", func(r *bundle.Runtime, args []string) error {
			every, err := time.ParseDuration(interval)
			if err != nil || every <= 0 {
				return fmt.Errorf("duration interval must be greater than 0")
			}
			return s.runtimeEvents(r, args[0], every, once)
		}),
	}
}

func (s *session) runtimeEvents(r *bundle.Runtime, id string, every time.Duration, once bool) error {
	out := json.NewEncoder(s.Out)
	said := false
	for {
		c, err := r.Load(id)
		if err != nil {
			return err
		}
		if c.Status == specs.StateStopped {
			if once {
				return fmt.Errorf("container with id %s is not running", id)
			}
			return nil
		}
		use, err := cgroups.Use(c.Group)
		if err != nil {
			return err
		}
		if err := out.Encode(runtimeEvent{"stats", id, statsOf(use)}); err != nil || once {
			return err
		}
		if !said && c.Group.OOMKills() > 0 {
			said = true
			if err := out.Encode(runtimeEvent{Type: "oom", ID: id}); err != nil {
				return err
			}
		}
		time.Sleep(every)
	}
}

func statsOf(u *cgroups.Usage) *usageStats {
	st := new(usageStats)
	cpu, mem := &u.CpuStats, &u.MemoryStats
	st.CPU.Usage = cpuUsage{cpu.CpuUsage.TotalUsage, cpu.CpuUsage.PercpuUsage, cpu.CpuUsage.UsageInKernelmode, cpu.CpuUsage.UsageInUsermode}
	st.CPU.Throttling.Periods = cpu.ThrottlingData.Periods
	st.CPU.Throttling.Throttled = cpu.ThrottlingData.ThrottledPeriods
	st.CPU.Throttling.Time = cpu.ThrottlingData.ThrottledTime
	st.Memory.Cache, st.Memory.Raw = mem.Cache, mem.Stats
	st.Memory.Usage = memoryUsage{mem.Usage.Limit, mem.Usage.Usage, mem.Usage.MaxUsage, mem.Usage.Failcnt}
	st.Memory.Swap = memoryUsage{mem.SwapUsage.Limit, mem.SwapUsage.Usage, mem.SwapUsage.MaxUsage, mem.SwapUsage.Failcnt}
	st.Memory.Kernel = memoryUsage{mem.KernelUsage.Limit, mem.KernelUsage.Usage, mem.KernelUsage.MaxUsage, mem.KernelUsage.Failcnt}
	st.Memory.KernelTCP = memoryUsage{mem.KernelTCPUsage.Limit, mem.KernelTCPUsage.Usage, mem.KernelTCPUsage.MaxUsage, mem.KernelTCPUsage.Failcnt}
	st.Pids.Current, st.Pids.Limit = u.PidsStats.Current, u.PidsStats.Limit
	for _, e := range u.BlkioStats.IoServiceBytesRecursive {
		st.Blkio.Bytes = append(st.Blkio.Bytes, blkioUsage{e.Major, e.Minor, e.Op, e.Value})
	}
	for _, e := range u.BlkioStats.IoServicedRecursive {
		st.Blkio.Ops = append(st.Blkio.Ops, blkioUsage{e.Major, e.Minor, e.Op, e.Value})
	}
	return st
}
