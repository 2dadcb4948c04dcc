package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"codeberg.org/hoy/hoy/oci"
)

// config gives the Config that the flags and args (IMAGE [COMMAND] [ARG...]) describe.
func (o *containerOptions) config(args []string) (*oci.Config, error) {
	c := &o.cfg
	c.Version = oci.ConfigVersion
	c.Image, c.Cmd = args[0], args[1:]
	switch o.pull {
	case "always", "missing", "never":
	default:
		return nil, fmt.Errorf(`invalid pull option: '%s': must be one of "always", "missing" or "never"`, o.pull)
	}
	if o.entrypoint != nil {
		c.Entrypoint = []string{*o.entrypoint} // an empty one takes the image's away
	}
	if o.detachKeys != nil {
		if c.DetachKeys = *o.detachKeys; c.DetachKeys == "" {
			c.DetachKeys = noDetachKeys
		}
	}
	if err := o.parseLists(); err != nil {
		return nil, err
	}
	if err := o.network.config(c); err != nil {
		return nil, err
	}
	if o.swappiness != -1 {
		value := int64(o.swappiness)
		c.Resources.MemorySwappiness = &value
	}
	var err error
	if c.Env, err = environment(o.envFiles, o.env); err != nil {
		return nil, err
	}
	if c.Labels, err = labels(o.labelFiles, o.labels); err != nil {
		return nil, err
	}
	if c.SecurityOpt, err = oci.ReadSecurityOpts(o.securityOpt, os.ReadFile); err != nil {
		return nil, err
	}
	return c, nil
}

// parseLists puts the lists into the Config whose values Docker does not look at before the line is complete.
func (o *containerOptions) parseLists() error {
	c := &o.cfg
	for _, list := range []struct {
		values []string
		set    func(string) error
	}{
		{o.volumes, appendParsed(&c.Mounts, func(s string) (oci.Mount, error) { return oci.ParseVolume(s, o.cwd) })},
		{o.tmpfs, appendParsed(&c.Mounts, oci.ParseTmpfs)},
		{o.devices, appendParsed(&c.Devices, oci.ParseDevice)},
		{o.exposed, o.expose},
	} {
		for _, v := range list.values {
			if err := list.set(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// noDetachKeys is engine.StartOptions.DetachKeys for `--detach-keys ""`.
const noDetachKeys = "-"

// environment puts together --env-file and -e; a name without a value takes that of hoy's own environment.
func environment(files, list []string) ([]string, error) {
	var out []string
	for _, name := range files {
		err := withFile(name, func(r io.Reader) error {
			lines, err := oci.ParseEnvFile(r, os.LookupEnv)
			out = append(out, lines...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	own, err := oci.ResolveEnv(list, os.LookupEnv)
	return append(out, own...), err
}

// labels puts together --label-file and --label.
func labels(files, list []string) (map[string]string, error) {
	var all []string
	for _, name := range files {
		err := withFile(name, func(r io.Reader) error {
			lines, err := oci.ParseLabelFile(r)
			all = append(all, lines...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return oci.ParseLabels(append(all, list...))
}

func withFile(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(f)
}

// appendParsed makes the setter of a list whose values are parsed as they are given.
func appendParsed[T any](list *[]T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err == nil {
			*list = append(*list, v)
		}
		return err
	}
}

// keep makes the setter of a list whose values are checked as they are given.
func keep(list *[]string, check func(string) error) func(string) error {
	return appendParsed(list, func(s string) (string, error) { return s, check(s) })
}

func (o *containerOptions) parseMount(s string) (oci.Mount, error) { return oci.ParseMount(s, o.cwd) }

func (o *containerOptions) attach(s string) error {
	stream := strings.ToLower(s)
	switch stream {
	case "stdin", "stdout", "stderr":
		o.cfg.Attach = append(o.cfg.Attach, stream)
		return nil
	}
	return errors.New("valid streams are STDIN, STDOUT and STDERR")
}

func (o *containerOptions) sysctl(s string) error {
	key, value, err := oci.ParseSysctl(s)
	if err != nil {
		return err
	}
	if o.cfg.Sysctls == nil {
		o.cfg.Sysctls = map[string]string{}
	}
	o.cfg.Sysctls[key] = value
	return nil
}

func (o *containerOptions) shmSize(s string) (err error) {
	o.cfg.ShmSize, err = oci.ParseBytes(s)
	return err
}

func (o *containerOptions) expose(s string) error {
	ports, err := parseExpose(s)
	o.cfg.Ports = append(o.cfg.Ports, ports...)
	return err
}

func checkEnv(s string) error {
	if s == "" || s[0] == '=' {
		return fmt.Errorf("invalid environment variable: %s", s)
	}
	return nil
}

func checkLabel(s string) error {
	if s == "" || s[0] == '=' {
		return fmt.Errorf("invalid label '%s': empty name", s)
	}
	return nil
}
