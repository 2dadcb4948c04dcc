package flags

import (
	"errors"
	"flag"
	"io"
	"reflect"
	"strings"
	"testing"
)

// options stands for a command's struct, with a flag of each kind that matters for parsing.
type options struct {
	rm, tty, stdin bool
	env, volumes   []string
	name, hostname string
	network        string
	timeout        *int
	labels         map[string]string
}

func (o *options) table() []*Flag {
	return []*Flag{
		Bool(&o.rm, "rm", "remove"),
		Bool(&o.tty, "tty,t", "tty"),
		Bool(&o.stdin, "interactive,i", "stdin"),
		List(&o.env, "env,e", "env"),
		List(&o.volumes, "volume,v", "volume"),
		String(&o.name, "name", "name"),
		String(&o.hostname, "hostname,h", "host name"),
		String(&o.network, "network,net", "network"),
		OptInt(&o.timeout, "timeout", "seconds"),
		Map(&o.labels, "label,l", "labels"),
	}
}

func TestNormalizeErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--x img", "unknown flag: --x"},
		{"--x=1 img", "unknown flag: --x"},
		{"-x img", "unknown shorthand flag: 'x' in -x"},
		{"-itx img", "unknown shorthand flag: 'x' in -x"},
		{"-xit img", "unknown shorthand flag: 'x' in -xit"},
		{"--name", "flag needs an argument: --name"},
		{"-e", "flag needs an argument: 'e' in -e"},
		{"-ite", "flag needs an argument: 'e' in -e"},
		{"-h", "flag needs an argument: 'h' in -h"},
		{"--=x", "bad flag syntax: --=x"},
		{"---rm", "bad flag syntax: ---rm"},
		{"--rmx", "unknown flag: --rmx"},
		{"--help --x", "unknown flag: --x"},
	} {
		_, err := Normalize(new(options).table(), strings.Fields(c.args), true)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.args, err, c.want)
		}
	}
}

func TestNormalize(t *testing.T) {
	for _, c := range []struct {
		args  string
		stop  bool // flags stop at the first argument
		flags string
		rest  string
		help  bool
	}{
		{args: "-it -eA=1 -v/a:/b img cmd -x", stop: true, flags: "--interactive=true --tty=true --env=A=1 --volume=/a:/b", rest: "img cmd -x"},
		{args: "img --rm", stop: true, rest: "img --rm"},
		{args: "img --help", stop: true, rest: "img --help"},
		{args: "c1 --rm c2", flags: "--rm=true", rest: "c1 c2"},
		{args: "-it=false img", stop: true, flags: "--interactive=true --tty=false", rest: "img"},
		{args: "--rm=false img", stop: true, flags: "--rm=false", rest: "img"},
		{args: "--rm false", stop: true, flags: "--rm=true", rest: "false"},
		{args: "-e=A=1 img", stop: true, flags: "--env=A=1", rest: "img"},
		{args: "-e= img", stop: true, flags: "--env==", rest: "img"},
		{args: "-e A=1 -e=B img", stop: true, flags: "--env=A=1 --env=B", rest: "img"},
		{args: "-ie A img", stop: true, flags: "--interactive=true --env=A", rest: "img"},
		{args: "--name -- img", stop: true, flags: "--name=--", rest: "img"},
		{args: "--name= img", stop: true, flags: "--name=", rest: "img"},
		{args: "--rm -- -x", stop: true, flags: "--rm=true", rest: "-x"},
		{args: "img -- cmd", stop: true, rest: "img -- cmd"},
		{args: "c1 -- --rm", rest: "c1 --rm"},
		{args: "-", rest: "-"},
		{args: "- --rm", flags: "--rm=true", rest: "-"},
		{args: "-h web img", stop: true, flags: "--hostname=web", rest: "img"},
		{args: "--net host img", stop: true, flags: "--network=host", rest: "img"},
		{args: "--net=host img", stop: true, flags: "--network=host", rest: "img"},
		{args: "--help", stop: true, help: true},
		{args: "c1 --help", rest: "c1", help: true},
	} {
		line, err := Normalize(new(options).table(), strings.Fields(c.args), !c.stop)
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		got := []any{strings.Join(line.Flags, " "), strings.Join(line.Args, " "), line.Help}
		if want := []any{c.flags, c.rest, c.help}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", c.args, got, want)
		}
	}
}

func TestHelpByLetter(t *testing.T) {
	line, err := Normalize([]*Flag{Bool(new(bool), "all,a", "all")}, []string{"-h"}, true)
	if err != nil || !line.Help {
		t.Errorf("-h without a flag of that letter: %+v, %v; want help", line, err)
	}
}

// TestCanonical puts the result through the standard library's parser, as urfave/cli does.
func TestCanonical(t *testing.T) {
	var o options
	table := o.table()
	line, err := Normalize(table, []string{"-it=false", "-eA=1", "-e", "B=-x", "--timeout", "-1", "-lk=v", "img", "--rm"}, false)
	if err != nil {
		t.Fatal(err)
	}
	rest := parse(t, table, line)
	if !o.stdin || o.tty || o.rm || *o.timeout != -1 || o.labels["k"] != "v" || strings.Join(o.env, " ") != "A=1 B=-x" {
		t.Errorf("options %+v", o)
	}
	if !reflect.DeepEqual(rest, []string{"img", "--rm"}) {
		t.Errorf("rest %q", rest)
	}
}

func TestInvalidValue(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"-t=abc", `invalid argument "abc" for "-t, --tty" flag: strconv.ParseBool: parsing "abc": invalid syntax`},
		{"--rm=abc", `invalid argument "abc" for "--rm" flag: strconv.ParseBool: parsing "abc": invalid syntax`},
		{"--timeout=x", `invalid argument "x" for "--timeout" flag: strconv.ParseInt: parsing "x": invalid syntax`},
	} {
		table := new(options).table()
		line, err := Normalize(table, []string{c.arg}, true)
		if err != nil {
			t.Fatal(err)
		}
		parse(t, table, line)
		err = Failed(table)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.arg, err, c.want)
		}
		if invalid := new(InvalidValue); !errors.As(err, &invalid) {
			t.Errorf("%s: %T", c.arg, err)
		}
	}
}

func parse(t *testing.T, table []*Flag, line Line) []string {
	t.Helper()
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range table {
		if err := f.Apply(set); err != nil {
			t.Fatal(err)
		}
	}
	_ = set.Parse(line.Canonical()) // the error is Failed's
	return set.Args()
}

func FuzzNormalize(f *testing.F) {
	f.Add("-it=false -eA=1 -- img")
	f.Add("--name\x00---")
	f.Fuzz(func(t *testing.T, s string) {
		args := strings.Split(s, " ")
		for _, interspersed := range []bool{false, true} {
			line, err := Normalize(new(options).table(), args, interspersed)
			if err == nil && len(line.Args) > len(args) {
				t.Errorf("%q: more arguments than there were", args)
			}
		}
	})
}
