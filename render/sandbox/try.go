package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
)

// RejectedError means that exportfs does not accept options or clients that the
// configuration asks for.
type RejectedError struct {
	Exportfs string // the program
	// Grants are one of each kind that it rejects: what else has the same
	// options, or is of the same public line, is rejected as well.
	Grants []exports.Grant
	Said   []string // by exportfs about each, ASCII
}

// Error names what exportfs rejects, and what it says about each.
func (e *RejectedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s does not take what the configuration asks for: ", printable.Word(e.Exportfs))
	for i, g := range e.Grants {
		of := fmt.Sprintf("project %s", printable.Quote(g.Owner.String()))
		if g.Owner.Public != "" {
			of = fmt.Sprintf("public line %s", printable.Quote(g.Owner.Public))
		}
		fmt.Fprintf(&b, "%s(%s) of %s: %s; ", render.PlaceText(g.Place()), printable.Word(g.Options), of, strings.ReplaceAll(e.Said[i], "\n", " | "))
	}
	b.WriteString("correct these options in the configuration; exports(5) of this host lists those that it knows")
	return b.String()
}

// MismatchError means that exportfs reads the candidate as something else than
// was meant, although it accepts each kind of line for itself. That is a bug.
type MismatchError struct {
	Differences []string // at least one, ASCII
	Ran         exportfs.Ran
	Table       render.Table // what it made
}

// maxNamed is how many differences an error names before it counts the rest.
const maxNamed = 10

// Error names the first differences, and asks for a report.
func (e *MismatchError) Error() string {
	shown := e.Differences[:min(len(e.Differences), maxNamed)]
	more := ""
	if n := len(e.Differences) - len(shown); n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("exportfs reads the new exports file as something else than it should: %s%s; %s; this is a bug in nfs-exportd: nothing was written, please report it",
		strings.Join(shown, "; "), more, e.Ran)
}

// Try has the host's own exportfs read the candidate, which is the text of
// want, together with the foreign files, in a sandbox, and judges by the table
// that it makes: all that is wanted, all that the foreign files make without
// the candidate, and nothing else. So nothing is open to the world but what a
// public line or a foreign file says is. Names are all host names that have an address.
// Whatever exportfs makes of the foreign files is right; what of them is odd is in
// the result.
//
// Its errors are a *RejectedError or a *MismatchError; a *exportfs.Error; a
// *ServiceError; an *Error, which can have ErrNoNamespaces in its chain; and the error
// of ctx.
func (s Sandbox) Try(ctx context.Context, candidate []byte, want exports.Set, foreign []render.Foreign, names render.Names) (render.Proven, error) {
	others, all := s.layOut(candidate, foreign)
	results, err := s.run(ctx, names.Hosts(), others, all)
	if err != nil {
		return render.Proven{}, err
	}
	alone, brokenAlone := render.ParseTable(results[0].Etab)
	table, broken := render.ParseTable(results[1].Etab)
	proven := render.Proven{Table: table, Unresolved: unresolved(want, foreign, names), Reexported: reexported(foreign)}
	var differences []string
	switch unread, ok := errors.AsType[*render.TableError](broken); {
	case alone == nil:
		differences = []string{"without it: " + brokenAlone.Error()}
	case table == nil:
		differences = []string{broken.Error()}
	case ok && !unread.Within(alone):
		differences = []string{broken.Error()}
	default:
		differences = table.CompareTogether(want, alone, names)
		if ok {
			proven.Odd, _ = render.UnreadLines(foreign, unread, want, names)
		}
	}
	if len(differences) == 0 {
		said := func(f render.Foreign) string { return saidAbout(f, results[0].Ran) }
		proven.Odd = append(proven.Odd, render.LostLines(foreign, alone, names, said)...)
		return proven, nil
	}
	if err := s.findRejected(ctx, want); err != nil {
		return render.Proven{}, err
	}
	return render.Proven{}, &MismatchError{differences, results[1].Ran, proven.Table}
}

// layOut returns the foreign files alone, and with the candidate.
func (s Sandbox) layOut(candidate []byte, foreign []render.Foreign) (others, all exportsFiles) {
	for _, f := range foreign {
		text := []byte(withoutFsidd.Replace(string(f.Text)))
		if f.EtcExports {
			others.EtcExports = text
			continue
		}
		others.Directory = append(others.Directory, exportsFile{[]byte(filepath.Base(f.File)), text})
	}
	all = others
	all.Directory = append(slices.Clip(all.Directory), exportsFile{[]byte(filepath.Base(s.Own)), candidate})
	return others, all
}

