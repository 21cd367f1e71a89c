package keystone

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nfs-exportd/printable"
)

// retries is how often a request is sent again, unless the call says otherwise.
const retries = 3

// transientError is one that may be gone a moment later. It never leaves the
// package.
type transientError struct {
	*UnavailableError
	after time.Duration // as the server asked for, or 0
}

func (e *transientError) Unwrap() error { return e.UnavailableError }

// again calls once until it succeeds, gives an error that waiting does not help,
// or was called again as often as retries says. It gives up early where ctx would end
// during the wait.
func (c *Client) again(ctx context.Context, retries int, once func() error) error {
	for n := 0; ; n++ {
		err := once()
		transient, ok := errors.AsType[*transientError](err)
		if !ok {
			return err
		}
		if n == retries {
			return transient.UnavailableError
		}
		wait := max(backoff(n, c.opts.Random()), transient.after)
		if deadline, ok := ctx.Deadline(); ok && c.opts.Now().Add(wait).After(deadline) {
			transient.Next = strings.TrimPrefix(transient.Next+"; the next try, in "+wait.Round(time.Second).String()+
				", would be after the end of --timeout", "; ")
			return transient.UnavailableError
		}
		c.opts.Log.InfoContext(ctx, "trying again", "wait", wait, "after", printable.Plain(transient.UnavailableError.Error()))
		if err := c.opts.Sleep(ctx, wait); err != nil {
			return ended(ctx, transient.Exchange)
		}
	}
}

// backoff is how long to wait after try n, counted from 0: 0.5, 1 and 2 seconds,
// of which up to a half is left to chance.
func backoff(n int, random float64) time.Duration {
	return time.Duration(float64(500*time.Millisecond<<n) * (1 - random/2))
}

// retryAfter reads RFC 9110, 10.2.3: seconds or a date. What it cannot read
// is 0.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// isDisconnect tells whether the other side refused or dropped the connection.
func isDisconnect(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
}

// sleep waits, or returns early with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
