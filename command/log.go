package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"nfs-exportd/printable"
)

// newLogger gives the log in one of its two formats.
func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(printable.JSON(w), &slog.HandlerOptions{Level: level}))
	}
	return slog.New(&textHandler{w: w, mu: new(sync.Mutex), level: level})
}

// textHandler writes lines for people: the program, the level, the message, the
// attributes. It leaves the time to the journal and keeps the line breaks of
// long messages, which slog's own handler would write as \n. Other control
// characters never come through.
type textHandler struct {
	w     io.Writer
	mu    *sync.Mutex
	level slog.Level
	attrs string
	group string
}

func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "nfs-exportd: %s: %s%s", strings.ToLower(r.Level.String()), printable.Text(r.Message), h.attrs)
	r.Attrs(func(attr slog.Attr) bool {
		h.write(&b, attr)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

func (h *textHandler) write(b *strings.Builder, attr slog.Attr) {
	value := attr.Value.Resolve().String()
	if value != printable.Word(value) || strings.Contains(value, "=") {
		value = strconv.Quote(value) // all of it: an error may be long
	}
	fmt.Fprintf(b, " %s%s=%s", h.group, attr.Key, value)
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, attr := range attrs {
		h.write(&b, attr)
	}
	with := *h
	with.attrs += b.String()
	return &with
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.group += name + "."
	return &with
}
