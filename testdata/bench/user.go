package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// userRun is the user's runtime directory, in the sandbox's own /run: podman ends its containers only if the name is shorter than 50 characters.
const userRun = "/run/benchuser"

// asUser are hoy and podman as an ordinary user, on the lab's host, with stores of the user's own. podman's network is slirp4netns there.
func (b *bench) asUser() (hoy, podman engine, err error) {
	if err := b.openLab(); err != nil {
		return hoy, podman, err
	}
	hoy, podman = engine{name: "hoy", ns: labHost}, engine{name: "podman, slirp4netns", ns: labHost}
	home := b.path("user")
	as, err := b.userDirs(home)
	if err != nil {
		hoy.missing, podman.missing = err.Error(), err.Error()
		return hoy, podman, nil
	}
	env := append(b.environ(), "HOME="+home, "XDG_RUNTIME_DIR="+userRun, "TMPDIR="+filepath.Join(home, "tmp"))
	hoy.program, hoy.as, hoy.env = []string{b.path("bin", "hoy")}, as, env
	podman.program, podman.as = []string{"podman"}, as
	podman.env = append(env, "CONTAINERS_CONF="+filepath.Join(home, "containers.conf"), "CONTAINERS_STORAGE_CONF="+filepath.Join(home, "storage.conf"))
	if err := hoy.buildBase(b.path("base")); err != nil {
		hoy.missing = err.Error()
	}
	podman.missing = b.podman.missing
	if podman.missing == "" {
		podman.missing = b.importBase(podman, home)
	}
	return hoy, podman, nil
}

