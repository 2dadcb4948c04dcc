package procps

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Column is one column of a table of processes.
type Column struct {
	Title string
	value func(p *Process, now time.Time) string
}

// Table shows processes in columns, by rising pid. Those that have ended are left out.
func Table(columns []Column, pids []int) (titles []string, rows [][]string, err error) {
	for _, c := range columns {
		titles = append(titles, c.Title)
	}
	now := time.Now()
	for _, pid := range slices.Sorted(slices.Values(pids)) {
		p, err := Read(pid)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("process %d: %w", pid, err)
		}
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = c.value(p, now)
		}
		rows = append(rows, row)
	}
	return titles, rows, nil
}

// format is a column that ps(1) has under several names.
type format struct {
	names []string
	Column
}

func number[T int | uint32 | uint64](get func(*Process) T) func(*Process, time.Time) string {
	return func(p *Process, _ time.Time) string { return fmt.Sprint(get(p)) }
}

func text(get func(*Process) string) func(*Process, time.Time) string {
	return func(p *Process, _ time.Time) string { return get(p) }
}

// formats are the columns, in ps(1)'s words: STANDARD FORMAT SPECIFIERS.
var formats = []format{
	{[]string{"pid"}, Column{"PID", number(func(p *Process) int { return p.Pid })}},
	{[]string{"ppid"}, Column{"PPID", number(func(p *Process) int { return p.Parent })}},
	{[]string{"pgid", "pgrp"}, Column{"PGID", number(func(p *Process) int { return p.Group })}},
	{[]string{"sid", "sess", "session"}, Column{"SID", number(func(p *Process) int { return p.Session })}},
	{[]string{"tpgid"}, Column{"TPGID", number(func(p *Process) int { return p.Foreground })}},
	{[]string{"uid", "euid"}, Column{"UID", number(func(p *Process) uint32 { return p.UID })}},
	{[]string{"ruid"}, Column{"RUID", number(func(p *Process) uint32 { return p.RUID })}},
	{[]string{"gid", "egid"}, Column{"GID", number(func(p *Process) uint32 { return p.GID })}},
	{[]string{"rgid"}, Column{"RGID", number(func(p *Process) uint32 { return p.RGID })}},
	{[]string{"user", "euser", "uname"}, Column{"USER", text(func(p *Process) string { return userName(p.UID) })}},
	{[]string{"ruser"}, Column{"RUSER", text(func(p *Process) string { return userName(p.RUID) })}},
	{[]string{"group", "egroup"}, Column{"GROUP", text(func(p *Process) string { return groupName(p.GID) })}},
	{[]string{"rgroup"}, Column{"RGROUP", text(func(p *Process) string { return groupName(p.RGID) })}},
	{[]string{"comm", "ucomm"}, Column{"COMMAND", text((*Process).name)}},
	{[]string{"ucmd"}, Column{"CMD", text((*Process).name)}},
	{[]string{"args", "command"}, Column{"COMMAND", text((*Process).commandLine)}},
	{[]string{"cmd"}, Column{"CMD", text((*Process).commandLine)}},
	{[]string{"s", "state"}, Column{"S", text(func(p *Process) string { return string(p.State) })}},
	{[]string{"stat"}, Column{"STAT", text((*Process).stat)}},
	{[]string{"f", "flag", "flags"}, Column{"F", text(func(p *Process) string { return strconv.FormatUint(p.Flags>>6&7, 8) })}},
	{[]string{"tty", "tname"}, Column{"TTY", text((*Process).terminal)}},
	{[]string{"tt"}, Column{"TT", text((*Process).terminal)}},
	{[]string{"pri"}, Column{"PRI", number(func(p *Process) int { return 39 - p.Priority })}},
	{[]string{"ni", "nice"}, Column{"NI", number(func(p *Process) int { return p.Nice })}},
	{[]string{"nlwp", "thcount"}, Column{"NLWP", number(func(p *Process) int { return p.Threads })}},
	{[]string{"psr"}, Column{"PSR", number(func(p *Process) int { return p.CPUNumber })}},
	{[]string{"rss", "rssize", "rsz"}, Column{"RSS", number(func(p *Process) uint64 { return p.Resident / 1024 })}},
	{[]string{"vsz", "vsize"}, Column{"VSZ", number(func(p *Process) uint64 { return p.Virtual / 1024 })}},
	{[]string{"%cpu", "pcpu"}, Column{"%CPU", func(p *Process, now time.Time) string { return fmt.Sprintf("%.1f", p.cpuPercent(now)) }}},
	{[]string{"c"}, Column{"C", func(p *Process, now time.Time) string { return strconv.Itoa(min(int(p.cpuPercent(now)), 99)) }}},
	{[]string{"%mem", "pmem"}, Column{"%MEM", text((*Process).memoryPercent)}},
	{[]string{"time", "cputime"}, Column{"TIME", text(func(p *Process) string { return clock(p.CPU, true) })}},
	{[]string{"etime"}, Column{"ELAPSED", func(p *Process, now time.Time) string { return clock(now.Sub(p.Start), false) }}},
	{[]string{"etimes"}, Column{"ELAPSED", func(p *Process, now time.Time) string { return strconv.Itoa(int(now.Sub(p.Start).Seconds())) }}},
	{[]string{"stime", "start_time"}, Column{"STIME", func(p *Process, now time.Time) string { return started(p.Start, now, "15:04") }}},
	{[]string{"start", "bsdstart"}, Column{"STARTED", func(p *Process, now time.Time) string { return started(p.Start, now, "15:04:05") }}},
	{[]string{"lstart"}, Column{"STARTED", text(func(p *Process) string { return p.Start.Format("Mon Jan _2 15:04:05 2006") })}},
}

