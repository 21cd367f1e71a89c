package render

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"nfs-exportd/exports"
	"nfs-exportd/render/disk"

	"golang.org/x/sys/unix"
)

// CheckRoom refuses to let exportfs write a table that it cannot write: without
// the right to it exportfs fails only after the exports file is written, and
// without room it puts a table cut short in the place of the old one and reports
// success (xtab_write in nfs-utils' support/export/xtab.c). It gives a *disk.Error.
func (c Change) CheckRoom() error {
	etab := c.Exportfs.Etab
	dir := filepath.Dir(etab)
	if err := disk.Replaceable(etab); err != nil {
		return disk.NewError(etab, "let exportfs write", err)
	}
	for _, name := range []string{filepath.Join(dir, "."+filepath.Base(etab)+".lock"), etab + ".tmp"} {
		if err := unix.Access(name, unix.W_OK); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return disk.NewError(name, "let exportfs write", err)
		}
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return disk.NewError(etab, "look for room for", err)
	}
	// exportfs runs as root, who may use the reserve.
	free, need := stat.Bfree*uint64(stat.Bsize), 2*c.tableSize()+2*uint64(stat.Bsize)
	if free < need {
		return disk.NewError(etab, "let exportfs write", fmt.Errorf("%d bytes are free and %d needed: %w", free, need, syscall.ENOSPC))
	}
	return nil
}

// CheckFIFOs refuses to run exportfs where it would wait for ever, with its own
// lock held. It gives a *disk.Error.
func CheckFIFOs(foreign []Foreign) error {
	for _, f := range foreign {
		if info, err := os.Stat(f.File); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
			return disk.NewError(f.File, "let exportfs read", disk.ErrFIFO)
		}
	}
	return nil
}

// entryOptions is about how long the options of an entry of the table are.
const entryOptions = 200

// tableSize is about how long the new table will be.
func (c Change) tableSize() uint64 {
	size := 0
	add := func(p exports.Place) { size += len(p.Path) + len(p.Client.String()) + entryOptions }
	if c.Proven != nil {
		for place := range c.Proven.Table {
			add(place)
		}
		return uint64(size)
	}
	for _, g := range c.Want.Grants() {
		add(g.Place())
	}
	for _, f := range c.Foreign {
		for _, g := range f.Grants {
			add(g.Place)
		}
	}
	return uint64(size)
}
