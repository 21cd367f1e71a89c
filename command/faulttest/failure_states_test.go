package faulttest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
)

// failureRow is one state of failure that a test makes, as docs/failure-states.md
// has it.
type failureRow struct {
	Fault  string // what is wrong, as a person would say it
	Status int
	Says   string // a part of the message, which the test looks for
	Do     string // what to do, in one sentence
}

// failureStates is the document that the tests make.
const failureStates = "../../docs/failure-states.md"

// document collects what the runs of TestFaults showed, by fault.
type document struct {
	cells  int
	faults map[string]map[string]*seenFault // and by statuses
}

// seenFault is in which requests a fault ended a run with one of some statuses.
type seenFault struct {
	in map[place]bool
	// errors are the messages, by kind of request.
	errors map[keystonetest.Kind]string
}

// place is a kind of request in a conversation.
type place struct {
	kind         keystonetest.Kind
	conversation string
}

func newDocument() *document {
	return &document{faults: map[string]map[string]*seenFault{}}
}

// see takes in how a run with a fault ended.
func (d *document) see(c conversation, fault keystonetest.NamedFault, kind keystonetest.Kind, got commandtest.Ran) {
	d.cells++
	if kind == keystonetest.OneInstance && slices.ContainsFunc(keystonetest.Kinds(), func(k keystonetest.Kind) bool { return k != kind && fault.Applies(k) }) {
		return // the introduction says it once for all
	}
	var statuses []string
	for _, status := range expected(c, fault, kind) {
		statuses = append(statuses, fmt.Sprint(status))
	}
	if d.faults[fault.Name] == nil {
		d.faults[fault.Name] = map[string]*seenFault{}
	}
	key := strings.Join(statuses, " or ")
	seen := d.faults[fault.Name][key]
	if seen == nil {
		seen = &seenFault{map[place]bool{}, map[keystonetest.Kind]string{}}
		d.faults[fault.Name][key] = seen
	}
	seen.in[place{kind, c.name}] = true
	if _, message, ok := strings.Cut(got.Stderr, "nfs-exportd: error: "); ok {
		seen.errors[kind] = strings.TrimSpace(message)
	}
}

// compare checks that the document in the source tree says what was seen. With
// UPDATE in the environment it is written instead.
func (d *document) compare(t *testing.T) {
	t.Helper()
	for _, fault := range keystonetest.Faults() {
		if d.faults[fault.Name] == nil {
			t.Logf("not all faults were tried, so %s is not looked at", failureStates)
			return
		}
	}
	made := d.text()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(failureStates, made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	there, err := os.ReadFile(failureStates)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(there), string(made)); diff != "" {
		t.Errorf("%s is not what the tests see; after reading the difference, run make failure-states (-there +made):\n%s", failureStates, diff)
	}
}

const introduction = `# What fails, and what happens then

Made by the tests from what they saw; do not edit it, run "make failure-states".

After each run that failed, the exports file and the table of active exports were
byte for byte as before it, unless the line says otherwise. The exit statuses are
those of nfs-exportd(8).
`

const introductionToFaults = `
## The cloud answers, but not as it should

Each line was tried in every kind of request for which it makes sense: log-in,
another log-in after a token was taken back, token for a project, regions, projects
(all of them, one by one, those of the user), cells, and instances (all pages, and
the first, middle and last one alone), both with the right to list all projects and
without it. "All projects in the end" is with that right, where one or two projects
are tried with a token for each before. A line about some requests says which. With
status 0 the run comes to the right result all the same.

Requests are sent again up to three times after a broken connection, 429, 502, 503
and 504, so that of these only what lasts ends a run. A token that is refused is
replaced once.

Only a request for one instance, by its id, ends no run. Whatever is wrong with the
answer, the places of that instance are frozen as unproved, and all else is applied
(79). Such a request is sent again once.

The whole message has, before what is here, what was being done, and after it the
method, the URL, the HTTP status, the request id, and the user and source of the
credentials.

| what is wrong | exit status | message | what to do |
| --- | --- | --- | --- |
`

