package storage

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// explain gives the errors of a full disk one clear line. The library's helper processes report theirs as text alone.
func (s *Store) explain(err error) error {
	if err == nil || errors.Is(err, ErrNoSpace) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		return fmt.Errorf("%w: %s", ErrNoSpace, s.dir)
	}
	return err
}
