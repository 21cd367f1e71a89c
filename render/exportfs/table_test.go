package exportfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"nfs-exportd/render"
	"nfs-exportd/render/disk"
	"nfs-exportd/render/rendertest"
)

func TestReadTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	etab := filepath.Join(dir, "etab")
	if table, err := ReadTable(etab); err != nil || table == nil || len(table) != 0 {
		t.Errorf("no file: %v, %v", table, err)
	}
	rendertest.Write(t, etab, "/srv/a\t10.0.0.1(r", 0o644)
	_, err := ReadTable(etab)
	var problem *render.TableError
	if !errors.As(err, &problem) || problem.Path != etab || problem.Line != 1 {
		t.Errorf("error %v", err)
	}
	var failure *disk.Error
	if _, err := ReadTable(dir); !errors.As(err, &failure) {
		t.Errorf("a directory: %v", err)
	}
	if err := os.Truncate(etab, disk.MaxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadTable(etab); !errors.Is(err, disk.ErrTooLarge) {
		t.Errorf("huge: %v", err)
	}
}
