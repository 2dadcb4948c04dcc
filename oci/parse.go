package oci

import (
	"io"
	"syscall"
)

// ParseVolume reads -v [SOURCE:]TARGET[:OPTIONS]; a relative source is taken from cwd.
func ParseVolume(s, cwd string) (Mount, error) { return Mount{}, errTodo }

// ParseMount reads --mount key=value,… ; a source that begins with ./ is taken from cwd.
func ParseMount(s, cwd string) (Mount, error) { return Mount{}, errTodo }

// ParseTmpfs reads --tmpfs TARGET[:OPTIONS].
func ParseTmpfs(s string) (Mount, error) { return Mount{}, errTodo }

// ParseDevice reads --device SOURCE[:TARGET[:PERMISSIONS]].
func ParseDevice(s string) (Device, error) { return Device{}, errTodo }

// ParseUlimit reads --ulimit NAME=SOFT[:HARD].
func ParseUlimit(s string) (Ulimit, error) { return Ulimit{}, errTodo }

// ParseEnvFile reads the lines of --env-file: K=V, or K, which lookup (os.LookupEnv) resolves and drops when it is unset.
func ParseEnvFile(r io.Reader, lookup func(string) (string, bool)) ([]string, error) {
	return nil, errTodo
}

// ParseLabels reads --label K[=V] values.
func ParseLabels(list []string) (map[string]string, error) { return nil, errTodo }

// ParseLabelFile reads the lines of --label-file.
func ParseLabelFile(r io.Reader) ([]string, error) { return nil, errTodo }

// ParseSysctl reads --sysctl K=V.
func ParseSysctl(s string) (key, value string, err error) { return "", "", errTodo }

// ParseBytes reads a size such as 64m, 1.5g or 1024: bytes, in powers of 1024.
func ParseBytes(s string) (int64, error) { return 0, errTodo }

// ParseSignal reads a signal's name, with or without SIG, or its number.
func ParseSignal(s string) (syscall.Signal, error) { return 0, errTodo }

// ResolveEnv gives the values of -e: K=V is kept, K takes lookup's value; where that is unset K stays bare and MergeEnv removes it.
func ResolveEnv(list []string, lookup func(string) (string, bool)) ([]string, error) {
	return nil, errTodo
}

// MergeEnv puts user's K=V over image's; a bare K of the user's removes the image's K. Malformed entries of the image are dropped.
func MergeEnv(image, user []string) []string { return nil }
