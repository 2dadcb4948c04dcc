package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/health"
	"codeberg.org/hoy/hoy/oci/restart"
	"codeberg.org/hoy/hoy/storage"
)

var psFilters = []string{"ancestor", "before", "command", "exited", "expose", "health", "id", "is-task", "label", "label!", "name", "network", "publish",
	"restart-policy", "should-start-on-boot", "since", "status", "until", "volume"}

// containers selects from list, which has the newest first. Source: moby, daemon/list.go.
func (f filters) containers(e *engine.Engine, list []*engine.Container) ([]*engine.Container, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	before, err := f.reference(e, "before")
	if err != nil {
		return nil, err
	}
	since, err := f.reference(e, "since")
	if err != nil {
		return nil, err
	}
	names, err := f.patterns("name")
	if err != nil {
		return nil, err
	}
	if _, err := f.older(time.Now()); err != nil {
		return nil, err
	}
	var out []*engine.Container
	for _, c := range list {
		switch {
		case before != nil && !c.Config.Created.Before(before.Config.Created),
			since != nil && !c.Config.Created.After(since.Config.Created),
			!matchName(names, c.Name()),
			!f.fitsPorts(c, e.Ports(c)),
			!f.fits(c):
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

// check says which values can fit nothing.
func (f filters) check() error {
	for _, v := range f["status"] {
		if !slices.Contains([]string{"created", "running", "paused", "restarting", "removing", "exited", "dead"}, v) {
			return fmt.Errorf("invalid filter 'status=%s'", v)
		}
	}
	if _, _, err := f.flag("should-start-on-boot"); err != nil {
		return err
	}
	for _, v := range f["restart-policy"] {
		if !slices.Contains([]string{restart.No, restart.Always, restart.OnFailure, restart.UnlessStopped}, v) {
			return fmt.Errorf("invalid filter 'restart-policy=%s'", v)
		}
	}
	for _, name := range []string{"publish", "expose"} {
		for _, v := range f[name] {
			if _, err := parsePortFilter(v); err != nil {
				return fmt.Errorf("invalid filter '%s=%s': %w", name, v, err)
			}
		}
	}
	if _, _, err := f.flag("is-task"); err != nil {
		return err
	}
	for _, v := range f["health"] {
		if !slices.Contains([]string{health.Starting, health.Healthy, health.Unhealthy, health.None}, v) {
			//lint:ignore ST1005 Docker's words
			return fmt.Errorf("Unrecognised filter value for health: %s", v)
		}
	}
	for _, v := range f["exited"] {
		if _, err := strconv.Atoi(v); err != nil {
			return fmt.Errorf("invalid filter 'exited=%s'", v)
		}
	}
	return nil
}

// reference is the container that `before` or `since` names, or nil.
func (f filters) reference(e *engine.Engine, name string) (*engine.Container, error) {
	if len(f[name]) == 0 {
		return nil, nil
	}
	return e.Find(f[name][0])
}

// patterns are the values of a filter as the regular expressions that they are.
func (f filters) patterns(name string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, v := range f[name] {
		re, err := regexp.Compile(v)
		if err != nil {
			return nil, fmt.Errorf("invalid filter '%s=%s': %w", name, v, err)
		}
		out = append(out, re)
	}
	return out, nil
}

// matchName tries a name with and without the slash that Docker keeps before it.
func matchName(patterns []*regexp.Regexp, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool {
		return re.MatchString(name) || re.MatchString("/"+name)
	})
}

func (f filters) fits(c *engine.Container) bool {
	cfg := &c.Config
	if task, _, _ := f.flag("is-task"); task {
		return false // they are swarm's
	}
	return f.selects(cfg.Labels, cfg.Created) &&
		f.match("command", func(v string) bool {
			return slices.Contains(slices.Concat(cfg.Entrypoint, cfg.Cmd), v)
		}) &&
		f.match("id", func(v string) bool { return strings.HasPrefix(c.ID(), v) }) &&
		f.match("status", func(v string) bool { return v == string(c.State.Status) }) &&
		f.match("exited", func(v string) bool {
			return c.State.Status == engine.StatusExited && v == strconv.Itoa(c.State.ExitCode)
		}) &&
		f.match("health", func(v string) bool { return v == healthOf(c) }) &&
		f.match("restart-policy", func(v string) bool { return v == cfg.Restart.String() }) &&
		f.match("should-start-on-boot", func(v string) bool {
			return cfg.Restart.AtBoot(c.State.Stopped) == (v == "true" || v == "1")
		}) &&
		f.match("network", func(v string) bool { return slices.Contains(c.NetworkNames(), v) }) &&
		f.match("volume", func(v string) bool {
			return slices.ContainsFunc(cfg.Mounts, func(m oci.Mount) bool { return m.Source == v || m.Target == v })
		}) &&
		f.match("ancestor", func(v string) bool { return fromImage(cfg, v) })
}

func healthOf(c *engine.Container) string {
	if c.State.Health == nil {
		return health.None
	}
	return c.State.Health.Status
}

// fromImage says whether the container was made from the image, given by name or by at least the first digits of its id.
func fromImage(cfg *oci.Config, image string) bool {
	digits := strings.TrimPrefix(image, "sha256:")
	if len(digits) >= 4 && strings.HasPrefix(cfg.ImageID, digits) {
		return true
	}
	want, err := storage.NormalName(image)
	have, haveErr := storage.NormalName(cfg.Image)
	return err == nil && haveErr == nil && want == have
}
