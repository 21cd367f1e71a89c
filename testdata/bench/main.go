// Command bench measures whole runs of nfs-exportd against a cloud in a process
// of its own, beside curl that fetches the same answers, and prints one table.
//
//	bench [-once] NFS-EXPORTD TESTCLOUD
//
// Each figure is the median of some runs after one that does not count. CPU is
// what the kernel says of the process (user and system), memory its largest
// resident set. With -once everything is small and run once: that shows that all
// of it still works. A run that does not end as it should ends the program with
// status 1; how long something takes never does.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == "exportfs" {
		if err := exportfs(filepath.Dir(os.Args[0])); err != nil {
			fmt.Fprintln(os.Stderr, "exportfs:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 2 && os.Args[1] == starter {
		if err := start(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench: starting:", err)
			os.Exit(1)
		}
		return
	}
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	once := flag.Bool("once", false, "small, and once")
	only := flag.String("only", "", "measure just the `scene` of this name")
	flag.Parse()
	if flag.NArg() != 2 {
		return errors.New("usage: bench [-once] [-only SCENE] NFS-EXPORTD TESTCLOUD")
	}
	m := machine{small: *once, runs: 7}
	if *once {
		m.runs = 1
	}
	for i, program := range []*string{&m.program, &m.testcloud} {
		path, err := filepath.Abs(flag.Arg(i))
		if err != nil {
			return err
		}
		*program = path
	}
	var err error
	if m.curl, err = exec.LookPath("curl"); err != nil {
		return err
	}
	results := map[string]result{}
	for _, s := range scenes() {
		if *only != "" && s.name != *only {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring:", s.name)
		r, err := m.measure(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		results[s.name] = r
	}
	if m.small {
		fmt.Println("All is small: the names tell of other sizes, and the figures nothing.")
	}
	printTable(os.Stdout, results)
	return nil
}

// machine is what measures.
type machine struct {
	program, testcloud, curl string
	small                    bool
	runs                     int
}

// cost is what one process took.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // bytes
}

// result is what a scene came to.
type result struct {
	cost
	curl             cost // the same answers
	logins, requests int
	answers          int64 // bytes, as curl has them
}

// measure sets a scene up and gives the medians.
func (m *machine) measure(s scene) (result, error) {
	if m.small {
		s.projects, s.instances, s.served = min(s.projects, 8), min(s.instances, 80), min(s.served, 4)
	}
	st, err := newStage(m, s)
	if err != nil {
		return result{}, err
	}
	defer st.close()
	if s.before != nil {
		if err := s.before(st); err != nil {
			return result{}, fmt.Errorf("setting it up: %w", err)
		}
	}
	var r result
	if r.cost, err = m.median(func() (cost, error) { return st.run(s.args, s.status) }); err != nil {
		return result{}, err
	}
	if s.after != nil {
		if err := s.after(st); err != nil {
			return result{}, err
		}
	}
	if !s.cloud() {
		return r, nil
	}
	var statuses map[string]int
	if r.logins, r.requests, statuses, err = st.requests(); err != nil {
		return result{}, err
	}
	if r.answers, err = st.prepareCurl(statuses); err != nil {
		return result{}, err
	}
	r.curl, err = m.median(st.runCurl)
	return r, err
}

// median runs something once for nothing and then as often as it is told.
func (m *machine) median(run func() (cost, error)) (cost, error) {
	if _, err := run(); err != nil {
		return cost{}, err
	}
	var costs []cost
	for range m.runs {
		c, err := run()
		if err != nil {
			return cost{}, err
		}
		costs = append(costs, c)
	}
	return cost{
		wall: middle(costs, func(c cost) time.Duration { return c.wall }),
		cpu:  middle(costs, func(c cost) time.Duration { return c.cpu }),
		rss:  middle(costs, func(c cost) int64 { return c.rss }),
	}, nil
}

func middle[T time.Duration | int64](costs []cost, of func(cost) T) T {
	values := make([]T, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
