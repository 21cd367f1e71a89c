package command

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nfs-exportd/printable"
)

// isTerminal reports whether somebody looks at what is written there.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// colors decides from --color whether there are colors on standard output. With
// auto there are on a terminal, unless NO_COLOR is set (https://no-color.org) or
// the terminal is a dumb one.
func (a App) colors(flag string) (bool, error) {
	switch flag {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		return a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb" && isTerminal(a.Stdout), nil
	}
	return false, &usageError{fmt.Errorf("--%s: %q is not auto, always or never", flagColor, flag)}
}

// colored writes a plan line by line in the colors that diff(1) uses. Each line is
// a whole of its own, so that none is colored by the one before.
type colored struct{ io.Writer }

const (
	bold  = "\x1b[1m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	plain = "\x1b[0m"
)

func (c colored) Write(text []byte) (int, error) {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		words, ended := bytes.CutSuffix(line, []byte("\n"))
		color := ""
		switch {
		case bytes.HasPrefix(line, []byte("--- ")), bytes.HasPrefix(line, []byte("+++ ")):
			color = bold
		case bytes.HasPrefix(line, []byte("@@")):
			color = cyan
		case bytes.HasPrefix(line, []byte("+")):
			color = green
		case bytes.HasPrefix(line, []byte("-")), bytes.HasPrefix(line, []byte("remove ")):
			color = red
		}
		b.WriteString(color)
		b.Write(words)
		if color != "" {
			b.WriteString(plain)
		}
		if ended {
			b.WriteByte('\n')
		}
	}
	if _, err := c.Writer.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// quietFor is how long a person waits without wanting to know that it goes on.
const quietFor = 2 * time.Second

// progress is one line on a terminal that tells how far a run is, below the log that
// goes there too.
type progress struct {
	w        io.Writer
	terminal bool // nobody else wants to know

	mu    sync.Mutex
	doing string
	shown bool // the line is there
}

// Write writes what is to stay, such as a line of the log, in the place of the line
// that tells how far a run is.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.w.Write(text)
}

// clear takes the line away. The caller has the lock.
func (p *progress) clear() {
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K") // a terminal that is gone
		p.shown = false
	}
}

// now notes what is being done.
func (p *progress) now(doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = doing
}

func (p *progress) show(requests int64, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = true
	_, _ = fmt.Fprintf(p.w, "\r%s: %d requests, %d s\x1b[K", printable.Line(p.doing), requests, int(took.Seconds()))
}

// showProgress says on standard error, if that is a terminal, what is being done and
// how many requests were sent to the cloud, once it takes longer. The function that it
// gives ends that, and takes the line away.
func (j job) showProgress(doing string) (hide func()) {
	p := j.progress
	p.now(doing)
	if !p.terminal {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		began := j.Now()
		tick := time.NewTicker(quietFor / 4)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if took := j.Now().Sub(began); took >= quietFor {
					p.show(j.requests.Load(), took)
				}
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clear()
	}
}
