package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/event"
	"codeberg.org/hoy/hoy/storage"
)

type eventsOptions struct {
	since, until, format string
	filters              filters
}

func eventsCommand(s *session) *command {
	var o eventsOptions
	return &command{
		args:    "[OPTIONS]",
		short:   "Get real time events from the server",
		aliases: []string{"system events", "events"},
		flags: []*flags.Flag{
			filterFlag(&o.filters, "filter,f", "Filter output based on conditions provided", eventFilters...),
			flags.String(&o.format, "format", objectFormatUsage).OneOf("json"),
			flags.String(&o.since, "since", "Show all events created since timestamp"),
			flags.String(&o.until, "until", "Stream events until this timestamp"),
		},
		run: func(ctx context.Context, _ []string) error { return s.events(ctx, o) },
	}
}

// events shows what happens, until the time of --until or for ever.
func (s *session) events(ctx context.Context, o eventsOptions) error {
	now := time.Now()
	since, err := parseTime(o.since, now)
	if err != nil {
		return fmt.Errorf(`invalid value for "since": %w`, err)
	}
	until, err := parseTime(o.until, now)
	if err != nil {
		return fmt.Errorf(`invalid value for "until": %w`, err)
	}
	show, err := eventPrinter(s.Out, o.format)
	if err != nil {
		return templateError(err)
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	r, err := e.Events(since)
	if err != nil {
		return err
	}
	defer r.Close()
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	for ended := false; ; {
		list, err := r.Next()
		if err != nil {
			return err
		}
		for _, one := range list {
			if (until.IsZero() || !one.Time().After(until)) && o.filters.event(&one) {
				if err := show(newEventRow(&one)); err != nil {
					return err
				}
			}
		}
		if ended {
			return nil
		}
		if len(list) == 0 {
			err := r.Wait(ctx)
			if ended = errors.Is(err, context.DeadlineExceeded); err != nil && !ended {
				return err
			}
		}
	}
}

// eventRow is an event as Docker gives it to templates. Source: moby, api/types/events.Message.
type eventRow struct {
	Status string `json:"status,omitempty"`
	ID     string `json:"id,omitempty"`
	From   string `json:"from,omitempty"`
	Type   string
	Action string
	Actor  eventActor
	Scope  string `json:"scope,omitempty"`

	Time     int64 `json:"time,omitempty"`
	TimeNano int64 `json:"timeNano,omitempty"`
}

type eventActor struct {
	ID         string
	Attributes map[string]string
}

func newEventRow(e *event.Event) eventRow {
	r := eventRow{
		Type: e.Type, Action: e.Action, Actor: eventActor{e.ID, e.Attributes}, Scope: "local", Time: e.Time().Unix(), TimeNano: e.TimeNano,
	}
	if r.Actor.Attributes == nil {
		r.Actor.Attributes = map[string]string{}
	}
	switch e.Type { // as Docker did before there were other things than these
	case "container":
		r.Status, r.ID, r.From = e.Action, e.ID, e.Attributes["image"]
	case "image":
		r.Status, r.ID = e.Action, e.ID
	}
	return r
}

// eventPrinter gives the function that prints an event as --format says.
func eventPrinter(w io.Writer, text string) (func(eventRow) error, error) {
	if text == "" {
		return func(r eventRow) error {
			_, err := fmt.Fprintln(w, r.line())
			return err
		}, nil
	}
	if text == "json" {
		text = "{{json .}}"
	}
	t, err := format.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := t.Execute(io.Discard, eventRow{}); err != nil { // one that cannot work is an error also when nothing happens
		return nil, fmt.Errorf("template parsing error: %w", err)
	}
	return func(r eventRow) error {
		var line strings.Builder
		if err := t.Execute(&line, r); err != nil {
			return fmt.Errorf("template parsing error: %w", err)
		}
		_, err := fmt.Fprintln(w, line.String())
		return err
	}, nil
}

// line is Docker's line for an event (docker/cli, cli/command/system/events.go).
func (r eventRow) line() string {
	line := time.Unix(0, r.TimeNano).Format("2006-01-02T15:04:05.000000000Z07:00") + " " + r.Type + " " + r.Action + " " + r.Actor.ID
	if len(r.Actor.Attributes) == 0 {
		return line
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(r.Actor.Attributes)) {
		list = append(list, key+"="+r.Actor.Attributes[key])
	}
	return line + " (" + strings.Join(list, ", ") + ")"
}

var eventFilters = []string{
	"config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret", "service", "type", "volume",
}

// event says whether an event is asked for. Source: moby, daemon/events/filter.go.
func (f filters) event(e *event.Event) bool {
	for _, never := range []string{"config", "daemon", "node", "plugin", "secret", "service"} { // nothing ever happens to one
		if len(f[never]) > 0 {
			return false
		}
	}
	for _, kind := range []string{"container", "network", "volume"} {
		if !f.match(kind, func(v string) bool {
			return e.Type == kind && (strings.HasPrefix(e.ID, v) || strings.HasPrefix(e.Attributes["name"], v))
		}) {
			return false
		}
	}
	return f.match("type", func(v string) bool { return v == e.Type }) &&
		f.match("scope", func(v string) bool { return v == "local" }) &&
		f.match("event", func(v string) bool { return matchAction(v, e.Action) }) &&
		f.match("image", func(v string) bool { return matchEventImage(v, e) }) &&
		f.matchLabels(e.Attributes)
}

// matchAction compares an action; "exec_create" stands for all that follows its colon, too.
func matchAction(want, action string) bool {
	switch want {
	case "health_status", "exec_create", "exec_start":
		return strings.HasPrefix(action, want)
	}
	return want == action
}

// matchEventImage says whether an event is about an image, or about a container that was made of it.
func matchEventImage(want string, e *event.Event) bool {
	name := e.Attributes["image"]
	if e.Type == "image" {
		name = e.Attributes["name"]
	}
	for _, have := range []string{e.ID, name} {
		full, err := storage.NormalName(have)
		wanted, wantedErr := storage.NormalName(want)
		if have == want || have != "" && err == nil && wantedErr == nil && full == wanted {
			return true
		}
	}
	return false
}
