package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// signalled is the cause of a context that a signal ended.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string {
	return fmt.Sprintf("ended by a signal (%s); nothing was changed: run again", s.Signal)
}

// untilLeft is how long a run has to end by itself after a signal.
const untilLeft = time.Second

// gate lets a run either write or be left behind, whichever comes first. What a run does
// after it has written, such as its metrics, can be left behind again.
type gate struct{ state atomic.Int32 }

const gateWriting, gateLeft = 1, 2

// write reports whether the run may begin to write.
func (g *gate) write() bool {
	return g.state.CompareAndSwap(0, gateWriting) || g.state.Load() == gateWriting
}

// wrote ends the write.
func (g *gate) wrote() { g.state.CompareAndSwap(gateWriting, 0) }

// leave reports whether the run may be left behind.
func (g *gate) leave() bool { return g.state.CompareAndSwap(0, gateLeft) }

// UntilSignal gives a context that SIGHUP, SIGINT and SIGTERM end, but for those
// that the program was started to ignore, as by nohup(1).
func UntilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// Caught, SIGPIPE does not end the program in the middle of its work: the write to
	// a closed pipe is an error instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		select {
		case s := <-signals:
			cancel(signalled{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
