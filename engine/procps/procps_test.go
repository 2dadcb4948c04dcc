package procps

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "UID PID PPID C STIME TTY TIME CMD"},
		{"-ef", "UID PID PPID C STIME TTY TIME CMD"},
		{"-eo pid,comm", "PID COMMAND"},
		{"-e -o pid,ppid -o args", "PID PPID COMMAND"},
		{"-opid=", ""},
		{"o pid=ID", "ID"},
		{"--format pid", "PID"},
		{"--format=pid,%cpu", "PID %CPU"},
		{"aux", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"},
		{"-aux", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"},
		{"-A", "PID TTY TIME CMD"},
		{"-el", "F S UID PID PPID C PRI NI TTY TIME CMD"},
	} {
		columns, err := Parse(strings.Fields(c.args))
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		var titles []string
		for _, col := range columns {
			titles = append(titles, col.Title)
		}
		if got := strings.Join(titles, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range []string{"-o", "-o nosuch", "-Z", "--sort=pid", "-eT", "-u root", "-o ,"} {
		if _, err := Parse(strings.Fields(args)); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

func TestParseStat(t *testing.T) {
	for _, line := range []string{"", "1 (x", "1 (x) S 1 2", "x (y) S " + strings.Repeat("1 ", 50), "1 (y) S " + strings.Repeat("z ", 50)} {
		if p, err := parseStat(line); err == nil {
			t.Errorf("%q: %+v", line, p)
		}
	}
	p, err := parseStat("12 (a) b) S 3 4 5 34817 4 4194304 0 0 0 0 150 50 0 0 20 0 3 0 100 4096 2 18446744073709551615 " + strings.Repeat("0 ", 40))
	if err != nil || p.Comm != "a) b" || p.Parent != 3 || p.CPU != 2*time.Second || p.Threads != 3 || p.terminal() != "pts/1" || p.stat() != "Sl+" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestTable(t *testing.T) {
	columns, err := Parse([]string{"-o", "pid,ppid,uid,args,etime,stat"})
	if err != nil {
		t.Fatal(err)
	}
	_, rows, err := Table(columns, []int{os.Getpid(), 1 << 30})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v, %v", rows, err)
	}
	want := []string{strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid()), strconv.Itoa(os.Geteuid())}
	if !slices.Equal(rows[0][:3], want) || !strings.Contains(rows[0][3], ".test") {
		t.Errorf("%q", rows[0])
	}
}

func TestTree(t *testing.T) {
	list, err := Tree(os.Getpid(), false)
	if err != nil || !slices.Contains(list, os.Getpid()) || slices.Contains(list, os.Getppid()) {
		t.Errorf("%v, %v", list, err)
	}
	if got := descend([]int{1, 4}, map[int][]int{1: {2, 3}, 2: {4}, 9: {10}}); !slices.Equal(got, []int{1, 4, 2, 3}) {
		t.Errorf("%v", got)
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		d     time.Duration
		hours bool
		want  string
	}{{-time.Second, true, "00:00:00"}, {61 * time.Second, false, "01:01"}, {3661 * time.Second, false, "01:01:01"}, {49 * time.Hour, true, "2-01:00:00"}} {
		if got := clock(c.d, c.hours); got != c.want {
			t.Errorf("%v: %s, want %s", c.d, got, c.want)
		}
	}
}
