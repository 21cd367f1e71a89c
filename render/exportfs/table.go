package exportfs

import (
	"errors"
	"io/fs"

	"nfs-exportd/render"
	"nfs-exportd/render/disk"
)

// ReadTable reads the active table of this host, with the entries that rpc.mountd does
// not read, see ReadUnread. One that does not exist is empty. Its errors are a
// *render.TableError and a *disk.Error.
func ReadTable(path string) (render.Table, error) {
	table, _, err := ReadUnread(path)
	return table, err
}

// ReadUnread is ReadTable, and returns also what rpc.mountd does not read of the table; nil
// if it reads all.
func ReadUnread(path string) (render.Table, *render.TableError, error) {
	table, err := readTable(path)
	if table == nil {
		return nil, nil, err
	}
	unread, _ := errors.AsType[*render.TableError](err)
	return table, unread, nil
}

func readTable(path string) (render.Table, error) {
	text, _, err := disk.Read(path, true)
	if errors.Is(err, fs.ErrNotExist) {
		return render.Table{}, nil
	}
	if err != nil {
		return nil, disk.NewError(path, "read", err)
	}
	table, err := render.ParseTable(text)
	var problem *render.TableError
	if errors.As(err, &problem) {
		problem.Path = path
	}
	return table, err
}
