package oci

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// blanks is what a name may not contain (docker/cli).
const blanks = " \t"

// ParseEnvFile reads the lines of --env-file: K=V, or K, which lookup (os.LookupEnv) resolves and which is left out where that
// has no value. The rules are those of docker/cli's kvfile: nothing is unquoted or expanded, a comment fills its line.
func ParseEnvFile(r io.Reader, lookup func(string) (string, bool)) ([]string, error) {
	var list []string
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := lines.Bytes()
		if !utf8.Valid(text) {
			return nil, fmt.Errorf("invalid utf8 bytes at line %d: %v", n, text)
		}
		if n == 1 {
			text = bytes.TrimPrefix(text, []byte("\uFEFF"))
		}
		line := strings.TrimLeftFunc(string(text), unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		key, _, hasValue := strings.Cut(line, "=")
		if key == "" {
			return nil, fmt.Errorf("no variable name on line '%s'", line)
		}
		if strings.ContainsAny(key, blanks) {
			return nil, fmt.Errorf("variable '%s' contains whitespaces", key)
		}
		if !hasValue {
			value, ok := lookup(key)
			if !ok {
				continue
			}
			line = key + "=" + value
		}
		list = append(list, line)
	}
	return list, lines.Err()
}

// ParseLabelFile reads the lines of --label-file: K=V, or K for an empty value.
func ParseLabelFile(r io.Reader) ([]string, error) {
	return ParseEnvFile(r, func(string) (string, bool) { return "", true })
}

// ResolveEnv gives the values of -e: K=V is kept, K takes lookup's value; where that has none K stays bare and MergeEnv
// removes it.
func ResolveEnv(list []string, lookup func(string) (string, bool)) ([]string, error) {
	out := make([]string, 0, len(list))
	for _, s := range list {
		key, _, hasValue := strings.Cut(s, "=")
		if key == "" {
			return nil, errors.New("invalid environment variable: " + s)
		}
		if value, ok := lookup(key); !hasValue && ok {
			s = key + "=" + value
		}
		out = append(out, s)
	}
	return out, nil
}

// MergeEnv puts user's K=V over image's; a bare K of the user's removes the image's K. Each name is there once, the image's in
// its order, then the user's. What is malformed in the image is left out: it must not import anything of the host's (CVE-2026-57231).
func MergeEnv(image, user []string) []string {
	m := envMerger{place: make(map[string]int, len(image)+len(user))}
	for _, s := range image {
		m.set(s)
	}
	for _, s := range user {
		if strings.Contains(s, "=") {
			m.set(s)
		} else {
			m.unset(s)
		}
	}
	return slices.DeleteFunc(m.list, func(s string) bool { return s == "" })
}

// base is what lies under the user's variables: the host's, the image's over them, and what the rules change.
func (r *EnvRules) base(image []string) []string {
	env := MergeEnv(slices.Concat(r.Host, image), nil)
	if r.UnsetAll {
		env = nil
	}
	env = MergeEnv(env, r.Unset)
	for _, s := range r.Merge {
		key, value, _ := strings.Cut(s, "=")
		value = os.Expand(value, func(name string) string {
			for _, kv := range env {
				if k, v, _ := strings.Cut(kv, "="); k == name {
					return v
				}
			}
			return ""
		})
		env = MergeEnv(env, []string{key + "=" + value})
	}
	return env
}

// envMerger is a list of K=V in which each name is once. An empty entry was removed.
type envMerger struct {
	list  []string
	place map[string]int
}

// set puts s in the place of an older value, or behind all. What is no K=V that execve(2) can hand on is left out.
func (m *envMerger) set(s string) {
	key, _, hasValue := strings.Cut(s, "=")
	if !hasValue || key == "" || strings.IndexByte(s, 0) >= 0 {
		return
	}
	if i, ok := m.place[key]; ok {
		m.list[i] = s
		return
	}
	m.place[key] = len(m.list)
	m.list = append(m.list, s)
}

func (m *envMerger) unset(key string) {
	if i, ok := m.place[key]; ok {
		m.list[i] = ""
		delete(m.place, key)
	}
}
