package runtime_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/runtime"
	"golang.org/x/sys/unix"
)

// The names T-A1 … are those of the catalogue of real escapes that each test stands for.

// TestDevIsALink is T-A1 (CVE-2026-41579, CVE-2026-47766): an image's /dev leads to the host.
func TestDevIsALink(t *testing.T) {
	for _, to := range []string{"%s", "../../../../../../../../..%s", "/second"} {
		t.Run(to, func(t *testing.T) {
			b := newBox(t)
			canary := b.canary()
			if strings.Contains(to, "%") {
				to = fmt.Sprintf(to, canary)
			} else {
				b.link(canary, "second")
			}
			b.link(to, "dev")
			b.plan.Args = []string{"true"}
			b.run() // whether it is born or not
			b.plan.Mounts = b.plan.Mounts[:1]
			b.run() // an image's own /dev without a tmpfs on it
		})
	}
}

// TestFilesAreLinks is T-A1 for the files that an engine mounts.
func TestFilesAreLinks(t *testing.T) {
	for _, target := range []string{"/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/run/secrets/x", "/etc/mtab", "/missing/link/x"} {
		t.Run(target, func(t *testing.T) {
			b := newBox(t)
			canary := b.canary()
			b.write("source", "ours")
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(b.image, target)), 0o755))
			b.link(canary+"/file", strings.TrimPrefix(target, "/"))
			b.plan.Mounts = append(b.plan.Mounts, child.Mount{Source: filepath.Join(b.dir, "source"), Target: target})
			b.sh("cat "+target).want(t, "ours")
		})
	}
}

// TestNullIsALink is T-A2 (CVE-2025-31133): a /dev of the attacker's, whose null leads to a setting of the host's.
func TestNullIsALink(t *testing.T) {
	b := newBox(t)
	dev := b.mkdir("dev")
	must(t, os.Symlink("/proc/sys/kernel/core_pattern", filepath.Join(dev, "null")))
	b.plan.Mounts = append(b.plan.Mounts[:1:1], child.Mount{Source: dev, Target: "/dev"})
	b.plan.Args = []string{"sh", "-c", "echo evil > /proc/kcore"}
	b.run().refused(t, "masks")
	must(t, os.Remove(filepath.Join(dev, "null")))
	b.write("dev/null", "a file")
	b.run().refused(t, "masks")
}

// TestPtsIsHostile is T-A3 (CVE-2025-52565): the attacker's directory is on /dev/pts.
func TestPtsIsHostile(t *testing.T) {
	b := newBox(t)
	pts := b.mkdir("pts")
	for i := range 10 {
		must(t, os.Symlink("/proc/sysrq-trigger", filepath.Join(pts, itoa(i))))
	}
	must(t, os.Symlink("/dev/ptmx", filepath.Join(pts, "ptmx")))
	b.plan.Mounts = append(b.plan.Mounts[:2:2], child.Mount{Source: pts, Target: "/dev/pts"})
	b.plan.Terminal = true
	b.run().refused(t, "console")
	must(t, os.Remove(filepath.Join(pts, "ptmx")))
	b.write("pts/ptmx", "a file")
	b.run().refused(t, "console")
}

// TestProc is T-A4 (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881): nothing takes the place of procfs, or of a file in it.
func TestProc(t *testing.T) {
	t.Run("link", func(t *testing.T) {
		b := newBox(t)
		b.mkdir("image/fake")
		b.link("/fake", "proc")
		b.run().refused(t, "mounts")
	})
	t.Run("sys link", func(t *testing.T) {
		b := newBox(t)
		b.mkdir("image/fake")
		b.link("fake", "sys")
		b.run().refused(t, "mounts")
	})
	for _, target := range []string{"/proc", "/proc/", "/dev/../proc", "/proc/self/attr", "/proc/sys", "/proc/1", "/via/sys/kernel"} {
		for _, kind := range []string{"bind", "tmpfs"} {
			t.Run(kind+" "+target, func(t *testing.T) {
				b := newBox(t)
				b.link("/proc", "via")
				m := child.Mount{Type: kind, Source: b.mkdir("evil/kernel"), Target: target}
				if kind == "tmpfs" {
					m.Source = ""
				}
				b.plan.Mounts = append(b.plan.Mounts, m)
				b.plan.Sysctls = []child.KV{{Key: "net.ipv4.ip_unprivileged_port_start", Value: "7"}}
				b.run().refused(t, "mounts")
			})
		}
	}
	t.Run("cpuinfo", func(t *testing.T) {
		b := newBox(t)
		b.write("cpuinfo", "none")
		b.plan.Mounts = append(b.plan.Mounts, child.Mount{Source: filepath.Join(b.dir, "cpuinfo"), Target: "/proc/cpuinfo"})
		b.sh("cat /proc/cpuinfo").want(t, "none")
	})
}

