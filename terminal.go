package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
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
func (a *app) colors(flag string) (bool, error) {
	switch flag {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" && isTerminal(a.stdout), nil
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

// showProgress tells on standard error, if that is a terminal, how many requests
// were sent once the conversation with the cloud takes longer. The function that it
// gives ends that, and takes the line away.
func (a *app) showProgress(requests *atomic.Int64) func() {
	if !isTerminal(a.stderr) {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		began := a.now()
		tick := time.NewTicker(quietFor / 4)
		defer tick.Stop()
		shown := false
		for {
			select {
			case <-stop:
				if shown {
					_, _ = io.WriteString(a.stderr, "\r\x1b[K") // a terminal that is gone
				}
				return
			case <-tick.C:
				if took := a.now().Sub(began); took >= quietFor {
					shown = true
					_, _ = fmt.Fprintf(a.stderr, "\rasking the cloud: %d requests, %d s\x1b[K", requests.Load(), int(took.Seconds()))
				}
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
