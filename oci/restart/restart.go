// Package restart says whether and when a container that has ended is started again.
//
// It is data and arithmetic; the monitor, which keeps the policy, is light, so it imports little of the standard library.
package restart

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The policies. Source: Docker, `run --restart`.
const (
	No            = "no"
	Always        = "always"
	UnlessStopped = "unless-stopped"
	OnFailure     = "on-failure"
)

// Policy is what --restart says; the zero Policy is No.
type Policy struct {
	Name string `json:"name,omitempty"`
	Max  int    `json:"max,omitempty"` // with OnFailure: how often at most; 0: as often as it fails
}

// errNotInteger is docker/cli's (opts/parse.go).
var errNotInteger = errors.New("invalid restart policy format: maximum retry count must be an integer")

// Parse reads the value of --restart. Like Docker's client it looks at the form alone; Check says whether there is such a policy.
func Parse(s string) (Policy, error) {
	name, count, counted := strings.Cut(s, ":")
	if counted && name == "" {
		return Policy{}, errors.New("invalid restart policy format: no policy provided before colon")
	}
	if !counted || count == "" {
		return Policy{Name: name}, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return Policy{}, errNotInteger
	}
	return Policy{Name: name, Max: n}, nil
}

// Check says what is wrong with a policy, in the words of Docker's daemon (moby api/types/container, ValidateRestartPolicy).
func (p Policy) Check() error {
	switch p.Name {
	case Always, No, UnlessStopped:
		if p.Max != 0 {
			return fmt.Errorf("maximum retry count cannot be used with restart policy '%s'", p.Name)
		}
	case OnFailure:
		if p.Max < 0 {
			return errors.New("maximum retry count cannot be negative")
		}
	case "":
		if p.Max != 0 {
			return errors.New("maximum retry count cannot be used with no restart policy")
		}
	default:
		return fmt.Errorf("invalid restart policy '%s'", p.Name)
	}
	return nil
}

// Any says whether the policy can ever start a container again.
func (p Policy) Any() bool { return p.Name != "" && p.Name != No }

// String is the policy as Docker's `inspect` and `info` name it.
func (p Policy) String() string {
	if p.Name == "" {
		return No
	}
	return p.Name
}

// The back-off. Source: moby, daemon/internal/restartmanager.
const (
	firstDelay = 100 * time.Millisecond
	maxDelay   = time.Minute
	longEnough = 10 * time.Second // a run of this length ends a row of failures
)

// History is how often a container was started again since a user started it, and how long hoy waited the last time.
type History struct {
	Restarts int           `json:"restarts,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"`
}

// End is how a run ended.
type End struct {
	Code    int           // the exit code
	Ran     time.Duration // how long it ran
	Stopped bool          // a user has sent it a signal: UnlessStopped takes it for wanted
}

// After gives the history once more with the run that has ended, and whether the container is to be started again, after its Delay.
func (p Policy) After(h History, e End) (History, bool) {
	switch {
	case e.Ran >= longEnough || h.Delay == 0:
		h.Delay = firstDelay
	default:
		h.Delay = min(2*h.Delay, maxDelay)
	}
	again := false
	switch p.Name {
	case Always:
		again = true
	case UnlessStopped:
		again = !e.Stopped
	case OnFailure:
		again = e.Code != 0 && (p.Max == 0 || h.Restarts < p.Max)
	}
	if again {
		h.Restarts++
	}
	return h, again
}

// AtBoot says whether the container is to be started when the machine starts; stopped: a user had stopped it.
func (p Policy) AtBoot(stopped bool) bool {
	return p.Name == Always || p.Name == UnlessStopped && !stopped
}
