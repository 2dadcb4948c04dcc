package flags

import (
	"strconv"
	"strings"
)

// Bool binds p: --name, --name=false. The value of p is the default.
func Bool(p *bool, spec, usage string) *Flag {
	return newFlag((*boolValue)(p), spec, "", usage)
}

// String binds p. The value of p is the default.
func String(p *string, spec, usage string) *Flag {
	return newFlag((*stringValue)(p), spec, "string", usage)
}

// Int binds p. The value of p is the default.
func Int(p *int, spec, usage string) *Flag {
	return newFlag((*intValue)(p), spec, "int", usage)
}

// OptInt binds p, which stays nil while the flag is not given.
func OptInt(p **int, spec, usage string) *Flag {
	return newFlag(optIntValue{p}, spec, "int", usage)
}

// OptString binds p, which stays nil while the flag is not given.
func OptString(p **string, spec, usage string) *Flag {
	return newFlag(optStringValue{p}, spec, "string", usage)
}

// List binds p: each value given is appended.
func List(p *[]string, spec, usage string) *Flag {
	return newFlag((*listValue)(p), spec, "list", usage)
}

// Map binds p: each value given is a KEY=VALUE, or a KEY with an empty value.
func Map(p *map[string]string, spec, usage string) *Flag {
	return newFlag((*mapValue)(p), spec, "map", usage)
}

// Func calls set with each value given; its error is shown as what is wrong with the value.
func Func(set func(string) error, spec, usage string) *Flag {
	return newFlag(funcValue(set), spec, "list", usage)
}

type boolValue bool

func (v *boolValue) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err == nil {
		*v = boolValue(b)
	}
	return err
}

func (v *boolValue) String() string { return strconv.FormatBool(bool(*v)) }

type stringValue string

func (v *stringValue) Set(s string) error {
	*v = stringValue(s)
	return nil
}

func (v *stringValue) String() string { return string(*v) }

type intValue int

func (v *intValue) Set(s string) error {
	n, err := parseInt(s)
	if err == nil {
		*v = intValue(n)
	}
	return err
}

func (v *intValue) String() string { return strconv.Itoa(int(*v)) }

// parseInt takes 10, 0x0a and 012, as pflag does, and no more than the machine's int.
func parseInt(s string) (int, error) {
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	return int(n), err
}

type optIntValue struct{ p **int }

func (v optIntValue) Set(s string) error {
	n, err := parseInt(s)
	if err == nil {
		*v.p = &n
	}
	return err
}

func (v optIntValue) String() string {
	if *v.p == nil {
		return ""
	}
	return strconv.Itoa(**v.p)
}

type optStringValue struct{ p **string }

func (v optStringValue) Set(s string) error {
	*v.p = &s
	return nil
}

func (v optStringValue) String() string {
	if *v.p == nil {
		return ""
	}
	return **v.p
}

type listValue []string

func (v *listValue) Set(s string) error {
	*v = append(*v, s)
	return nil
}

func (v *listValue) String() string { return strings.Join(*v, ",") }

type mapValue map[string]string

func (v *mapValue) Set(s string) error {
	if *v == nil {
		*v = mapValue{}
	}
	key, val, _ := strings.Cut(s, "=")
	(*v)[key] = val
	return nil
}

func (v *mapValue) String() string { return "" }

type funcValue func(string) error

func (v funcValue) Set(s string) error { return v(s) }

func (v funcValue) String() string { return "" }
