package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine/cdi"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/userns"
)

// config gives the Config that the flags and args (IMAGE [COMMAND] [ARG...]) describe.
func (o *containerOptions) config(args []string) (*oci.Config, error) {
	c := &o.cfg
	c.Version = oci.ConfigVersion
	c.Image, c.Cmd = args[0], args[1:]
	if o.rootfs {
		o.useRootfs(args[0])
	}
	if err := o.images.check(c); err != nil {
		return nil, err
	}
	switch o.pull {
	case "always", "missing", "never", "newer":
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
	if err := o.useSubIDs(); err != nil {
		return nil, err
	}
	o.addReadOnlyTmpfs()
	o.environ.rules(&c.EnvRules)
	var err error
	if c.Healthcheck, err = o.health.config(); err != nil {
		return nil, err
	}
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

// useSubIDs gives the container the subordinate ids of --subuidname and --subgidname, from its id 0 on. Each is the other where it is missing.
func (o *containerOptions) useSubIDs() error {
	if o.subUser+o.subGroup == "" {
		return nil
	}
	c := &o.cfg
	if len(c.UIDMap)+len(c.GIDMap) > 0 {
		return errors.New("conflicting options: --subuidname and --subgidname cannot be used with --uidmap and --gidmap")
	}
	user, group := cmp.Or(o.subUser, o.subGroup), cmp.Or(o.subGroup, o.subUser)
	uids, _ := rootless.SubIDs(user)
	_, gids := rootless.SubIDs(group)
	if len(uids) == 0 || len(gids) == 0 {
		return fmt.Errorf("no subordinate ids of %s in /etc/subuid, or of %s in /etc/subgid", user, group)
	}
	c.UIDMap, c.GIDMap = mapsFromZero(uids), mapsFromZero(gids)
	return nil
}

func mapsFromZero(ranges []userns.Range) (maps []string) {
	next := uint32(0)
	for _, r := range ranges {
		maps = append(maps, fmt.Sprintf("%d:@%d:%d", next, r.Outside, r.Count))
		next += r.Count
	}
	return maps
}

// useRootfs takes DIR or DIR:O as the container's root.
func (o *containerOptions) useRootfs(arg string) {
	c := &o.cfg
	c.Image = ""
	arg, c.RootfsOverlay = strings.CutSuffix(arg, ":O")
	_ = o.path(&c.Rootfs)(arg) // never fails
}

// addReadOnlyTmpfs mounts what --read-only-tmpfs says where nothing else is mounted.
func (o *containerOptions) addReadOnlyTmpfs() {
	c := &o.cfg
	if !o.readOnlyTmpfs || !c.ReadOnly {
		return
	}
	for _, target := range []string{"/run", "/tmp", "/var/tmp"} {
		if !slices.ContainsFunc(c.Mounts, func(m oci.Mount) bool { return m.Target == target }) {
			c.Mounts = append(c.Mounts, oci.Mount{Type: oci.MountTmpfs, Target: target, Options: []string{"exec"}})
		}
	}
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
		{o.devices, o.device},
		{o.gpus, o.gpu},
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
	own, err := oci.ResolveEnv(expandEnv(list, os.Environ()), os.LookupEnv)
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

// keepOne makes the setter of a value that is checked as it is given.
func keepOne(to *string, check func(string) error) func(string) error {
	return setParsed(to, func(s string) (string, error) { return s, check(s) })
}

func (o *containerOptions) mount(s string) error {
	m, err := oci.ParseMount(s, o.cwd)
	if err != nil {
		return err
	}
	all := []oci.Mount{m}
	if m.Type == oci.MountGlob {
		all, err = expandGlob(m)
	}
	o.cfg.Mounts = append(o.cfg.Mounts, all...)
	return err
}

// expandGlob gives a bind for each path that fits the source: at the same place, or below the target (podman).
func expandGlob(m oci.Mount) ([]oci.Mount, error) {
	paths, err := filepath.Glob(m.Source)
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no path matches %q", m.Source)
	}
	var all []oci.Mount
	for _, p := range paths {
		one := m
		one.Type, one.Source, one.Target = oci.MountBind, p, p
		if m.Target != "" {
			one.Target = filepath.Join(m.Target, filepath.Base(p))
		}
		all = append(all, one)
	}
	return all, nil
}

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

// ulimit reads one limit. A container inherits those that are not set from hoy, which is what podman's "host" says.
func (o *containerOptions) ulimit(s string) error {
	if s == "host" {
		return nil
	}
	return appendParsed(&o.cfg.Ulimits, oci.ParseUlimit)(s)
}

func (o *containerOptions) shmSize(s string) (err error) {
	o.cfg.ShmSize, err = oci.ParseBytes(s)
	return err
}

// device takes a --device: a path, or a CDI device's name.
func (o *containerOptions) device(s string) error {
	if cdi.IsName(s) {
		o.cfg.CDI = append(o.cfg.CDI, s)
		return nil
	}
	return appendParsed(&o.cfg.Devices, oci.ParseDevice)(s)
}

// gpu takes a --gpus.
func (o *containerOptions) gpu(s string) error {
	names, err := cdi.Read(cdi.Dirs()).GPUs(s)
	o.cfg.CDI = append(o.cfg.CDI, names...)
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
