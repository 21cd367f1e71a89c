package exportfs

import (
	"path/filepath"
	"testing"

	"nfs-exportd/render/rendertest"
)

// TestLockProblemsOfFIFO has a FIFO in the place of the lock, which a look must not wait for.
func TestLockProblemsOfFIFO(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "export-lock")
	if err := rendertest.Mkfifo(path); err != nil {
		t.Fatal(err)
	}
	Program{Lock: path}.LockProblems()
}
