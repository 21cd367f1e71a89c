package keystone

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"nfs-exportd/exports"
)

var errSibling = errors.New("something else that ran beside it failed")

// workers is how many goroutines one call of parallel starts: as many as there can
// be requests at a time, and few enough not to matter in memory.
const workers = exports.MaxConcurrency

// parallel calls do for each of 0 to n-1, many at once; how many requests are made
// at a time is not its business. The first error stops the rest. Of several, it
// gives one that needs a person before one that may pass by itself, then the one
// of the lowest number; one that is only the stopping comes last.
func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	inner, cancel := context.WithCancelCause(context.WithValue(ctx, caller{}, ofCaller(ctx)))
	defer cancel(nil)
	errs := make([]error, n)
	panics := make(chan string, n)
	one := func(i int) {
		// A panic has to end in the goroutine of the caller, who can give it an
		// exit status of its own.
		defer func() {
			if r := recover(); r != nil {
				panics <- fmt.Sprintf("%v\n%s", r, debug.Stack())
				cancel(errSibling)
			}
		}()
		if errs[i] = do(inner, i); errs[i] != nil {
			cancel(errSibling)
		}
	}
	var all sync.WaitGroup
	var next atomic.Int64
	for range min(n, workers) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				one(int(i))
			}
		})
	}
	all.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || rank(err) < rank(first)) {
			first = err
		}
	}
	return first
}

// caller is the key of the context of who called parallel first.
type caller struct{}

// ofCaller is that context. It ends with the run, and not because something else
// that ran beside failed: for a log-in, which is not to be stopped halfway and then
// made again, as Keystone may lock a user out who gives a wrong password twice.
func ofCaller(ctx context.Context) context.Context {
	if outer, ok := ctx.Value(caller{}).(context.Context); ok {
		return outer
	}
	return ctx
}

func rank(err error) int {
	if errors.Is(err, errSibling) {
		return 4
	}
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return 0
	}
	if _, ok := errors.AsType[*CredentialsError](err); ok {
		return 1
	}
	if _, ok := errors.AsType[*UntrustedError](err); ok {
		return 2
	}
	return 3
}