// withoutFsidd changes options with which exportfs asks fsidd(8), since nfs-utils 2.6.3:
// its socket is abstract, so in another network namespace exportfs would wait in vain
// and read the file no further. An exportfs that rejects one of these options rejects the
// other one too.
var withoutFsidd = strings.NewReplacer("reexport=auto-fsidnum", "reexport=none", "reexport=predefined-fsidnum", "reexport=none")

// reexported returns the places of foreign files that layOut changes.
func reexported(foreign []render.Foreign) (places []exports.Place) {
	for _, f := range foreign {
		for _, g := range f.Grants {
			if withoutFsidd.Replace(g.Options) != g.Options {
				places = append(places, g.Place)
			}
		}
	}
	return places
}

// unresolved returns the wanted and the foreign places of host names without an address.
func unresolved(want exports.Set, foreign []render.Foreign, names render.Names) (places []exports.Place) {
	add := func(p exports.Place) {
		if _, ok := names[p.Client.Literal]; !ok && render.IsName(p.Client) {
			places = append(places, p)
		}
	}
	for _, g := range want.Grants() {
		add(g.Place())
	}
	for _, f := range foreign {
		for _, g := range f.Grants {
			add(g.Place)
		}
	}
	return places
}

// saidAbout returns the first of what exportfs said about a foreign file, without the
// number of the line, which is often wrong.
func saidAbout(f render.Foreign, ran exportfs.Ran) string {
	path := "/etc/exports"
	if !f.EtcExports {
		path = "/etc/exports.d/" + filepath.Base(f.File)
	}
	for line := range strings.Lines(ran.Said) {
		if said, ok := strings.CutPrefix(line, "exportfs: "+path+":"); ok {
			return strings.TrimSpace(strings.TrimLeft(said, "0123456789:"))
		}
	}
	return ""
}

// standIn is an address for documentation (RFC 5737), for lines of which only
// the options are in question.
const standIn = "192.0.2.1"

// findRejected has exportfs read one line of each kind for itself, because its
// own messages have wrong line numbers. It returns a *RejectedError if exportfs
// rejects a line, and an *exportfs.Error if it rejects even one that every exportfs
// accepts.
func (s Sandbox) findRejected(ctx context.Context, want exports.Set) error {
	type kind struct {
		literal, options string
	}
	var (
		samples []exports.Grant
		seen    = map[kind]bool{}
		runs    []exportsFiles
	)
	for _, g := range want.Grants() {
		if k := (kind{g.Client.Literal, g.Options}); !seen[k] {
			seen[k] = true
			samples = append(samples, g)
			runs = append(runs, exportsFiles{EtcExports: []byte(render.GrantLine(resolvable(g)))})
		}
	}
	if len(samples) == 0 {
		return nil
	}
	control := exports.Grant{Path: "/", Client: exports.ParseClient(standIn), Options: "ro,no_subtree_check"}
	runs = append(runs, exportsFiles{EtcExports: []byte(render.GrantLine(control))})
	results, err := s.run(ctx, nil, runs...)
	if err != nil {
		return err
	}
	last := results[len(samples)]
	if table, err := render.ParseTable(last.Etab); err != nil || table[control.Place()] == "" {
		return &exportfs.Error{Path: s.Exportfs, Err: exportfs.ErrRejectsAll, Ran: last.Ran}
	}
	rejected := &RejectedError{Exportfs: s.Exportfs}
	for i, g := range samples {
		table, err := render.ParseTable(results[i].Etab)
		_, ok := table.At(resolvable(g).Place())
		var unreadable *render.TableError
		switch {
		case errors.As(err, &unreadable):
			rejected.Said = append(rejected.Said, "in the active table, "+unreadable.Problem)
		case !ok:
			// The name of the sandbox's file would lead astray.
			said := strings.TrimPrefix(results[i].Ran.Said, "exportfs: /etc/exports:1: ")
			rejected.Said = append(rejected.Said, cmp.Or(said, "it makes something else of it, and says nothing: see whether the path leads through a symbolic link"))
		default:
			continue
		}
		rejected.Grants = append(rejected.Grants, g)
	}
	if len(rejected.Grants) == 0 {
		return nil
	}
	return rejected
}

// resolvable returns a grant with another client instead of a host name.
func resolvable(g exports.Grant) exports.Grant {
	if render.IsName(g.Client) {
		g.Client = exports.ParseClient(standIn)
	}
	return g
}
