package oci

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Secret is one --secret: what a container gets of a secret, and as what. What it says is not in a Config.
type Secret struct {
	Name   string `json:"name"`
	ID     string `json:"id,omitempty"` // what Name meant when the container was created
	Env    bool   `json:"env,omitempty"`
	Target string `json:"target"` // an absolute path, or the variable's name
	UID    uint32 `json:"uid,omitempty"`
	GID    uint32 `json:"gid,omitempty"`
	Mode   uint32 `json:"mode,omitempty"`
}

// secretsDir is where secrets are in a container that are given no other place.
const secretsDir = "/run/secrets"

// ParseSecret reads --secret NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]. Source: podman-run(1).
func ParseSecret(s string) (Secret, error) {
	fields := strings.Split(s, ",")
	x := Secret{Mode: 0o444}
	if !strings.Contains(fields[0], "=") {
		x.Name, fields = fields[0], fields[1:]
	}
	var file string // a field that only a file takes
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		if !ok || value == "" {
			return x, fmt.Errorf("invalid field %q: KEY=VALUE is expected", field)
		}
		if err := x.set(key, value); err != nil {
			return x, err
		}
		if key == "uid" || key == "gid" || key == "mode" {
			file = key
		}
	}
	return x, x.finish(file)
}

func (x *Secret) set(key, value string) error {
	number := func(to *uint32, base int) error {
		n, err := strconv.ParseUint(value, base, 31)
		if err != nil {
			return fmt.Errorf("invalid %s %q", key, value)
		}
		*to = uint32(n)
		return nil
	}
	switch key {
	case "source", "name":
		x.Name = value
	case "type":
		if value != "mount" && value != "env" {
			return fmt.Errorf("type %s is invalid: must be mount or env", value)
		}
		x.Env = value == "env"
	case "target":
		x.Target = value
	case "uid":
		return number(&x.UID, 10)
	case "gid":
		return number(&x.GID, 10)
	case "mode":
		return number(&x.Mode, 8)
	default:
		return fmt.Errorf("unknown field %q", key)
	}
	return nil
}

func (x *Secret) finish(file string) error {
	switch {
	case x.Name == "":
		return errors.New("no secret is named")
	case x.Env && file != "":
		return fmt.Errorf("%s is for secrets that are files", file)
	case x.Mode > 0o777:
		return fmt.Errorf("invalid mode %o", x.Mode)
	}
	if x.Target == "" {
		x.Target = x.Name
	}
	if x.Env {
		if strings.ContainsAny(x.Target, "=\x00") {
			return fmt.Errorf("invalid variable %q", x.Target)
		}
		return nil
	}
	if !path.IsAbs(x.Target) {
		x.Target = path.Join(secretsDir, path.Join("/", x.Target))
	}
	return checkMountPoint(x.Target)
}
