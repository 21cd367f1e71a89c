package render

import (
	"errors"
	"io/fs"
)

// ReadTable reads the active table of this host. One that does not exist is
// empty. It gives a *TableError or a *FileError.
func ReadTable(path string) (Table, error) {
	text, _, err := readRegular(path, true)
	if errors.Is(err, fs.ErrNotExist) {
		return Table{}, nil
	}
	if err != nil {
		return nil, &FileError{path, "read", err}
	}
	table, err := ParseTable(text)
	var problem *TableError
	if errors.As(err, &problem) {
		problem.Path = path
	}
	return table, err
}
