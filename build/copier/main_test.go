package copier

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestMain starts the tests of an ordinary user again as root of a user namespace: a copy is made by root, here or there.
func TestMain(m *testing.M) {
	if os.Getuid() == 0 {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var exit *exec.ExitError
	err := cmd.Run()
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		panic(err)
	}
}

// mapped says whether other ids than root's can be given to files.
func mapped() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && len(data) > 0 && string(data[len(data)-2:]) != "1\n"
}
