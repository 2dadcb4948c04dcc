// Command bench measures hoy and its peers on the same work in one run, and prints medians and ratios.
//
// It needs root and Debian: the peers (podman, buildah, crun, runc, docker.io) are installed from Debian's packages. All of
// it happens in mount and process namespaces of its own with storage in one temporary directory, so that nothing is left.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
)

// options are the command line.
type options struct {
	hoy     string // the binary to measure
	runs    int    // timed runs of each contender, after the warm-up
	rows    *regexp.Regexp
	peers   bool
	install bool
	json    string // file names, "" for none
	svg     string
	user    string // whose rows as an ordinary user are
	label   string // what the report says of the machine
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == stageInit {
		os.Exit(initStage())
	}
	if len(os.Args) > 2 && os.Args[1] == peerRole {
		fail(servePeer(os.Args[2]))
	}
	o, err := parse()
	if err != nil {
		fail(err)
	}
	if os.Getenv(stageEnv) == "" {
		code, err := enterSandbox(o)
		if err != nil {
			fail(err)
		}
		os.Exit(code)
	}
	if err := run(o); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func parse() (options, error) {
	var o options
	var rows string
	flag.StringVar(&o.hoy, "hoy", "./hoy", "the hoy to measure")
	flag.IntVar(&o.runs, "runs", 15, "timed runs of each contender, after the warm-up")
	flag.StringVar(&rows, "rows", ".", "measure the rows whose name matches this regular expression")
	flag.BoolVar(&o.peers, "peers", true, "measure the peers too")
	flag.StringVar(&o.user, "user", cmp.Or(os.Getenv("HOY_TEST_USER"), "hoytest"), "the ordinary user of the rows that have one; he needs subordinate ids")
	flag.BoolVar(&o.install, "install", true, "install the peers that are missing (apt-get)")
	flag.StringVar(&o.json, "json", "", "write the results to this file as JSON")
	flag.StringVar(&o.svg, "svg", "", "write the chart to this file")
	flag.Parse()
	var err error
	if o.rows, err = regexp.Compile(rows); err != nil {
		return o, fmt.Errorf("rows: %w", err)
	}
	if os.Getuid() != 0 {
		return o, fmt.Errorf("the peers are measured as root: run it as root")
	}
	o.label = fmt.Sprintf("%d cores, Linux %s, %s", runtime.NumCPU(), kernelRelease(), runtime.Version())
	return o, nil
}

// run measures every row that was asked for. It is called inside the sandbox.
func run(o options) error {
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	var report report
	report.Machine = o.label
	for _, r := range rows {
		if !o.rows.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s …\n", r.name)
		res, err := b.measureRow(r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		report.Rows = append(report.Rows, res)
	}
	report.Peers = b.versions()
	return report.write(o)
}
