package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// filters are the values of --filter by name. Values of one name are alternatives, names must all fit.
type filters map[string][]string

// filterFlag is --filter, in full as far as allowed goes.
func filterFlag(f *filters, spec, usage string, allowed ...string) *flags.Flag {
	var values []string
	for _, name := range allowed {
		values = append(values, name+"=")
	}
	return flags.Func(func(s string) error { return f.set(s, allowed) }, spec, usage).As("filter").OneOf(values...)
}

// unknownFilter is a filter that a command does not have. Docker's daemon says so, not its client: it is no wrong flag.
type unknownFilter struct{ name string }

func (e *unknownFilter) Error() string { return fmt.Sprintf("invalid filter '%s'", e.name) }

func (f *filters) set(s string, allowed []string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return errors.New("bad format of filter (expected name=value)")
	}
	name = strings.ToLower(strings.TrimSpace(name))
	if !slices.Contains(allowed, name) {
		return &unknownFilter{name}
	}
	if *f == nil {
		*f = filters{}
	}
	(*f)[name] = append((*f)[name], strings.TrimSpace(value))
	return nil
}

// match says whether no value of name was asked for, or fits says yes to one.
func (f filters) match(name string, fits func(value string) bool) bool {
	return len(f[name]) == 0 || slices.ContainsFunc(f[name], fits)
}

// matchLabels says whether labels has every KEY and KEY=VALUE asked for.
func (f filters) matchLabels(labels map[string]string) bool {
	for _, want := range f["label"] {
		key, value, given := strings.Cut(want, "=")
		if have, ok := labels[key]; !ok || given && have != value {
			return false
		}
	}
	return true
}

// flag gives the value of a filter that is true or false.
func (f filters) flag(name string) (value, given bool, err error) {
	values := f[name]
	if len(values) == 0 {
		return false, false, nil
	}
	switch values[0] {
	case "1", "true":
		return true, true, nil
	case "0", "false":
		return false, true, nil
	}
	return false, false, fmt.Errorf("invalid filter '%s=%s'", name, values[0])
}
