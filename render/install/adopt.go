package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/disk"
	"nfs-exportd/render/exportfs"
)

// Adopted is an exports file of the program that this one replaces: one file
// for each project, called PROJECT.exports, or public_NAME.exports for a public
// entry.
type Adopted struct {
	Path string
	// Grants are those of the file. Their owner has only an id or only a name:
	// the project's key in the configuration.
	Grants []exports.Grant
	// Lines are the numbers of the grants' lines, from 1.
	Lines map[exports.Place]int

	snapshot Snapshot
}

const (
	publicPrefix = "public_"
	// adoptedSuffix makes exportfs ignore a file.
	adoptedSuffix = ".adopted-by-nfs-exportd"
)

// AdoptError is a file that cannot be adopted.
type AdoptError struct {
	Path  string
	Lines []render.Line // at least one
}

// Error names the lines and what to do.
func (e *AdoptError) Error() string {
	lines := make([]string, len(e.Lines))
	for i, line := range e.Lines {
		lines[i] = line.String()
	}
	return fmt.Sprintf("cannot adopt %s: %s: move its grants into the configuration by hand, or leave the file where it is", printable.Word(e.Path), strings.Join(lines, "; "))
}

// ReadAdopted reads a file to be adopted: lines of PATH -OPTIONS CLIENT..., or
// of PATH CLIENT(OPTIONS)... as public entries have them. It returns an
// *AdoptError if exportfs would understand more than this in it or this program wrote
// it, and a *disk.Error.
func ReadAdopted(path string) (Adopted, error) {
	snapshot, err := File{path}.Load()
	if err != nil {
		return Adopted{}, err
	}
	if !snapshot.Exists {
		return Adopted{}, disk.NewError(path, disk.OpAdopt, fs.ErrNotExist)
	}
	owner, problem := adoptedOwner(filepath.Base(path))
	if problem != "" {
		return Adopted{}, &AdoptError{path, []render.Line{{Problem: problem}}}
	}
	if ours := render.Parse(snapshot.Text); !ours.Edited && ours.Set.Len() > 0 {
		return Adopted{}, &AdoptError{path, []render.Line{{Problem: "nfs-exportd wrote it, with the projects in its comments, which adopting would lose: put it in the place of the exports file"}}}
	}
	adopted := Adopted{Path: path, Lines: map[exports.Place]int{}, snapshot: snapshot}
	parsed := render.ParseForeign(path, snapshot.Text)
	undecided := parsed.Undecided
	for _, r := range parsed.Grants {
		g := exports.Grant{
			Path:    filepath.Clean(r.Place.Path),
			Client:  r.Place.Client,
			Options: r.Options,
			Owner:   owner,
		}
		if _, ok := adopted.Lines[g.Place()]; ok {
			continue // exportfs takes the first
		}
		adopted.Lines[g.Place()] = r.Line
		if err := render.CheckSafe(g); err != nil {
			undecided = append(undecided, render.Line{Number: r.Line, Text: r.String(), Problem: "not as the adopted program writes it"})
			continue
		}
		adopted.Grants = append(adopted.Grants, g)
	}
	if len(undecided) > 0 {
		return Adopted{}, &AdoptError{path, undecided}
	}
	return adopted, nil
}

// adoptedOwner returns the owner of a file's grants, by the file's name.
func adoptedOwner(name string) (owner exports.Owner, problem string) {
	if exportfs.Ignores(name) {
		return owner, "its name is not PROJECT.exports, so exportfs does not read it"
	}
	key := strings.TrimSuffix(name, ".exports")
	if public, ok := strings.CutPrefix(key, publicPrefix); ok && public != "" {
		return exports.Owner{Public: public}, ""
	}
	if exports.IsProjectID(key) {
		return exports.Owner{ID: key}, ""
	}
	return exports.Owner{Name: key}, ""
}

// aside returns the new path of an adopted file.
func (a Adopted) aside() string { return a.Path + adoptedSuffix }

// moveAside renames adopted files so that exportfs ignores them. If it cannot
// rename one, it puts all back. Its errors are those of File.Replace.
func moveAside(adopted []Adopted) error {
	for i, a := range adopted {
		if err := a.moveAside(); err != nil {
			return errors.Join(err, moveBack(adopted[:i]))
		}
	}
	return nil
}

func (a Adopted) moveAside() error {
	now, err := File{a.Path}.Load()
	if err != nil {
		return err
	}
	if !now.same(a.snapshot) {
		return fmt.Errorf("cannot adopt %s: %w: see who else writes to it, and run again", printable.Word(a.Path), ErrChanged)
	}
	if _, err := os.Lstat(a.aside()); !errors.Is(err, fs.ErrNotExist) {
		return disk.NewError(a.aside(), "rename the adopted file to", fs.ErrExist)
	}
	return a.rename(a.Path, a.aside())
}

// moveBack undoes moveAside, as far as it can.
func moveBack(adopted []Adopted) error {
	var errs []error
	for _, a := range adopted {
		errs = append(errs, a.rename(a.aside(), a.Path))
	}
	return errors.Join(errs...)
}

func (a Adopted) rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return disk.NewError(from, "rename", err)
	}
	return File{a.Path}.syncDir()
}