// TestRacingTarget is T-A5 and T-A6 (CVE-2021-30465, CVE-2024-45310): another container swaps a directory for a link while mounts are made in it.
func TestRacingTarget(t *testing.T) {
	b := newBox(t)
	canary := b.canary()
	shared := b.mkdir("shared/dir/sub")
	shared = filepath.Dir(filepath.Dir(shared))
	must(t, os.Symlink(canary, filepath.Join(shared, "link")))
	b.write("source", "ours")
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, shared+"/dir", unix.AT_FDCWD, shared+"/link", unix.RENAME_EXCHANGE)
			}
		}
	}()
	source := filepath.Join(b.dir, "source")
	b.plan.Mounts = append(b.plan.Mounts,
		child.Mount{Source: shared, Target: "/shared", Recursive: true},
		child.Mount{Source: source, Target: "/shared/dir/sub/file"},
		child.Mount{Source: b.dir + "/empty", Target: "/shared/dir/new/deep"},
	)
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for range rounds {
		b.run() // it may be born or refused, but touch nothing outside
	}
	close(stop)
	<-stopped
}

// TestRacingMasks is T-A7 (CVE-2025-54867, GHSA-3q8j-pf29-vwv8): who may write to the directory that is the container's root swaps /proc while it
// starts. Whatever name its procfs has then, what is masked is masked and what is read-only is so.
func TestRacingMasks(t *testing.T) {
	b := newBox(t)
	b.canary()
	b.mkdir("image/proc")
	b.mkdir("image/other/sys/kernel")
	b.write("image/other/kcore", "attacker's")
	b.plan.Rootfs = child.Rootfs{Bind: b.image}
	b.plan.Devices, b.plan.Masked = b.plan.Devices[:1], []string{"/proc/kcore", "/proc/timer_list", "/proc/version", "/sys/firmware"}
	swap := func() (stop func()) {
		done, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-done:
					return
				default:
					unix.Renameat2(unix.AT_FDCWD, b.image+"/proc", unix.AT_FDCWD, b.image+"/other", unix.RENAME_EXCHANGE)
				}
			}
		}()
		return func() { close(done); <-stopped }
	}
	rounds, born := 100, 0
	if testing.Short() {
		rounds = 20
	}
	b.plan.Args = []string{"sh", "-c", `for d in /proc /other; do test -e $d/1/status || continue
		for f in timer_list version kcore; do test ! -e $d/$f -o "$(stat -c %t:%T $d/$f)" = 1:3 || echo $d/$f is open; done
		touch $d/sys/kernel/core_pattern 2>/dev/null && echo $d/sys is writable
	done; true`}
	for range rounds {
		var o output
		var options runtime.StartOptions
		options.Stdout, options.Stderr = o.pipes(t)
		stop := swap()
		p, err := runtime.Start(b.plan, options)
		stop() // the script is not to be led astray itself
		o.close()
		if err != nil { // refused
			o.wait()
			continue
		}
		must(t, p.Go())
		if r := o.finish(t, p); r.out != "" {
			t.Errorf("%s", r.out)
		}
		born++
	}
	if born == 0 {
		t.Error("no container was born")
	}
}

// TestWorkdir is T-A8 (CVE-2026-55686): the working directory leads out.
func TestWorkdir(t *testing.T) {
	b := newBox(t)
	canary := b.canary()
	b.link(canary, "a")
	b.plan.Cwd = "/a/b"
	b.sh("pwd").want(t, filepath.Join(canary, "b"))
	b.link("../../../../../.."+canary, "c")
	b.plan.Cwd = "/c/b"
	b.sh("pwd").want(t, filepath.Join(canary, "b"))
}

// TestVolumePaths is T-A9 (CVE-2022-23648): a volume's place and content are looked for inside.
func TestVolumePaths(t *testing.T) {
	b := newBox(t)
	canary := b.canary()
	b.link(canary, "link")
	for _, target := range []string{"/../../../etc", "/link/x", "/bin/../../../../etc"} {
		v := b.mkdir("volumes/" + strings.ReplaceAll(target, "/", "_") + "/data")
		b.plan.Mounts = append(defaultPlan(b).Mounts, child.Mount{Source: v, Target: target, CopyUp: true})
		if r := b.run(); r.err != nil {
			t.Error(target, r.err)
		}
		for _, e := range []string{"file", "shadow", "hostname"} {
			if _, err := os.Stat(filepath.Join(v, e)); err == nil {
				t.Errorf("%s: the host's %s is in the volume", target, e)
			}
		}
	}
}