// userDirs makes what the user owns, and copies of the programs that he may execute. It gives who that is.
func (b *bench) userDirs(home string) (*syscall.Credential, error) {
	u, err := user.Lookup(b.user)
	if err != nil {
		return nil, fmt.Errorf("%w (-user names another)", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, dir := range []string{home, userRun, filepath.Join(home, "tmp"), filepath.Join(home, "pod")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.path("bin"), 0o755); err != nil {
		return nil, err
	}
	for name, from := range map[string]string{"hoy": os.Getenv("BENCH_HOY"), "bench": program} {
		if err := exec.Command("install", "-m", "755", from, b.path("bin", name)).Run(); err != nil {
			return nil, fmt.Errorf("copy %s: %w", from, err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chmod(b.dir, 0o755)
}

// importBase gives the user's podman the base image: buildah would need a configuration of its own for that.
func (b *bench) importBase(podman engine, home string) string {
	storage := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(home, "pod"), filepath.Join(userRun, "containers"))
	archive := filepath.Join(home, "base.tar")
	err := errors.Join(
		os.WriteFile(filepath.Join(home, "storage.conf"), []byte(storage), 0o644),
		os.WriteFile(filepath.Join(home, "containers.conf"), []byte(containersConf(filepath.Join(home, "networks"))), 0o644),
		exec.Command("tar", "-C", b.path("base", "rootfs"), "-cf", archive, ".").Run(),
		os.Chmod(archive, 0o644),
	)
	if err == nil {
		err = podman.command("import", archive, baseImage)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// userServers runs the server of peer.go in a container of each engine of the user's, and in a namespace of pasta's, each on a port of the host.
func (b *bench) userServers() ([]pair, func(), error) {
	hoy, podman, err := b.asUser()
	if err != nil {
		return nil, nil, err
	}
	iperf, err := b.copyIperf()
	if err != nil {
		return nil, nil, err
	}
	var out []pair
	for i, e := range []engine{hoy, podman} {
		p := pair{engine: e, port: fmt.Sprint(9200 + i)}
		if p.missing == "" {
			err := p.command("run", "-d", "--pull", "never", "-p", p.port+":9000", "-p", iperfPort(p.port)+":"+iperfPort("9000"),
				"-v", b.path("bin", "bench")+":/bench:ro", "-v", iperf+":"+iperfMount+":ro", "--name", "one", baseImage, "/bench", peerRole, ":9000")
			if err == nil {
				err = awaitPeer(labWorld, hostAddress+":"+p.port)
			}
			if err != nil {
				p.missing = err.Error()
			}
		}
		out = append(out, p)
	}
	pasta, stop := b.pasta("9202")
	undo := func() {
		stop()
		for _, p := range out {
			p.command("kill", "one")
			p.command("rm", "-f", "one")
		}
	}
	return append(out, pasta), undo, nil
}

// pasta is the program pasta without an engine.
func (b *bench) pasta(port string) (pair, func()) {
	p := pair{engine: engine{name: "pasta alone", missing: b.podman.missing}, port: port}
	if p.missing != "" {
		return p, func() {}
	}
	cmd := exec.Command("setpriv", "--reuid", b.user, "--regid", b.user, "--init-groups", "--",
		"pasta", "-f", "--config-net", "--no-map-gw", "-t", port+","+iperfPort(port), "-u", "none", "-T", "none", "-U", "none", "--", b.path("bin", "bench"), peerRole, ":"+port)
	cmd.Env = append(b.environ(), "HOME="+b.path("user"), "XDG_RUNTIME_DIR="+userRun)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // see runQuiet; and what pasta runs has a copy of its sockets, and outlives it
	lower, err := raiseBuffers()
	if err == nil {
		err = within(labHost, cmd.Start)
	}
	if err == nil {
		err = awaitPeer(labWorld, hostAddress+":"+port)
	}
	if err != nil {
		p.missing = err.Error()
	}
	return p, func() {
		lower()
		if cmd.Process != nil {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			cmd.Wait()
		}
	}
}

// raiseBuffers lets sockets have the buffers that passt(1) asks for: with the kernel's own limits pasta loses what does not fit, and stalls or resets its
// connections. Others' sockets grow by tcp_wmem and tcp_rmem as ever. The result undoes it: these limits are the whole machine's.
func raiseBuffers() (undo func(), err error) {
	var undos []func()
	undo = func() { callAll(undos) }
	for file, size := range map[string]string{"/proc/sys/net/core/rmem_max": "134217728", "/proc/sys/net/core/wmem_max": "67108864"} {
		before, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(size), 0)
		}
		if err != nil {
			return undo, err
		}
		undos = append(undos, func() { os.WriteFile(file, before, 0) })
	}
	return undo, nil
}

func setupUserRun(b *bench) ([]contender, func(), error) {
	hoy, podman, err := b.asUser()
	args := []string{"run", "--rm", "--pull", "never", baseImage, "true"}
	return []contender{hoy.contender(args...), podman.contender(args...)}, nil, err
}

func (b *bench) userContend(work func(address string) error) ([]contender, func(), error) {
	ps, undo, err := b.userServers()
	var cs []contender
	for _, p := range ps {
		cs = append(cs, contender{name: p.name, skip: p.missing, run: func() error { return work(hostAddress + ":" + p.port) }})
	}
	return cs, undo, err
}

func (b *bench) userContendBytes(work func(address string) (flow, error)) ([]contender, func(), error) {
	ps, undo, err := b.userServers()
	var cs []contender
	for _, p := range ps {
		cs = append(cs, flowing(p.name, p.missing, func() (flow, error) { return work(hostAddress + ":" + p.port) }))
	}
	return cs, undo, err
}

func setupUserOut(b *bench) ([]contender, func(), error) {
	return b.userContendBytes(func(address string) (flow, error) { return pourFrom(address, worldAddress+":9000", transfer) })
}

func setupUserIn(b *bench) ([]contender, func(), error) {
	return b.userContendBytes(func(address string) (flow, error) { return pourTo(address, transfer) })
}

func setupUserRequests(b *bench) ([]contender, func(), error) {
	return b.userContend(func(address string) error { return parallel(16, func() error { return chat(address, requests/16) }) })
}
