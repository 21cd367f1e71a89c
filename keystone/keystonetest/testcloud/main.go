// Command testcloud serves a cloud for tests on a loopback address, for
// demonstrations and for measuring whole processes against it.
//
//	testcloud [-listen 127.0.0.1:0] [-ready FILE] [-cloud FILE]
//	          [-projects N -instances N] [-latency 20ms] [-record]
//
// The cloud is the one that the YAML file describes (see keystonetest.Load), or
// a generated one (see keystonetest.Generate), or both. The base URL is written
// to standard output and, once requests are served, to the file of -ready;
// Keystone is at /identity/v3 below it.
//
// While it runs, these requests change it:
//
//	POST /testcloud/fault?name=status-401&kind=LogIn&times=1&nth=1&page=first&project=ID&region=R
//	POST /testcloud/heal
//	POST /testcloud/expire-tokens
//	POST /testcloud/cell?region=R&cell=C&down=true
//	POST /testcloud/load            (more of the YAML, as the body)
//	POST /testcloud/remove?instance=ID or ?project=ID
//	GET  /testcloud/requests        (the requests so far, one a line, and the peak)
//	POST /testcloud/reset-requests
//	GET  /testcloud/faults          (the names of the faults)
//	GET  /testcloud/curl            (with -record: the requests as curl -K takes them)
//
// Of a fault only the name is required. Everything else is any that the fault
// makes sense for, or for ever. The kinds are those of keystonetest.Kinds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"nfs-exportd/keystone/keystonetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testcloud:", err)
		os.Exit(1)
	}
}

// run serves until the context ends.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("testcloud", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "loopback `address` to serve on")
	ready := flags.String("ready", "", "`file` to write the base URL to, once it is served")
	cloudFile := flags.String("cloud", "", "YAML `file` that describes the cloud")
	projects := flags.Int("projects", 0, "`number` of projects to generate")
	instances := flags.Int("instances", 0, "`number` of instances to generate")
	latency := flags.Duration("latency", 0, "how long each request takes")
	record := flags.Bool("record", false, "keep what is needed to send the requests again, tokens included")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *projects < 0 || *instances < 0 || *instances > 0 && *projects == 0 {
		return errors.New("-instances needs -projects, and neither is negative")
	}

	cloud := keystonetest.New()
	if *cloudFile != "" {
		document, err := os.ReadFile(*cloudFile)
		if err != nil {
			return fmt.Errorf("reading the cloud: %w", err)
		}
		if err := keystonetest.Load(cloud, document); err != nil {
			return fmt.Errorf("%s: %w", *cloudFile, err)
		}
	}
	if *projects > 0 {
		keystonetest.Generate(cloud, *projects, *instances)
	}
	if *latency > 0 {
		cloud.Configure(func(s *keystonetest.Settings) { s.Latency = *latency })
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if a, ok := listener.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("%s is not a loopback address", listener.Addr()), listener.Close())
	}
	url := "http://" + listener.Addr().String()
	cloud.Configure(func(s *keystonetest.Settings) { s.BaseURL = url })

	server := &http.Server{Handler: handler(cloud, *record), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := announce(stdout, *ready, url); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		cloud.Close()
		return server.Close()
	}
}

// announce tells where the cloud is. The file is there as a whole or not at all,
// so that a script may wait for it.
func announce(stdout io.Writer, ready, url string) error {
	if _, err := fmt.Fprintln(stdout, url); err != nil {
		return fmt.Errorf("announcing the address: %w", err)
	}
	if ready == "" {
		return nil
	}
	if err := os.WriteFile(ready+".new", []byte(url+"\n"), 0o600); err != nil {
		return fmt.Errorf("announcing the address: %w", err)
	}
	if err := os.Rename(ready+".new", ready); err != nil {
		return fmt.Errorf("announcing the address: %w", err)
	}
	return nil
}

func handler(cloud *keystonetest.Cloud, record bool) http.Handler {
	mux := http.NewServeMux()
	var tape recorder
	if record {
		mux.Handle("/", tape.handler(cloud))
	} else {
		mux.Handle("/", cloud)
	}
	control := func(pattern string, do func(r *http.Request) (string, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			text, err := do(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_, _ = io.WriteString(w, text) // whoever asked may have gone
		})
	}
	control("POST /testcloud/fault", func(r *http.Request) (string, error) { return "", inject(cloud, r) })
	control("POST /testcloud/heal", func(*http.Request) (string, error) { cloud.Heal(); return "", nil })
	control("POST /testcloud/expire-tokens", func(*http.Request) (string, error) { cloud.ExpireTokens(); return "", nil })
	control("POST /testcloud/reset-requests", func(*http.Request) (string, error) {
		cloud.ResetRequests()
		tape.reset()
		return "", nil
	})
	control("GET /testcloud/curl", func(*http.Request) (string, error) { return tape.curl(), nil })
	control("POST /testcloud/cell", func(r *http.Request) (string, error) { return "", cell(cloud, r) })
	control("POST /testcloud/load", func(r *http.Request) (string, error) {
		document, err := io.ReadAll(r.Body)
		if err != nil {
			return "", err
		}
		return "", keystonetest.Load(cloud, document)
	})
	control("POST /testcloud/remove", func(r *http.Request) (string, error) {
		cloud.RemoveInstance(r.FormValue("instance"))
		cloud.RemoveProject(r.FormValue("project"))
		return "", nil
	})
	control("GET /testcloud/requests", func(*http.Request) (string, error) {
		text := ""
		for _, q := range cloud.Requests() {
			text += fmt.Sprintf("%s %s\n", q.Kind, q)
		}
		return text + fmt.Sprintf("peak %d\n", cloud.Peak()), nil
	})
	control("GET /testcloud/faults", func(*http.Request) (string, error) {
		text := ""
		for _, f := range keystonetest.Faults() {
			text += fmt.Sprintf("%s: %s\n", f.Name, f.Shows)
		}
		return text, nil
	})
	return mux
}

func inject(cloud *keystonetest.Cloud, r *http.Request) error {
	named, ok := keystonetest.FaultNamed(r.FormValue("name"))
	if !ok {
		return fmt.Errorf("no fault %q", r.FormValue("name"))
	}
	kind := keystonetest.Kind(r.FormValue("kind"))
	if kind != "" && !slices.Contains(keystonetest.Kinds(), kind) {
		return fmt.Errorf("no kind of request %q", kind)
	}
	if kind != "" && !named.Applies(kind) {
		return fmt.Errorf("%s makes no sense for %s: only for %v", named.Name, kind, named.Kinds)
	}
	f := named.On(kind)
	f.Project, f.Region, f.Page = r.FormValue("project"), r.FormValue("region"), keystonetest.Page(r.FormValue("page"))
	for name, to := range map[string]*int{"times": &f.Times, "nth": &f.Nth} {
		if text := r.FormValue(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return fmt.Errorf("%s is not a number: %q", name, text)
			}
			*to = n
		}
	}
	cloud.Inject(f)
	return nil
}

func cell(cloud *keystonetest.Cloud, r *http.Request) error {
	down, err := strconv.ParseBool(r.FormValue("down"))
	if err != nil {
		return fmt.Errorf("down is neither true nor false: %q", r.FormValue("down"))
	}
	region := r.FormValue("region")
	if !slices.Contains(cloud.Regions(), region) {
		return fmt.Errorf("no region %q", region)
	}
	cloud.CellDown(region, r.FormValue("cell"), down)
	return nil
}