// TestSubpath holds the path below a volume inside of it.
func TestSubpath(t *testing.T) {
	b := newBox(t)
	canary := b.canary()
	b.write("volume/data/dir/file", "inside")
	must(t, os.Symlink(canary, filepath.Join(b.dir, "volume/data/out")))
	must(t, os.Symlink("dir", filepath.Join(b.dir, "volume/data/in")))
	add := func(sub string) {
		b.plan.Mounts = append(defaultPlan(b).Mounts, child.Mount{Source: filepath.Join(b.dir, "volume/data"), Subpath: sub, Target: "/v"})
	}
	add("in")
	b.sh("cat /v/file").want(t, "inside")
	for _, sub := range []string{"out", "../../canary", "out/file"} {
		add(sub)
		b.run().refused(t, "sources")
	}
}

// TestFDs is T-B2 and T-B3 (CVE-2024-21626): no descriptor of the host's is there to be entered.
func TestFDs(t *testing.T) {
	b := newBox(t)
	dir, err := os.Open("/")
	must(t, err)
	defer dir.Close()
	unix.FcntlInt(dir.Fd(), unix.F_SETFD, 0) // somebody forgot to close it
	for n := 3; n < 65; n++ {
		b.plan.Cwd = "/proc/self/fd/" + itoa(n)
		b.plan.Args = []string{"true"}
		if r := b.run(); r.err == nil {
			t.Errorf("a container was born in descriptor %d", n)
		}
		b.plan.Cwd = "/"
		b.plan.Args = []string{"/proc/self/fd/" + itoa(n) + "/../../bin/sh", "-c", "true"}
		if r := b.run(); r.err == nil {
			t.Errorf("something was executed by descriptor %d", n)
		}
	}
	b.plan.Args = []string{"ls", "/proc/self/fd"}
	b.run().want(t, "0\n1\n2\n3")
	b.plan.Terminal = true
	if got := b.tty(t, "ls -1 /proc/self/fd"); got != "0\r\n1\r\n2\r\n3\r\n" {
		t.Errorf("with a terminal: %q", got)
	}
}

// TestOwnBinary is T-B1 (CVE-2019-5736): the container executes and opens hoy itself, and cannot write it.
func TestOwnBinary(t *testing.T) {
	own, err := os.Readlink("/proc/self/exe")
	must(t, err)
	before := sum(t, own)
	b := newBox(t)
	b.write("image/entry", "#!/proc/self/exe\n")
	must(t, os.Chmod(filepath.Join(b.image, "entry"), 0o755))
	b.plan.Args = []string{"/entry"}
	b.run() // executes whatever /proc/self/exe is, as any program in the container could

	// Process 1 is hoy's with --init, and stays: that is where to try.
	b.plan.Init = true
	for _, how := range []string{"echo evil > /proc/1/exe", "exec 9< /proc/1/exe; echo evil > /proc/self/fd/9", "echo evil >> /proc/1/exe",
		"dd if=/dev/zero of=/proc/1/exe count=1 conv=notrunc"} {
		if r := b.sh("(" + how + ") 2>/dev/null && echo written; head -c 4 /proc/1/exe"); !strings.HasSuffix(r.out, "ELF") || strings.Contains(r.out, "written") {
			t.Errorf("%s: %q, %v", how, r.out, r.err)
		}
	}
	if sum(t, own) != before {
		t.Fatal("the executable was changed")
	}
}

func sum(t *testing.T, path string) [32]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return sha256.Sum256(data)
}

// TestSealed looks at both ways of sealing from the outside.
func TestSealed(t *testing.T) {
	sealed := runtime.Seal()
	defer sealed.Close()
	f, err := sealed.File()
	must(t, err)
	noTraces(t)
	path := "/proc/self/fd/" + itoa(int(f.Fd()))
	if g, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		g.Close()
		t.Error("the sealed executable can be opened for writing")
	}
	if err := os.Chmod(path, 0o777); err == nil {
		t.Error("its mode can be changed")
	}
	var st unix.Statfs_t
	must(t, unix.Statfs(path, &st))
	if st.Type != unix.OVERLAYFS_SUPER_MAGIC {
		t.Errorf("it is a copy in memory (%x), where an overlay can be mounted", st.Type)
	}
}
