package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The program runs three times inside itself: the outermost copy installs the peers and tidies, the copy called stageInit is
// process 1 of a process namespace and reaps, and the innermost one, with stageEnv set, measures.
const (
	stageInit = "bench-init"
	stageEnv  = "BENCH_DIR"
)

// enterSandbox runs this program again in namespaces of its own, and removes what that left. It returns its exit code.
func enterSandbox(o options) (int, error) {
	if o.peers && o.install {
		if err := installPeers(); err != nil {
			return 1, err
		}
	}
	hoy, err := filepath.Abs(o.hoy)
	if err != nil {
		return 1, err
	}
	// Not $TMPDIR: it may be a memory file system, on which nobody keeps images.
	dir, err := os.MkdirTemp("/var/tmp", "hoy-bench-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // for the rows of an ordinary user
		return 1, err
	}
	before := cgroupDirs()
	defer removeCgroups(before)

	cmd := exec.Command("/proc/self/exe", append([]string{stageInit}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), stageEnv+"="+dir, "BENCH_HOY="+hoy)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Run()
	if ee, ok := err.(*exec.ExitError); ok {
		return ee.ExitCode(), nil
	}
	return 0, err
}

// initStage is process 1: it prepares the mounts, starts the measuring copy and reaps whatever is orphaned.
func initStage() int {
	if err := prepareMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[2:]...)
	cmd.Env = append(os.Environ(), stageEnv+"="+mountDisk(os.Getenv(stageEnv)))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid == cmd.Process.Pid {
			return ws.ExitStatus()
		}
	}
}

// diskSize is the size of the file system that everything is measured on; the file that holds it is sparse.
const diskSize = 16 << 30

// mountDisk makes a new ext4 and mounts it on a directory of dir, which it gives. A file system that has been in use for long can take ten times as
// long to make a file as a new one, whoever asks. Where there are no loop devices everything is measured in dir itself, and it says so.
func mountDisk(dir string) string {
	image, disk := filepath.Join(dir, "disk.img"), filepath.Join(dir, "disk")
	err := os.WriteFile(image, nil, 0o600)
	if err == nil {
		err = os.Truncate(image, diskSize)
	}
	if err == nil {
		err = os.Mkdir(disk, 0o755)
	}
	if err == nil {
		err = runQuiet(os.Environ(), []string{"mkfs.ext4", "-q", "-F", image})
	}
	if err == nil {
		err = runQuiet(os.Environ(), []string{"mount", "-o", "loop", image, disk})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: no file system of its own:", err)
		return dir
	}
	return disk
}

// prepareMounts makes the mount namespace private, /run empty and the cgroups plain v1 where they are hybrid: crun refuses
// to start when it finds /sys/fs/cgroup/unified.
func prepareMounts() error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := openTun(); err != nil {
		return err
	}
	err := syscall.Unmount("/sys/fs/cgroup/unified", 0)
	if err != nil && err != syscall.EINVAL && err != syscall.ENOENT {
		return fmt.Errorf("unmount /sys/fs/cgroup/unified: %w", err)
	}
	return nil
}

// openTun lets an ordinary user make taps, as most distributions do: slirp4netns cannot do without.
func openTun() error {
	const node, tun = "/run/tun", "/dev/net/tun"
	var st syscall.Stat_t
	if syscall.Stat(tun, &st) != nil {
		return nil
	}
	err := syscall.Mknod(node, syscall.S_IFCHR|0o666, int(st.Rdev))
	if err == nil {
		err = os.Chmod(node, 0o666)
	}
	if err == nil {
		err = syscall.Mount(node, tun, "", syscall.MS_BIND, "")
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", tun, err)
	}
	return nil
}

// cgroupDirs lists the cgroups of the host.
func cgroupDirs() map[string]bool {
	dirs := map[string]bool{}
	filepath.WalkDir("/sys/fs/cgroup", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs[p] = true
		}
		return nil
	})
	return dirs
}

// removeCgroups removes the cgroups that were not there before, the deepest first.
func removeCgroups(before map[string]bool) {
	var made []string
	for p := range cgroupDirs() {
		if !before[p] {
			made = append(made, p)
		}
	}
	slices.SortFunc(made, func(a, b string) int { return strings.Compare(b, a) })
	for _, p := range made {
		if err := os.Remove(p); err != nil {
			fmt.Fprintln(os.Stderr, "bench: left behind:", err)
		}
	}
}
