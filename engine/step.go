package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// Step is one command in a container that is not recorded: a build's RUN. Its root is an overlay of Lower (top first) under Upper.
type Step struct {
	Config         *oci.Config // with the command; there is no image
	Lower          []string
	Upper, Work    string
	Overlays       []StepOverlay // mounted after Config.Mounts, in order
	Stdout, Stderr io.Writer
	Network        *StepNetwork // of a Config whose network is the default one
}

// StepOverlay is a mount of merged directories: Lower (top first, at least two, or one under Upper).
type StepOverlay struct {
	Target      string // absolute, inside the container
	Lower       []string
	Upper, Work string // "" for a mount that cannot be written
	ReadOnly    bool
}

// RunStep runs a step to its end and returns its exit code. When ctx ends, the command and all that it started are killed, and RunStep
// returns after they are gone. What hoy needs besides lies beside s.Work and is removed. Upper gets only what the command writes.
func (e *Engine) RunStep(ctx context.Context, s *Step) (code int, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(s.Work), "step-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	plan, guard, err := e.stepPlan(s, dir)
	if err != nil {
		return 0, err
	}
	out := newStepOutput()
	defer out.close()
	o := runtime.StartOptions{KillWithParent: true}
	if guard != "" {
		if o.CgroupFD, err = os.Open(guard); err != nil {
			return 0, err
		}
		defer o.CgroupFD.Close()
	}
	if o.Stdout, err = out.to(s.Stdout); err != nil {
		return 0, err
	}
	if o.Stderr, err = out.to(s.Stderr); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p, err := runtime.Start(plan, o)
	if err != nil {
		return 0, err
	}
	if err := p.Go(); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { p.Signal(syscall.SIGKILL) }) // one that has ended needs none
	status, err := p.Wait()
	if !stop() {
		return 0, ctx.Err()
	}
	return status.Code, err
}

// stepPlan compiles a step, and gives the group that filters its devices. dir holds the files and directories that it needs besides.
func (e *Engine) stepPlan(s *Step, dir string) (plan *child.Plan, guard string, err error) {
	inUserns := e.inUserns()
	host, err := oci.ReadHost(inUserns)
	if err != nil {
		return nil, "", err
	}
	o := oci.SpecOptions{
		Host:         host,
		Rootless:     inUserns,
		Lower:        append(s.Lower[:len(s.Lower):len(s.Lower)], filepath.Join(dir, "stubs")),
		Upper:        s.Upper,
		Work:         s.Work,
		Volatile:     true, // the store makes layers durable, once for a whole image
		VolumePath:   e.Store.VolumePath,
		SeccompCache: filepath.Join(e.o.Root, "cache", "seccomp"),
		Device:       devicesAt,
		NetNSPath:    s.Network.path(),
		NetNSOwn:     s.Network != nil,
	}
	if s.Config.Privileged {
		if o.HostDevices, err = hostDevices(); err != nil {
			return nil, "", err
		}
	}
	if o.Etc, err = stepEtc(s, dir); err != nil {
		return nil, "", err
	}
	spec, err := oci.Spec(s.Config, o)
	if err != nil {
		return nil, "", err
	}
	if plan, err = oci.Plan(spec, o, s.Config); err != nil {
		return nil, "", err
	}
	if guard, err = e.guard(spec.Linux.Resources); err != nil {
		return nil, "", err
	}
	for _, v := range s.Overlays {
		m, err := v.mount(e.o.Rootless)
		if err != nil {
			return nil, "", err
		}
		plan.Mounts = append(plan.Mounts, m)
	}
	return plan, guard, makeStubs(filepath.Join(dir, "stubs"), plan.Mounts)
}

