package command

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// watched is a terminal on which somebody waits for a text.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	want  string
	found chan struct{}
}

func (w *watched) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.text.String(), w.want)
	w.text.Write(text)
	if !before && strings.Contains(w.text.String(), w.want) {
		close(w.found)
	}
	return len(text), nil
}

// TestProgressOfCheck has the resolver take long, and then a bug: check says on a
// terminal what it waits for, and leaves nothing of that behind.
func TestProgressOfCheck(t *testing.T) {
	config := filepath.Join(t.TempDir(), "mounts.yaml")
	text := "private: {tools: {gid: 1, mounts: {home: 'nfs.example.org:/srv/home'}}}\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	now := metricsNoon
	terminal := &watched{want: "\rchecking mount hosts: 0 requests, ", found: make(chan struct{})}
	a := App{
		Stdout: terminal, Stderr: terminal, Getenv: func(string) string { return "" },
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(quietFor)
			return now
		},
		Local: func() ([]netip.Addr, error) { return nil, nil },
		Lookup: func(context.Context, string, string) ([]netip.Addr, error) {
			select {
			case <-terminal.found:
			case <-time.After(10 * time.Second):
			}
			panic("made by the test")
		},
	}
	err := a.commands(&progress{w: terminal, terminal: true}).RunContext(t.Context(), []string{"nfs-exportd", "check", "--config", config})
	got := terminal.text.String()
	if line := strings.LastIndex(got, "\rchecking "); err != ended(ExitBug) || line < 0 || !strings.Contains(got[line:], "\r\x1b[Knfs-exportd: error: this is a bug") {
		t.Errorf("ended with %v, printed:\n%q", err, got)
	}
}
