package keystone

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestParallel fails some of many, and the rest waits for ever.
func TestParallel(t *testing.T) {
	t.Parallel()
	unavailable := &UnavailableError{Err: errors.New("later")}
	untrusted := &UntrustedError{Err: errors.New("odd")}
	credentials := &CredentialsError{Err: errors.New("none")}
	refused := &RefusedError{Err: errors.New("no")}
	for _, test := range []struct {
		name string
		errs map[int]error
		want error
	}{
		{"none", nil, nil},
		{"one", map[int]error{5: unavailable}, unavailable},
		{"one for a person", map[int]error{3: unavailable, 7: refused}, refused},
		{"one for a person, first", map[int]error{3: refused, 7: credentials}, refused},
		{"credentials before an answer", map[int]error{3: untrusted, 7: credentials}, credentials},
		{"an answer before none", map[int]error{3: unavailable, 7: untrusted}, untrusted},
		{"the lowest number", map[int]error{3: unavailable, 5: &UnavailableError{Err: errors.New("much later")}}, unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var ready chan struct{}
			if len(test.errs) > 0 {
				ready = make(chan struct{}, len(test.errs))
			}
			err := parallel(t.Context(), 10, func(ctx context.Context, i int) error {
				if err, ok := test.errs[i]; ok {
					ready <- struct{}{}
					for len(ready) < cap(ready) { // so that the order is not decided by chance
						time.Sleep(time.Microsecond)
					}
					return err
				}
				if test.errs == nil {
					return nil
				}
				<-ctx.Done()
				return ended(ctx, Exchange{Op: "wait"})
			})
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	t.Run("inside another that failed", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errSibling)
		err := parallel(ctx, 2, func(ctx context.Context, _ int) error { return ended(ctx, Exchange{Op: "wait"}) })
		if err == nil {
			t.Error("no error, though nothing was done")
		}
	})
}

func TestLimitedBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want error
	}{{"1234567", nil}, {"12345678", nil}, {"123456789", errTooLong}} {
		got, err := io.ReadAll(&limitedBody{ReadCloser: io.NopCloser(strings.NewReader(test.text)), limit: 8})
		if !errors.Is(err, test.want) || !strings.HasPrefix(test.text, string(got)) {
			t.Errorf("%q: %q, %v, want %v", test.text, got, err, test.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"soon":                          0,
		"99999999999999999999":          0,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("Retry-After: %s: %s, want %s", text, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
		if most, least := backoff(n, 0), backoff(n, 0.999); most != want || least < want/2 || least > want*6/10 {
			t.Errorf("backoff(%d) is from %s to %s, want up to %s", n, least, most, want)
		}
	}
}

// TestParallelPanic: a panic reaches the caller, and stops the rest.
func TestParallelPanic(t *testing.T) {
	t.Parallel()
	defer func() {
		if text, ok := recover().(string); !ok || !strings.Contains(text, "made by the test") {
			t.Errorf("the caller's panic is %q", text)
		}
	}()
	_ = parallel(t.Context(), 2, func(ctx context.Context, i int) error {
		if i == 0 {
			panic("made by the test")
		}
		<-ctx.Done()
		return ctx.Err()
	})
	t.Error("no panic")
}
