package cli

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// imageOptions are the flags of how `run` and `create` get their image. They are podman's.
type imageOptions struct {
	pull              storage.PullOptions
	os, arch, variant string
	tlsVerify         bool
	verify            *flags.Flag
	remove            bool // --rmi
}

func (o *containerOptions) imageFlags() []*flags.Flag {
	i := &o.images
	i.tlsVerify = true
	i.verify = flags.Bool(&i.tlsVerify, "tls-verify", "Require HTTPS and verify certificates when contacting registries")
	return append(pullFlags(&i.pull),
		flags.String(&i.arch, "arch", "Use ARCH instead of the architecture of the machine for choosing images"),
		flags.String(&i.os, "os", "Use OS instead of the running OS for choosing images"),
		flags.Bool(&i.remove, "rmi", "Remove image unless used by other containers, implies --rm"),
		flags.String(&i.variant, "variant", "Use VARIANT instead of the running architecture variant for choosing images"),
		i.verify,
	)
}

// pullFlags are those that `pull` has as well.
func pullFlags(p *storage.PullOptions) []*flags.Flag {
	return []*flags.Flag{
		flags.String(&p.AuthFile, "authfile", "Path of the authentication file (default: REGISTRY_AUTH_FILE)").From("file"),
		flags.String(&p.CertDir, "cert-dir", "Directory with the certificates and keys that are used to connect to the registry").From("dir"),
		flags.Func(setParsed(&p.Credentials, parseCredentials), "creds", "Credentials (USERNAME:PASSWORD) to use for authenticating to a registry").As("string"),
		flags.OptInt(&p.Retry, "retry", "Number of times to retry in case of failure when performing pull"),
		flags.Func(setParsed(&p.RetryDelay, time.ParseDuration), "retry-delay", "Delay between retries in case of pull failures").As("string"),
	}
}

func parseCredentials(s string) (*storage.Credentials, error) {
	user, password, ok := strings.Cut(s, ":")
	if user == "" {
		return nil, errors.New("no user name")
	}
	if !ok {
		return nil, fmt.Errorf("no password for %s", user)
	}
	return &storage.Credentials{User: user, Password: password}, nil
}

// check looks at the options together, and puts --os, --arch and --variant into the platform.
func (i *imageOptions) check(c *oci.Config) error {
	if i.verify.Changed() {
		i.pull.TLSVerify = &i.tlsVerify
	}
	if i.os+i.arch+i.variant != "" {
		if c.Platform != "" {
			return errors.New("--platform option can not be specified with --arch, --os or --variant")
		}
		c.Platform = platformOf(i.os, i.arch, i.variant)
	}
	if !i.remove {
		return nil
	}
	if c.Detach {
		return errors.New("conflicting options: --rmi needs a container in the foreground, and --detach")
	}
	c.AutoRemove = true
	return nil
}

// platformOf is os/arch[/variant], with this machine's where nothing is said.
func platformOf(os, arch, variant string) string {
	if os == "" {
		os = "linux"
	}
	if arch == "" {
		arch = runtime.GOARCH
	}
	return strings.TrimSuffix(os+"/"+arch+"/"+variant, "/")
}