// stepEtc writes the files that the network and the name of a step make. It has no file hostname: that would stay in the image.
func stepEtc(s *Step, dir string) (map[string]string, error) {
	hosts, conf, err := networkEtc(&Container{Config: *s.Config, network: s.Network.connection()})
	if err != nil {
		return nil, err
	}
	etc := map[string]string{}
	for name, data := range map[string][]byte{"hosts": hosts, "resolv.conf": conf} {
		etc["/etc/"+name] = filepath.Join(dir, name)
		if err := writeWorldReadable(etc["/etc/"+name], data); err != nil {
			return nil, err
		}
	}
	return etc, nil
}

// makeStubs makes something empty for each mount to be put on, in a directory that becomes the lowest layer of the step's root: so what an image
// does not have at a mount's target comes from there and is not made in Upper, where it would become part of the new layer.
func makeStubs(dir string, mounts []child.Mount) error {
	if err := mkdir755(dir); err != nil {
		return err
	}
	for _, m := range mounts {
		target := filepath.Join(dir, path.Clean("/"+m.Target))
		parent, file := target, isFile(m)
		if file {
			parent = filepath.Dir(target)
		}
		if err := mkdirsBelow(dir, parent); err != nil {
			return err
		}
		if !file {
			continue
		}
		if err := writeWorldReadable(target, nil); err != nil {
			return err
		}
	}
	return nil
}

// isFile says whether something that is no directory is mounted.
func isFile(m child.Mount) bool {
	if m.File || m.Type != "bind" {
		return m.File
	}
	fi, err := os.Stat(m.Source)
	return err == nil && !fi.IsDir()
}

// mkdirsBelow makes the directories from dir, which exists, down to name.
func mkdirsBelow(dir, name string) error {
	if name == dir {
		return nil
	}
	if err := mkdirsBelow(dir, filepath.Dir(name)); err != nil {
		return err
	}
	return mkdir755(name)
}

// mkdir755 makes a directory that all may look into, whatever the umask is.
func mkdir755(name string) error {
	if err := os.Mkdir(name, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(name, 0o755)
}

// mount is the overlay as the child mounts it. An option of fsconfig(2) is at most 255 bytes long; longer lists of lower directories
// are given one by one, which Linux 6.7 and later take.
func (v *StepOverlay) mount(rootless bool) (child.Mount, error) {
	m := child.Mount{Type: "overlay", Source: "overlay", Target: v.Target}
	if v.ReadOnly {
		m.Flags = unix.MOUNT_ATTR_RDONLY
	}
	for _, dir := range append(v.Lower[:len(v.Lower):len(v.Lower)], v.Upper, v.Work) {
		if strings.ContainsAny(dir, ",:\\") {
			return m, fmt.Errorf("mount at %s: overlay takes no path with a comma, colon or backslash: %s", v.Target, dir)
		}
	}
	options := []string{"lowerdir=" + strings.Join(v.Lower, ":")}
	if len(options[0]) > 255 {
		options = nil
		for _, dir := range v.Lower {
			options = append(options, "lowerdir+="+dir)
		}
	}
	if v.Upper != "" {
		options = append(options, "upperdir="+v.Upper, "workdir="+v.Work)
	}
	options = append(options, "index=off")
	if rootless {
		options = append(options, "userxattr")
	}
	m.Data = strings.Join(options, ",")
	return m, nil
}

// stepOutput copies what a step writes.
type stepOutput struct {
	theirs []*os.File
	wg     sync.WaitGroup
}

func newStepOutput() *stepOutput { return &stepOutput{} }

// to gives a file to write to, from which w is written; nil for none.
func (o *stepOutput) to(w io.Writer) (*os.File, error) {
	if w == nil {
		return nil, nil
	}
	r, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.theirs = append(o.theirs, theirs)
	o.wg.Go(func() {
		defer r.Close()
		if _, err := io.Copy(w, r); err != nil {
			io.Copy(io.Discard, r) // the step is not to hang on a writer that failed
		}
	})
	return theirs, nil
}

// close waits until all that was written is copied. It is called when the step's processes are gone.
func (o *stepOutput) close() {
	for _, f := range o.theirs {
		f.Close()
	}
	o.wg.Wait()
}
