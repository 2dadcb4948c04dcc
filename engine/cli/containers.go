package cli

import (
	"errors"
	"sync"

	"codeberg.org/hoy/hoy/engine"
)

// container opens the engine and finds the container that ref names.
func (s *session) container(ref string) (*engine.Engine, *engine.Container, error) {
	e, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	c, err := e.Find(ref)
	return e, c, err
}

// eachContainer does the same with several containers, all at once, and prints the names of those where it went well, in the
// order given, as Docker does.
func (s *session) eachContainer(refs []string, do func(*engine.Engine, *engine.Container) error) error {
	e, err := s.open()
	if err != nil {
		return err
	}
	results := make([]error, len(refs))
	var wg sync.WaitGroup
	for i, ref := range refs {
		wg.Go(func() {
			c, err := e.Find(ref)
			if err == nil {
				err = do(e, c)
			}
			results[i] = err
		})
	}
	wg.Wait()
	for i, ref := range refs {
		if results[i] == nil {
			s.print(ref)
		}
	}
	return errors.Join(results...)
}
