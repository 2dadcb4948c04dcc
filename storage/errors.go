package storage

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// explain gives every error one line, and those of a full disk a clear one. The library's helper processes report theirs as text alone.
func (s *Store) explain(err error) error {
	if err == nil || errors.Is(err, ErrNoSpace) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		return fmt.Errorf("%w: %s", ErrNoSpace, s.dir)
	}
	if strings.Contains(err.Error(), "\n") {
		return line{err}
	}
	return err
}

// line is an error that is told on one line: the library's helper processes write several.
type line struct{ err error }

func (l line) Error() string {
	return strings.Join(strings.FieldsFunc(l.err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

func (l line) Unwrap() error { return l.err }
