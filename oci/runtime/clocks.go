package runtime

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// setClocks makes a time namespace for the children of this thread, and sets its clocks, which can be done only before anybody is in it
// (time_namespaces(7)). With nil it does nothing.
func setClocks(offsets []string) error {
	if offsets == nil {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return fmt.Errorf("time namespace: %w", err)
	}
	f, err := os.OpenFile("/proc/"+strconv.Itoa(unix.Gettid())+"/timens_offsets", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, o := range offsets {
		if _, err := f.WriteString(o + "\n"); err != nil {
			return fmt.Errorf("time offset %q: %w", o, err)
		}
	}
	return nil
}
