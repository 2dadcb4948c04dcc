package procps

import (
	"fmt"
	"strings"
)

// The sets of columns that options stand for.
const (
	full  = "user=UID,pid,ppid,c,stime,tty,time,cmd"
	users = "user,pid,%cpu,%mem,vsz,rss,tt=TTY,stat,start_time=START,time,args"
	long  = "f,s,uid,pid,ppid,c,pri,ni,tty,time,comm=CMD"
	plain = "pid,tty,time,comm=CMD"
)

// Parse reads the options of ps(1) that choose columns; none means -ef, as with `docker top`. Options that choose processes (-e, -A, a, x) are taken
// and mean nothing: the container's are chosen already.
func Parse(args []string) ([]Column, error) {
	if len(args) == 0 {
		return parseList(full)
	}
	p := parser{}
	for len(args) > 0 {
		used, err := p.option(args[0], args[1:])
		if err != nil {
			return nil, err
		}
		args = args[used:]
	}
	switch {
	case len(p.own) > 0:
		return p.own, nil
	case p.set == "":
		return parseList(plain)
	}
	return parseList(p.set)
}

type parser struct {
	set string   // of the sets above
	own []Column // -o
}

// option reads one word, "-ef", "aux" or "-eo" with the word after it, and says how many words it took.
func (p *parser) option(word string, rest []string) (used int, err error) {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		list, isFormat := strings.CutPrefix(long, "format=")
		if long == "format" && len(rest) > 0 {
			list, isFormat, used = rest[0], true, 1
		}
		if !isFormat {
			return 0, fmt.Errorf("ps option %s is not supported", word)
		}
		return used + 1, p.columns(list)
	}
	letters, dashed := strings.CutPrefix(word, "-")
	for i, c := range letters {
		switch {
		case c == 'o' || c == 'O':
			list := letters[i+1:]
			if list != "" {
				return 1, p.columns(list)
			}
			if len(rest) == 0 {
				return 0, fmt.Errorf("ps option %s needs a list of columns", word)
			}
			return 2, p.columns(rest[0])
		case c == 'f' && dashed, c == 'F':
			p.set = full
		case c == 'l':
			p.set = longest(p.set)
		case c == 'u' && (!dashed || strings.HasPrefix(letters, "a")): // -aux is aux, as everybody writes it
			p.set = users
		case strings.ContainsRune("eAadxw", c):
		default:
			return 0, fmt.Errorf("ps option %s is not supported", word)
		}
	}
	return 1, nil
}

// longest keeps -f's columns where -l is given too.
func longest(set string) string {
	if set == full {
		return "f,s,user=UID,pid,ppid,c,pri,ni,stime,tty,time,cmd"
	}
	return long
}

func (p *parser) columns(list string) error {
	columns, err := parseList(list)
	p.own = append(p.own, columns...)
	return err
}

// parseList reads "pid,comm", "pid comm" or, with another title, "pid,user=WHO". A title reaches to the end when it is the last.
func parseList(list string) ([]Column, error) {
	var columns []Column
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, title, renamed := strings.Cut(word, "=")
		c, ok := column(name)
		if !ok {
			return nil, fmt.Errorf("unknown user-defined format specifier %q", name)
		}
		if renamed {
			c.Title = title
		}
		columns = append(columns, c)
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("empty list of columns")
	}
	return columns, nil
}

func column(name string) (Column, bool) {
	for _, f := range formats {
		for _, n := range f.names {
			if n == name {
				return f.Column, true
			}
		}
	}
	return Column{}, false
}