func (p *Process) name() string {
	if p.State == 'Z' {
		return p.Comm + " <defunct>"
	}
	return p.Comm
}

// commandLine is the arguments, or the name in brackets where there are none.
func (p *Process) commandLine() string {
	switch {
	case len(p.Args) > 0:
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return '?'
			}
			return r
		}, strings.Join(p.Args, " "))
	case p.State == 'Z':
		return "[" + p.Comm + "] <defunct>"
	}
	return "[" + p.Comm + "]"
}

// stat is ps(1), PROCESS STATE CODES.
func (p *Process) stat() string {
	s := string(p.State)
	for _, f := range []struct {
		set  bool
		mark string
	}{
		{p.Nice < 0, "<"}, {p.Nice > 0, "N"}, {p.Session == p.Pid, "s"}, {p.Threads > 1, "l"},
		{p.Foreground > 0 && p.Foreground == p.Group, "+"},
	} {
		if f.set {
			s += f.mark
		}
	}
	return s
}

// terminal names the controlling terminal by its device number (Documentation/admin-guide/devices.txt).
func (p *Process) terminal() string {
	major, minor := p.TTY>>8&0xfff, p.TTY&0xff|p.TTY>>12&0xfff00
	switch {
	case p.TTY == 0:
		return "?"
	case major >= 136 && major <= 143:
		return "pts/" + strconv.Itoa((major-136)<<20+minor)
	case major == 4 && minor < 64:
		return "tty" + strconv.Itoa(minor)
	case major == 4:
		return "ttyS" + strconv.Itoa(minor-64)
	}
	return "?"
}

// cpuPercent is the share of a CPU that the process has had since it was started.
func (p *Process) cpuPercent(now time.Time) float64 {
	elapsed := now.Sub(p.Start)
	if elapsed <= 0 {
		return 0
	}
	return 100 * p.CPU.Seconds() / elapsed.Seconds()
}

func (p *Process) memoryPercent() string {
	total := TotalMemory()
	if total == 0 {
		return "0.0"
	}
	return fmt.Sprintf("%.1f", 100*float64(p.Resident)/float64(total))
}

// TotalMemory is the machine's memory in bytes, by proc_meminfo(5); 0 when it is not known.
func TotalMemory() uint64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kilobytes uint64
	fmt.Sscanf(string(data), "MemTotal: %d kB", &kilobytes)
	return kilobytes * 1024
}

// clock writes [DD-]HH:MM:SS, or [[DD-]HH:]MM:SS when hours are not always shown.
func clock(d time.Duration, hours bool) string {
	s := int(max(d, 0).Seconds())
	days, h, m := s/86400, s/3600%24, s/60%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d-%02d:%02d:%02d", days, h, m, s%60)
	case hours || h > 0:
		return fmt.Sprintf("%02d:%02d:%02d", h, m, s%60)
	}
	return fmt.Sprintf("%02d:%02d", m, s%60)
}

// started is a time of today, a day of this year, or a year.
func started(t, now time.Time, today string) string {
	switch {
	case t.Year() != now.Year():
		return t.Format("2006")
	case t.YearDay() != now.YearDay():
		return t.Format("Jan02")
	}
	return t.Format(today)
}
