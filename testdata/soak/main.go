// Command soak runs containers for a while, with everything that can happen to them, and looks whether what hoy said of them was ever wrong and whether
// anything is left in the end. `make soak` runs it; see -h.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

func main() {
	hoy := flag.String("hoy", "./hoy", "the program")
	length := flag.Duration("time", 10*time.Minute, "how long")
	slots := flag.Int("containers", 50, "how many containers at once")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of what is done")
	only := flag.String("kind", "", "containers of this kind alone")
	verbose := flag.Bool("v", false, "say what is done")
	flag.Parse()
	if *only != "" {
		kinds = slices.DeleteFunc(kinds, func(k kind) bool { return k.name != *only })
	}
	s, err := newSoak(*hoy, *verbose)
	if err == nil {
		fmt.Printf("soak: %d containers for %v, seed %d, as uid %d\n", *slots, *length, *seed, os.Geteuid())
		err = s.run(*slots, *length, *seed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// soak is one run.
type soak struct {
	hoy     string // absolute
	dir     string // of everything
	verbose bool
	before  []string // network links of the host

	mu       sync.Mutex
	failures []string
	counts   map[string]int
	stopped  chan struct{} // closed when the time is up, or something is wrong
	once     sync.Once
}

func newSoak(hoy string, verbose bool) (*soak, error) {
	hoy, err := filepath.Abs(hoy)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hoy-soak-")
	if err != nil {
		return nil, err
	}
	s := &soak{hoy: hoy, dir: dir, verbose: verbose, counts: map[string]int{}, stopped: make(chan struct{})}
	os.Setenv("HOY_ROOT", filepath.Join(dir, "root"))
	os.Setenv("HOY_RUN", filepath.Join(dir, "run"))
	s.before = links()
	return s, s.image()
}

// image builds the image busybox.
func (s *soak) image() error {
	context := filepath.Join(s.dir, "context")
	if err := os.Mkdir(context, 0o755); err != nil {
		return err
	}
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return fmt.Errorf("%w: apt-get install busybox-static", err)
	}
	if err := os.WriteFile(filepath.Join(context, "busybox"), box, 0o755); err != nil {
		return err
	}
	const dockerfile = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n"
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		return err
	}
	if r := s.call("build", "-q", "-t", "busybox", context); r.code != 0 {
		return fmt.Errorf("build: %s", r.err)
	}
	return nil
}

func (s *soak) run(slots int, length time.Duration, seed uint64) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case <-time.After(length):
		case <-interrupted:
		}
		s.stop()
	}()
	var workers sync.WaitGroup
	list := make([]*slot, slots)
	for i := range list {
		list[i] = &slot{soak: s, name: fmt.Sprintf("soak%d", i), rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		workers.Go(list[i].live)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(list)
	}()
	workers.Wait()
	<-watched
	s.leftovers()
	return s.report()
}

func (s *soak) stop() { s.once.Do(func() { close(s.stopped) }) }

// over says whether the time is up.
func (s *soak) over() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// maxFailures is how much may be wrong until the run is ended.
const maxFailures = 20

func (s *soak) fail(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := time.Now().Format("15:04:05.000 ") + fmt.Sprintf(format, a...)
	fmt.Println("WRONG:", text)
	if s.failures = append(s.failures, text); len(s.failures) >= maxFailures {
		s.stop()
	}
}

func (s *soak) count(what string) {
	s.mu.Lock()
	s.counts[what]++
	s.mu.Unlock()
}

func (s *soak) report() error {
	fmt.Println("soak: done:", s.counts)
	if len(s.failures) > 0 {
		return fmt.Errorf("%d things were wrong; what there is, is in %s", len(s.failures), s.dir)
	}
	if os.Geteuid() != 0 {
		s.must("unshare", "rm", "-rf", s.dir)
	}
	return os.RemoveAll(s.dir)
}
