package build

import (
	"os"
	"runtime"
	"slices"
	"strings"
)

// env is an environment in the order of definition: what variables in a Dockerfile are looked up in, and what RUN gets.
type env []string // "K=V"

// Get finds a variable (shell.EnvGetter).
func (e env) Get(key string) (string, bool) {
	for _, kv := range e {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v, true
		}
	}
	return "", false
}

// Keys lists the names (shell.EnvGetter).
func (e env) Keys() []string {
	keys := make([]string, len(e))
	for i, kv := range e {
		keys[i], _, _ = strings.Cut(kv, "=")
	}
	return keys
}

// set gives a variable a value, in its place when it is known.
func (e *env) set(key, value string) {
	for i, kv := range *e {
		if k, _, _ := strings.Cut(kv, "="); k == key {
			(*e)[i] = key + "=" + value
			return
		}
	}
	*e = append(*e, key+"="+value)
}

func (e env) clone() env { return slices.Clone(e) }

// buildArgValues gives --build-arg a value each: one without takes the environment's, and is left out when there is none.
func buildArgValues(args map[string]*string) map[string]string {
	values := map[string]string{}
	for k, v := range args {
		if v != nil {
			values[k] = *v
		} else if v, ok := os.LookupEnv(k); ok {
			values[k] = v
		}
	}
	return values
}

// platformArgs are the global variables that are there without a declaration, with the values that --build-arg gives them.
func platformArgs(target string, buildArgs map[string]string) env {
	if target == "" {
		target = "default"
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	var e env
	for _, kv := range [][2]string{
		{"BUILDPLATFORM", platform}, {"BUILDOS", runtime.GOOS}, {"BUILDOSVERSION", ""},
		{"BUILDARCH", runtime.GOARCH}, {"BUILDVARIANT", ""},
		{"TARGETPLATFORM", platform}, {"TARGETOS", runtime.GOOS}, {"TARGETOSVERSION", ""},
		{"TARGETARCH", runtime.GOARCH}, {"TARGETVARIANT", ""}, {"TARGETSTAGE", target},
	} {
		if v, ok := buildArgs[kv[0]]; ok {
			kv[1] = v
		}
		e.set(kv[0], kv[1])
	}
	return e
}

// proxyNames are the variables that RUN gets from --build-arg without a declaration. They are in no image and in no key.
var proxyNames = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// proxyEnv gives each proxy variable in both cases.
func proxyEnv(buildArgs map[string]string) []string {
	var out []string
	for _, name := range proxyNames {
		lower := strings.ToLower(name)
		v, ok := buildArgs[name]
		if w, okLower := buildArgs[lower]; okLower {
			v, ok = w, true
		}
		if ok && v != "" {
			out = append(out, name+"="+v, lower+"="+v)
		}
	}
	return out
}

func isProxy(name string) bool { return slices.Contains(proxyNames, strings.ToUpper(name)) }
