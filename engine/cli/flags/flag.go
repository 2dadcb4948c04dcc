// Package flags reads command lines as Docker's clients write them, and gives them to urfave/cli in the one form that it understands.
package flags

import (
	"flag"
	"strings"
)

// Flag is one flag of a command. The same table of flags is what Normalize reads by, what help and the manual print,
// and what shells complete. It is an urfave/cli Flag under its long name only.
type Flag struct {
	Name   string   // without the dashes
	Short  string   // one letter, or ""
	Also   []string // further long names, which help does not show: "net" for "network"
	Usage  string
	Type   string   // of the value, as help shows it: "string", "list"; "" for a bool
	Values []string // what shells complete the value with
	Source string   // what else they complete it with: "container", "image", "volume", "network", "file", "dir"
	Hidden bool     // help, manual and shells do not show it

	value   value
	initial string // the value before any argument
	changed bool
	err     error
}

// value is what a flag is bound to.
type value interface {
	Set(s string) error
	String() string
}

// newFlag makes a flag with the names in spec, "long[,x][,other…]": x is the one letter.
func newFlag(v value, spec, typ, usage string) *Flag {
	f := &Flag{Type: typ, Usage: usage, value: v, initial: v.String()}
	for i, name := range strings.Split(spec, ",") {
		switch {
		case i == 0:
			f.Name = name
		case len(name) == 1:
			f.Short = name
		default:
			f.Also = append(f.Also, name)
		}
	}
	return f
}

// OneOf says which values there are, for shells to complete; it does not check.
func (f *Flag) OneOf(values ...string) *Flag {
	f.Values = values
	return f
}

// From says what the values name, for shells to complete: see Source.
func (f *Flag) From(source string) *Flag {
	f.Source = source
	return f
}

// Hide keeps the flag out of help.
func (f *Flag) Hide() *Flag {
	f.Hidden = true
	return f
}

// As gives the value's type another name in help.
func (f *Flag) As(typ string) *Flag {
	f.Type = typ
	return f
}

// Bool says that the flag needs no value.
func (f *Flag) Bool() bool { return f.Type == "" }

// Changed says whether the flag was given.
func (f *Flag) Changed() bool { return f.changed }

// Default is the value that help shows: "" when it is the zero value of its type.
func (f *Flag) Default() string {
	switch f.initial {
	case "", "false", "0", "[]", "map[]":
		return ""
	}
	return f.initial
}

// Label names the flag in messages: "-e, --env", or "--init".
func (f *Flag) Label() string {
	if f.Short != "" {
		return "-" + f.Short + ", --" + f.Name
	}
	return "--" + f.Name
}

// Names is part of urfave/cli's Flag. One name only: for several, urfave/cli sets a value again under each.
func (f *Flag) Names() []string { return []string{f.Name} }

// IsSet is part of urfave/cli's Flag.
func (f *Flag) IsSet() bool { return f.changed }

// String is part of urfave/cli's Flag.
func (f *Flag) String() string { return f.Label() }

// Apply is part of urfave/cli's Flag: it puts f into the set of the standard library that does the parsing.
func (f *Flag) Apply(set *flag.FlagSet) error {
	set.Var(bound{f}, f.Name, f.Usage)
	return nil
}

// bound is a Flag as the standard library's flag.Value.
type bound struct{ f *Flag }

// Set keeps the error beside handing it on: the standard library makes a text of it.
func (b bound) Set(s string) error {
	b.f.changed = true
	if err := b.f.value.Set(s); err != nil {
		b.f.err = &InvalidValue{Flag: b.f, Value: s, Err: err}
		return b.f.err
	}
	return nil
}

// String is called on a zero value by the standard library.
func (b bound) String() string {
	if b.f == nil {
		return ""
	}
	return b.f.value.String()
}

// Failed is the error of the first flag in table that refused its value, or nil.
func Failed(table []*Flag) error {
	for _, f := range table {
		if f.err != nil {
			return f.err
		}
	}
	return nil
}

// Lookup returns the flag with the long name, or nil.
func Lookup(table []*Flag, name string) *Flag {
	for _, f := range table {
		if f.Name == name {
			return f
		}
		for _, also := range f.Also {
			if also == name {
				return f
			}
		}
	}
	return nil
}

// LookupShort returns the flag with the letter, or nil.
func LookupShort(table []*Flag, letter string) *Flag {
	for _, f := range table {
		if f.Short == letter {
			return f
		}
	}
	return nil
}

// Set gives the flags the values of a normalised line; the errors are Failed's.
func Set(table []*Flag, line Line) {
	for _, arg := range line.Flags {
		name, value, _ := strings.Cut(arg[2:], "=")
		_ = bound{Lookup(table, name)}.Set(value)
	}
}
