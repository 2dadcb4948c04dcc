package cli

import (
	"os"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
)

// environmentOptions are the flags beside -e and --env-file that make a container's environment. They are podman's.
type environmentOptions struct {
	host, proxy, unsetAll bool
	merge, unset          []string
}

func (o *containerOptions) environmentFlags() []*flags.Flag {
	e := &o.environ
	return []*flags.Flag{
		flags.Bool(&e.host, "env-host", "Use all current host environment variables in container"),
		flags.Func(keep(&e.merge, checkEnv), "env-merge", "Preprocess environment variables from image before injecting them into the container"),
		flags.Bool(&e.proxy, "http-proxy", "Set proxy environment variables in the container based on the host proxy vars"),
		flags.Func(keep(&e.unset, checkEnv), "unsetenv", "Unset environment default variables in container"),
		flags.Bool(&e.unsetAll, "unsetenv-all", "Unset all default environment variables in container"),
	}
}

// proxyVariables are what programs read to find a proxy.
var proxyVariables = []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// rules puts the options into r.
func (e *environmentOptions) rules(r *oci.EnvRules) {
	r.Merge, r.Unset, r.UnsetAll = e.merge, e.unset, e.unsetAll
	if e.host {
		r.Host = os.Environ()
	}
	if !e.proxy {
		return
	}
	for _, name := range proxyVariables {
		if value, ok := os.LookupEnv(name); ok {
			r.Host = append(r.Host, name+"="+value)
		}
	}
}

// expandEnv replaces `-e PREFIX*` by the names of hoy's own variables that begin so (podman).
func expandEnv(list, environ []string) []string {
	var out []string
	for _, s := range list {
		prefix, ok := strings.CutSuffix(s, "*")
		if !ok || strings.Contains(s, "=") {
			out = append(out, s)
			continue
		}
		for _, kv := range environ {
			if strings.HasPrefix(kv, prefix) {
				out = append(out, kv)
			}
		}
	}
	return out
}
