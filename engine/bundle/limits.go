package bundle

import (
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// lightV1 makes groups of version 1 with the limits that engines set. It gives ErrWide, and leaves nothing, for any other, and for whatever fails: the whole program says why.
func (b *birth) lightV1(o *GroupOptions) error {
	list, ok := writes(o.Resources)
	data, err := os.ReadFile("/proc/self/mounts")
	if !ok || err != nil {
		return ErrWide
	}
	mounts := group.Hierarchies(string(data))
	g, err := group.At(mounts, o.Path)
	if err != nil || len(mounts) == 0 {
		return ErrWide
	}
	for names, dir := range g.Dirs {
		if _, err := os.Lstat(dir); err == nil || dir == mounts[names] {
			return ErrWide // somebody else's, or everybody's
		}
	}
	for _, w := range list {
		if g.DirOf(w[0]) == "" {
			return ErrWide
		}
	}
	if p := o.Resources.Pids; p != nil && p.Limit != nil && g.DelayPids(*p.Limit) {
		list[len(list)-1][1] = "max"
	}
	if err := o.Record(g); err != nil {
		return err
	}
	fresh, err := g.MakeDirs()
	if err != nil || !fresh || g.Limit(list) != nil {
		g.Remove()
		b.Group = nil
		return ErrWide
	}
	return nil
}

// writes are the limits as files of new groups, the one of processes last. ok is false when there are others.
func writes(r *specs.LinuxResources) (w list, ok bool) {
	if r.Network != nil || len(r.HugepageLimits)+len(r.Rdma)+len(r.Unified) > 0 || r.BlockIO != nil && !emptyBlockIO(r.BlockIO) || !w.devices(r.Devices) {
		return nil, false
	}
	ok = true
	if m := r.Memory; m != nil {
		ok = *m == specs.LinuxMemory{Limit: m.Limit, Swap: m.Swap, Reservation: m.Reservation} &&
			w.number("memory.limit_in_bytes", m.Limit) &&
			w.number("memory.memsw.limit_in_bytes", m.Swap) &&
			w.number("memory.soft_limit_in_bytes", m.Reservation)
	}
	if c := r.CPU; c != nil && ok {
		shares, period := int64(valueOf(c.Shares)), int64(valueOf(c.Period))
		ok = *c == specs.LinuxCPU{Shares: c.Shares, Quota: c.Quota, Period: c.Period, Cpus: c.Cpus, Mems: c.Mems} &&
			(shares == 0 || shares >= minShares && shares <= maxShares) &&
			w.number("cpu.shares", &shares) &&
			w.number("cpu.cfs_period_us", &period) &&
			w.number("cpu.cfs_quota_us", c.Quota) &&
			w.word("cpuset.cpus", c.Cpus) &&
			w.word("cpuset.mems", c.Mems)
	}
	if r.Pids != nil && ok {
		ok = r.Pids.Limit != nil && *r.Pids.Limit > 0 && w.number("pids.max", r.Pids.Limit)
	}
	return w, ok
}

// What cpu.shares takes; others it changes without a word (kernel, sched_group_set_shares).
const (
	minShares = 2
	maxShares = 1 << 18
)

// list is files of new groups, and what is written to them.
type list [][2]string

// number says whether a limit is none or positive: others have meanings.
func (l *list) number(file string, n *int64) bool {
	if n == nil || *n == 0 {
		return true
	}
	return *n > 0 && l.word(file, strconv.FormatInt(*n, 10))
}

func (l *list) word(file, text string) bool {
	if text != "" {
		*l = append(*l, [2]string{file, text})
	}
	return true
}

func valueOf(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}

func emptyBlockIO(b *specs.LinuxBlockIO) bool {
	return b.Weight == nil && b.LeafWeight == nil && len(b.WeightDevice)+len(b.ThrottleReadBpsDevice)+len(b.ThrottleWriteBpsDevice)+
		len(b.ThrottleReadIOPSDevice)+len(b.ThrottleWriteIOPSDevice) == 0
}

// devices takes the rules of a container that is denied all devices but those named. It says whether they are that.
func (l *list) devices(rules []specs.LinuxDeviceCgroup) bool {
	if len(rules) == 0 || rules[0].Allow || !everyDevice(&rules[0]) || rules[0].Access != "rwm" {
		return false
	}
	l.word("devices.deny", "a")
	rules = append(rules[1:len(rules):len(rules)], group.AlwaysAllowed()...)
	for i := range rules {
		d := &rules[i]
		if everyDevice(d) || !d.Allow && overlapAny(rules[:i], d) {
			return false
		}
		if d.Allow { // else it is denied already
			l.word("devices.allow", d.Type+" "+deviceNumber(d.Major)+":"+deviceNumber(d.Minor)+" "+d.Access)
		}
	}
	return true
}

func overlapAny(rules []specs.LinuxDeviceCgroup, d *specs.LinuxDeviceCgroup) bool {
	for i := range rules {
		if rules[i].Allow && rules[i].Type == d.Type && meet(rules[i].Major, d.Major) && meet(rules[i].Minor, d.Minor) {
			return true
		}
	}
	return false
}

func meet(a, b *int64) bool {
	x, y := deviceNumber(a), deviceNumber(b)
	return x == y || x == "*" || y == "*"
}

func everyDevice(d *specs.LinuxDeviceCgroup) bool { return d.Type == "" || d.Type == "a" }

// deviceNumber is a number of a rule; one that is missing, and -1, mean all.
func deviceNumber(n *int64) string {
	if n == nil || *n == -1 {
		return "*"
	}
	return strconv.FormatInt(*n, 10)
}
