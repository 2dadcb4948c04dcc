package child

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// CheckStrings refuses what a system call would cut short: a string with a zero byte.
func CheckStrings(cwd string, args, env []string) error {
	for _, s := range slices.Concat([]string{cwd}, args, env) {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("%q holds a zero byte", s)
		}
	}
	return nil
}

// Candidates are the paths at which a command may lie: itself when it has a slash, else in each directory of PATH.
func Candidates(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var found []string
	for _, dir := range strings.Split(lookup(env, "PATH"), ":") {
		if name != "" && dir != "" {
			found = append(found, path.Join(dir, name))
		}
	}
	return found
}

// WithHome adds HOME where the environment has none.
func WithHome(env []string, home string) []string {
	if home == "" || lookup(env, "HOME") != "" {
		return env
	}
	return append(slices.Clip(env), "HOME="+home)
}

// lookup gives the value that a program would see: the last one.
func lookup(env []string, key string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], key+"="); ok {
			return v
		}
	}
	return ""
}

// Explain makes the failure of a last step an error in Docker's words. It looks with stat at the command's candidates, which say more than
// execve does.
func Explain(f *raw.Failure, command string, env []string, stat func(path string, st *unix.Stat_t) error) *StepError {
	e := &StepError{Step: f.Step, Path: f.Path, Errno: f.Errno}
	if f.Step == stepUser && f.Errno == unix.EINVAL {
		e.Text = "this user namespace has no such id"
	}
	if f.Step != StepExec {
		return e
	}
	if f.Errno == unix.ENOENT && !strings.Contains(command, "/") {
		e.Errno, e.Text = 0, "executable file not found in $PATH"
	}
	for _, c := range Candidates(command, env) {
		var st unix.Stat_t
		if stat(c, &st) != nil {
			continue
		}
		switch {
		case isDir(st) && f.Errno == unix.EACCES:
			e.Text = "is a directory"
		case !isDir(st) && st.Mode&0o111 != 0 && f.Errno == unix.ENOENT:
			e.Errno, e.Text = unix.ENOENT, "its interpreter is missing"
		}
	}
	return e
}
