package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci/health"
)

var healthcheckCommands = []node{{name: "run", make: healthcheckRunCommand}}

// healthcheckRunCommand is Podman's: 0 healthy, 1 unhealthy, 125 when it could not be checked.
func healthcheckRunCommand(s *session) *command {
	return &command{
		args:     "CONTAINER",
		short:    "Run the health check of a container",
		min:      1,
		max:      1,
		complete: first(runningContainers),
		run: func(_ context.Context, args []string) error {
			e, c, err := s.container(args[0])
			if err != nil {
				return runError(err)
			}
			code, err := e.Healthcheck(c)
			if err != nil {
				return runError(err)
			}
			if code != 0 {
				s.print(health.Unhealthy)
				return status(1)
			}
			return nil
		},
	}
}

// healthOptions are --health-* and --no-healthcheck.
type healthOptions struct {
	check health.Check
	cmd   string
	none  bool
}

func (o *healthOptions) flags() []*flags.Flag {
	const each = " (ms|s|m|h)"
	return []*flags.Flag{
		flags.String(&o.cmd, "health-cmd", "Command to run to check health"),
		durationFlag(&o.check.Interval, "health-interval", "Time between running the check"+each),
		flags.Func(logLimit(&o.check.LogCount), "health-max-log-count", "How many results are kept; 0 keeps all (Podman) (default 5)").As("int"),
		flags.Func(logLimit(&o.check.LogSize), "health-max-log-size", "How many bytes of what a check writes are kept; 0 keeps all (Podman) (default 4096)").As("int"),
		flags.String(&o.check.OnFailure, "health-on-failure", "What to do with a container that becomes unhealthy (none|kill|restart|stop) (Podman)").OneOf(health.OnFailures...),
		flags.Int(&o.check.Retries, "health-retries", "Consecutive failures needed to report unhealthy"),
		durationFlag(&o.check.StartInterval, "health-start-interval", "Time between running the check during the start period"+each),
		durationFlag(&o.check.StartPeriod, "health-start-period", "Start period for the container to initialize before starting health-retries countdown"+each),
		durationFlag(&o.check.Timeout, "health-timeout", "Maximum time to allow one check to run"+each),
		flags.Bool(&o.none, "no-healthcheck", "Disable any container-specified HEALTHCHECK"),
	}
}

func durationFlag(p *time.Duration, spec, usage string) *flags.Flag {
	return flags.Func(setParsed(p, time.ParseDuration), spec, usage+" (default 0s)").As("duration")
}

// logLimit reads a number of which 0 means none: -1 in a health.Check.
func logLimit(to *int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err == nil && n < 0 {
			err = errors.New("it cannot be negative")
		}
		if *to = n; n == 0 {
			*to = -1
		}
		return err
	}
}

// config gives the check that the flags describe; nil: the image's. Source: docker/cli, cli/command/container/opts.go.
func (o *healthOptions) config() (*health.Check, error) {
	c := &o.check
	given := o.cmd != "" || c.Interval != 0 || c.Timeout != 0 || c.StartPeriod != 0 || c.StartInterval != 0 || c.Retries != 0 || c.OnFailure != "" || c.LogCount != 0 || c.LogSize != 0
	if o.none {
		if given {
			return nil, errors.New("--no-healthcheck conflicts with --health-* options")
		}
		return &health.Check{Test: []string{"NONE"}}, nil
	}
	if !given {
		return nil, nil
	}
	for _, d := range []struct {
		name  string
		wrong bool
	}{
		{"interval", c.Interval < 0}, {"timeout", c.Timeout < 0}, {"retries", c.Retries < 0},
		{"start-period", c.StartPeriod < 0}, {"start-interval", c.StartInterval < 0},
	} {
		if d.wrong {
			return nil, errors.New("--health-" + d.name + " cannot be negative")
		}
	}
	c.Test = healthTest(o.cmd)
	return c, nil
}

// healthTest reads --health-cmd: a line for a shell, or, as Podman takes it too, a JSON array of the words of HEALTHCHECK.
func healthTest(cmd string) []string {
	if cmd == "" {
		return nil
	}
	var words []string
	if strings.HasPrefix(cmd, "[") && json.Unmarshal([]byte(cmd), &words) == nil && len(words) > 0 {
		if words[0] != "CMD" && words[0] != "CMD-SHELL" && words[0] != "NONE" {
			words = append([]string{"CMD"}, words...)
		}
		return words
	}
	return []string{"CMD-SHELL", cmd}
}