// text is the whole document.
func (d *document) text() []byte {
	var b bytes.Buffer
	b.WriteString(introduction)
	b.WriteString(introductionToFaults)
	for _, fault := range keystonetest.Faults() {
		shows := fault.Shows
		if strings.HasPrefix(fault.Name, "cut-") {
			if fault.Name != "cut-11" {
				continue // one line for all places
			}
			shows = "the body is cut at one of 20 places, and its Content-Length agrees"
		}
		seen := d.faults[fault.Name]
		for _, statuses := range slices.Sorted(maps.Keys(seen)) {
			message, advice := seen[statuses].example()
			if strings.HasPrefix(statuses, "0") || strings.HasSuffix(statuses, "or 0") {
				message, advice = "none", "nothing"
			}
			if statuses == "79" {
				message, advice = "none: a warning names the places, which are frozen as unproved", "what the warning says"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(shows), statuses+seen[statuses].where(seen), cell(message), cell(advice))
		}
	}
	section := func(title string, rows []failureRow) {
		fmt.Fprintf(&b, "\n## %s\n\n| what is wrong | exit status | message | what to do |\n| --- | --- | --- | --- |\n", title)
		for _, row := range rows {
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", cell(row.Fault), row.Status, cell(excerpt(row.Says)), cell(row.Do))
		}
	}
	var unreachable []failureRow
	for _, row := range unreachableRows() {
		unreachable = append(unreachable, row.failureRow)
	}
	section("The cloud does not answer at all", unreachable)
	var disk []failureRow
	for _, row := range diskRows() {
		disk = append(disk, row.failureRow)
	}
	section("The disk, the files of others, and exportfs", disk)
	var config []failureRow
	for _, row := range configRows() {
		config = append(config, row.failureRow)
	}
	section("The configuration and the credentials", config)
	return b.Bytes()
}

// where tells in which requests it was seen, given all that was seen of the
// fault.
func (s *seenFault) where(seen map[string]*seenFault) string {
	if len(seen) == 1 {
		return ""
	}
	others := true
	for _, other := range seen {
		others = others && len(other.in) <= len(s.in) && (other == s || len(other.in) < len(s.in))
	}
	if others {
		return " (all others)"
	}
	names := map[keystonetest.Kind]string{
		keystonetest.LogIn: "log-in", keystonetest.ReLogIn: "another log-in", keystonetest.Rescope: "token for a project",
		keystonetest.Regions: "regions", keystonetest.Projects: "all projects", keystonetest.OneProject: "one project",
		keystonetest.AuthProjects: "projects of the user", keystonetest.CellProbe: "cells", keystonetest.Instances: "instances",
		keystonetest.OneInstance: "one instance",
	}
	var list []string
	for _, kind := range keystonetest.Kinds() {
		var in, out []string
		for _, c := range conversations() {
			if !slices.Contains(c.kinds, kind) {
				continue
			}
			if s.in[place{kind, c.name}] {
				in = append(in, c.name)
			} else {
				out = append(out, c.name)
			}
		}
		switch {
		case len(in) > 0 && len(out) > 0:
			list = append(list, names[kind]+" listed "+strings.ReplaceAll(strings.Join(in, " or "), "-", " "))
		case len(in) > 0:
			list = append(list, names[kind])
		}
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// example is a message, in its two parts.
func (s *seenFault) example() (message, advice string) {
	for _, kind := range append([]keystonetest.Kind{keystonetest.Instances}, keystonetest.Kinds()...) {
		if text, ok := s.errors[kind]; ok {
			return parts(text)
		}
	}
	return "", ""
}

// parts gives what is wrong in a message, without what differs from run to run,
// and the advice. Between them is what was asked of whom.
func parts(text string) (message, advice string) {
	if first, rest, lines := strings.Cut(text, "\n"); lines {
		// What is in doubt comes below, line by line, and then the advice.
		_, advice, _ = strings.Cut(rest, "next: ")
		return strings.TrimSuffix(first, ":"), advice
	}
	asked := regexp.MustCompile(`^[^:]*: (.*) \((?:GET|POST) .*?\): (.*)$`).FindStringSubmatch(text)
	if asked == nil {
		panic("a message without what was asked of whom: " + text)
	}
	for _, change := range []struct{ pattern, to string }{
		{`\b(127\.0\.0\.1|localhost):\d+`, `…`},
		{`project "\w+" \(p\d\)`, `project "…"`}, // which is refused first differs
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, `…`},
		{` within ".*" after offset \d+| after offset \d+`, ``},
	} {
		asked[1] = regexp.MustCompile(change.pattern).ReplaceAllString(asked[1], change.to)
	}
	return asked[1], asked[2]
}

// excerpt shows where a part of a message is cut before a path.
func excerpt(says string) string {
	if cut := strings.TrimRight(says, " "); cut != says {
		return cut + " …"
	}
	return says
}

// cell is text for a cell of a table in Markdown.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", `\<`, "*", `\*`, "_", `\_`).Replace(text)
}
