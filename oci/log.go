package oci

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/docker/go-units"
)

// The log drivers.
const (
	LogJSON        = "json-file"
	LogLocal       = "local"       // as LogJSON, with other defaults
	LogJournal     = "journald"    // and a file of a bounded size, for `logs` to read
	LogNone        = "none"        // nothing is kept
	LogPassthrough = "passthrough" // the container gets the descriptors of the command that starts it (Podman)
)

// LogDrivers are all of them, the default first.
var LogDrivers = []string{LogJSON, LogLocal, LogJournal, LogNone, LogPassthrough}

// Log is what --log-driver and --log-opt say together.
type Log struct {
	Driver   string
	MaxSize  int64 // bytes of one file; 0: no limit
	MaxFiles int   // how many files are kept; 0: none
	Compress bool
	Buffer   int64             // bytes that may wait for the log (mode=non-blocking); 0: the container waits
	Attrs    map[string]string // the labels and variables that were asked for, and the tag
	Tag      string            // "" where none was asked for, and the driver has no default
}

// logOption is one --log-opt: how its value is read, and for which drivers it is.
type logOption struct {
	set     func(l *Log, value string) error
	drivers []string
}

var (
	files = []string{LogJSON, LogLocal}
	kept  = []string{LogJSON, LogLocal, LogJournal}
)

var logOptions = map[string]logOption{
	"max-size": {setMaxSize, files},
	"max-file": {setMaxFiles, files},
	"compress": {func(l *Log, v string) (err error) { l.Compress, err = strconv.ParseBool(v); return err }, files},
	// What the container is called in the log, for the drivers that can say it. Log reads the values.
	"labels":       {nil, []string{LogJSON, LogJournal}},
	"labels-regex": {nil, []string{LogJSON, LogJournal}},
	"env":          {nil, []string{LogJSON, LogJournal}},
	"env-regex":    {nil, []string{LogJSON, LogJournal}},
	"tag":          {nil, []string{LogJSON, LogJournal}},
	"cache-disabled": {func(l *Log, v string) error {
		off, err := strconv.ParseBool(v)
		if off {
			l.MaxFiles = 0
		}
		return err
	}, []string{LogJournal}},
	"mode":            {setMode, kept},
	"max-buffer-size": {nil, kept}, // read by setBuffer
}

// Log gives the log of a container. Its errors are Docker's (moby daemon/logger).
func (c *Config) Log() (Log, error) {
	l := Log{Driver: c.LogDriver, MaxFiles: 1}
	switch l.Driver {
	case "":
		l.Driver = LogJSON
	case LogJSON:
	case LogLocal, LogJournal: // Docker's defaults for local, and for what it keeps beside a log that it cannot read
		l.MaxSize, l.MaxFiles, l.Compress = 20e6, 5, true
	case LogNone:
		l.MaxFiles = 0
		if len(c.LogOpts) > 0 {
			return l, errors.New("invalid logging opts for driver none")
		}
	case LogPassthrough:
		l.MaxFiles = 0
		if c.Tty {
			return l, errors.New("--log-driver passthrough cannot be used with a terminal (-t)")
		}
	default:
		return l, fmt.Errorf("logger: no log driver named '%s' is registered", l.Driver)
	}
	for _, name := range slices.Sorted(maps.Keys(c.LogOpts)) {
		o, known := logOptions[name]
		if !known || !slices.Contains(o.drivers, l.Driver) {
			return l, fmt.Errorf("unknown log opt '%s' for %s log driver", name, l.Driver)
		}
		if o.set == nil {
			continue
		}
		if err := o.set(&l, c.LogOpts[name]); err != nil {
			return l, err
		}
	}
	if err := c.setBuffer(&l); err != nil {
		return l, err
	}
	if l.Driver == LogLocal && l.MaxFiles == 1 && c.LogOpts["compress"] == "" {
		l.Compress = false
	}
	if l.Compress && (l.MaxFiles == 1 || l.MaxSize == 0) {
		return l, errors.New("compress cannot be true when max-file is less than 2 or max-size is not set")
	}
	return l, c.logAttrs(&l)
}

func setMaxSize(l *Log, v string) error {
	size, err := units.FromHumanSize(v)
	if err == nil && size <= 0 {
		err = errors.New("max-size must be a positive number")
	}
	l.MaxSize = size
	return err
}

func setMaxFiles(l *Log, v string) error {
	n, err := strconv.Atoi(v)
	if err == nil && n < 1 {
		err = errors.New("max-file cannot be less than 1")
	}
	l.MaxFiles = n
	return err
}

func setMode(l *Log, v string) error {
	switch v {
	case "blocking":
	case "non-blocking":
		l.Buffer = 1e6 // Docker's
	default:
		return fmt.Errorf("logger: logging mode not supported: %s", v)
	}
	return nil
}

func (c *Config) setBuffer(l *Log) error {
	v, given := c.LogOpts["max-buffer-size"]
	if !given {
		return nil
	}
	if l.Buffer == 0 {
		return errors.New("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
	}
	size, err := units.RAMInBytes(v)
	if err == nil && size <= 0 {
		err = errors.New("it must be positive")
	}
	if err != nil {
		return fmt.Errorf("error parsing option max-buffer-size: %s: %w", v, err)
	}
	l.Buffer = size
	return nil
}

// logAttrs puts together what every entry says of the container.
func (c *Config) logAttrs(l *Log) error {
	if len(c.LogOpts) == 0 && l.Driver != LogJournal {
		return nil
	}
	l.Attrs = map[string]string{}
	env := map[string]string{}
	for _, kv := range c.Env {
		key, value, _ := strings.Cut(kv, "=")
		env[key] = value
	}
	for _, from := range []struct {
		names, pattern string
		values         map[string]string
	}{{"labels", "labels-regex", c.Labels}, {"env", "env-regex", env}} {
		names := strings.Split(c.LogOpts[from.names], ",")
		pattern, err := regexp.Compile(c.LogOpts[from.pattern])
		if err != nil {
			return err
		}
		for key, value := range from.values {
			if slices.Contains(names, key) || c.LogOpts[from.pattern] != "" && pattern.MatchString(key) {
				l.Attrs[key] = value
			}
		}
	}
	tag := c.LogOpts["tag"]
	if tag == "" && l.Driver == LogJournal {
		tag = "{{.ID}}"
	}
	var err error
	if l.Tag, err = c.logTag(tag, l.Attrs); l.Tag != "" && l.Driver == LogJSON {
		l.Attrs["tag"] = l.Tag
	}
	return err
}

// logTag fills a tag's template in. Source: moby, daemon/logger/loggerutils.ParseLogTag.
func (c *Config) logTag(text string, attrs map[string]string) (string, error) {
	if text == "" {
		return "", nil
	}
	t, err := template.New("log-tag").Parse(text)
	if err != nil {
		return "", err
	}
	short := func(id string) string { return id[:min(len(id), 12)] }
	var out strings.Builder
	err = t.Execute(&out, map[string]any{
		"ID": short(c.ID), "FullID": c.ID, "Name": c.Name, "ImageID": short(c.ImageID), "ImageFullID": "sha256:" + c.ImageID, "ImageName": c.Image,
		"DaemonName": "hoy", "Command": strings.Join(slices.Concat(c.Entrypoint, c.Cmd), " "), "ExtraAttributes": attrs,
	})
	return out.String(), err
}
