package exportfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"nfs-exportd/render"
	"nfs-exportd/render/disk"
)

// CheckRoom returns a *disk.Error if exportfs cannot write an active table of
// size bytes: without the right to it exportfs fails only after the exports file
// is written, and without room it replaces the old table with one that is cut
// short and reports success (xtab_write in nfs-utils' support/export/xtab.c).
func (p Program) CheckRoom(size uint64) error {
	etab := p.Etab
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
	free, need := stat.Bfree*uint64(stat.Bsize), 2*size+2*uint64(stat.Bsize)
	if free < need {
		return disk.NewError(etab, "let exportfs write", fmt.Errorf("%d bytes are free and %d needed: %w", free, need, syscall.ENOSPC))
	}
	return nil
}

// CheckFIFOs returns a *disk.Error if exportfs would wait for ever for one of the
// foreign files, with its own lock held.
func CheckFIFOs(foreign []render.Foreign) error {
	for _, f := range foreign {
		if info, err := os.Stat(f.File); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
			return disk.NewError(f.File, "let exportfs read", disk.ErrFIFO)
		}
	}
	return nil
}
