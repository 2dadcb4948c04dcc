package engine

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// orGone is what is to be said of err, which an operation on c gave: when the container was removed meanwhile, that.
func (e *Engine) orGone(c *Container, err error) error {
	if err == nil {
		return nil
	}
	if _, gone := readRecord(c.place); errors.Is(gone, ErrNoContainer) {
		return &refError{c.Name(), ErrNoContainer}
	}
	return err
}

func (c *Container) errNotRunning() error {
	return fmt.Errorf("container %s is not running%w", c.ID(), hidden{ErrNotRunning})
}

// orEnded is what is to be said of err, which joining a running container gave: when the container has ended since we looked, that.
func (c *Container) orEnded(err error) error {
	ended := errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrNotExist) && !c.process.Alive()
	if err != nil && ended {
		return c.errNotRunning()
	}
	return err
}
