package flags

import "fmt"

// Unknown is a flag that the table does not have.
type Unknown struct {
	Name string
	In   string // the letters it was found in, for a short one
}

// Error is pflag's text.
func (e *Unknown) Error() string {
	if e.In != "" {
		return fmt.Sprintf("unknown shorthand flag: %q in -%s", e.Name[0], e.In)
	}
	return "unknown flag: --" + e.Name
}

// MissingValue is a flag at the end of the line that needs a value.
type MissingValue struct {
	Flag *Flag
	In   string // the letters it was found in, when it was given by its letter
}

// Error is pflag's text.
func (e *MissingValue) Error() string {
	if e.In != "" {
		return fmt.Sprintf("flag needs an argument: %q in -%s", e.In[0], e.In)
	}
	return "flag needs an argument: --" + e.Flag.Name
}

// BadSyntax is an argument that begins as a flag and is none: --=x, ---x.
type BadSyntax struct{ Arg string }

// Error is pflag's text.
func (e *BadSyntax) Error() string { return "bad flag syntax: " + e.Arg }

// InvalidValue is a value that its flag refused.
type InvalidValue struct {
	Flag  *Flag
	Value string
	Err   error
}

// Error is pflag's text.
func (e *InvalidValue) Error() string {
	return fmt.Sprintf("invalid argument %q for %q flag: %v", e.Value, e.Flag.Label(), e.Err)
}

// Unwrap is what the flag said.
func (e *InvalidValue) Unwrap() error { return e.Err }
