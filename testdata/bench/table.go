package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// printTable prints what was measured, and then the ratios.
func printTable(w io.Writer, results map[string]result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tCPU\twall\tRSS\tlog-ins\trequests\tanswers\tcurl CPU\tcurl wall\tCPU / curl")
	for _, s := range scenes() {
		r, ok := results[s.name]
		if !ok {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s", s.name, seconds(r.cpu), seconds(r.wall), megabytes(r.rss))
		if s.cloud() {
			fmt.Fprintf(t, "\t%d\t%d\t%s\t%s\t%s\t%.1f", r.logins, r.requests, megabytes(r.answers), seconds(r.curl.cpu), seconds(r.curl.wall), ratio(r.cpu, r.curl.cpu))
		}
		fmt.Fprintln(t)
	}
	beyond := func(name string, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	fmt.Fprintln(t)
	pair := func(what, one, ten string) {
		a, okA := results[one]
		b, okB := results[ten]
		if okA && okB {
			beyond(what, fmt.Sprintf("× %.1f CPU, × %.1f RSS", ratio(b.cpu, a.cpu), float64(b.rss)/float64(a.rss)))
		}
	}
	pair("ten times the instances (10,000, 100,000)", served10k, served100k)
	pair("ten times the projects (200, 2000)", all200, projects2k)
	pair("ten times the changed lines (4,000, 40,000)", changed4k, changed40k)
	pair("1 project served: a cloud of 100,000 instead of 20", oneInSmall, oneInLarge)
	pair("1 project served, all-projects: a cloud of 100,000 instead of 20", allInSmall, allInLarge)
	pair("1 project served, all-projects: that with 5,000 projects instead", allInSmall, allInMany)
	if r, ok := results[unchanged]; ok {
		beyond("nothing changed, 2,000 grants: CPU beyond curl's", seconds(r.cpu-r.curl.cpu))
	}
	_ = t.Flush() // to standard output, of which nobody else would hear
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
func megabytes(n int64) string       { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// activeTable gives the active table for an exports file, in the words of
// exportfs of nfs-utils 2.6.2.
func activeTable(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var table bytes.Buffer
	for line := range strings.Lines(string(text)) {
		path, word, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if client, _, isGrant := strings.Cut(word, "("); ok && isGrant && strings.HasPrefix(path, "/") {
			fmt.Fprintf(&table, "%s\t%s(rw,async,wdelay,nohide,nocrossmnt,secure,no_root_squash,no_all_squash,"+
				"no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,secure,no_root_squash,no_all_squash)\n", path, client)
		}
	}
	return table.Bytes(), nil
}
