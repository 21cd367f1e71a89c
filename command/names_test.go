package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// namesJob is a plan in which host names are looked up like this.
func namesJob(log *bytes.Buffer, resolve ResolveName) job {
	return job{App: App{ResolveName: resolve}, log: slog.New(slog.NewTextHandler(log, nil)), steps: &steps{}}
}

func TestLookUpNames(t *testing.T) {
	t.Parallel()
	f := &files{
		foreign: []render.Foreign{render.ParseForeign("/etc/exports", []byte("/srv/a dead(rw) live(rw) 10.0.0.1(rw)\n"))},
		today:   exports.NewSet([]exports.Grant{{Path: "/srv/b", Client: exports.ParseClient("today"), Owner: exports.Owner{Public: "b"}}}),
	}
	config := &exports.Config{Public: []exports.PublicLine{{Path: "/srv/b", Client: exports.ParseClient("public")}}}
	var mu sync.Mutex
	var asked []string
	resolve := func(ctx context.Context, name string) (render.HostName, error) {
		mu.Lock()
		asked = append(asked, name)
		mu.Unlock()
		switch name {
		case "dead": // DNS does not answer
			<-ctx.Done()
			return render.HostName{}, ctx.Err()
		case "today":
			return render.HostName{}, errors.New("no \x1b getent")
		}
		return render.HostName{Canonical: name + ".example.org", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}, nil
	}
	// One that does not answer takes the time of all, and nothing else from them.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var log bytes.Buffer
	names := namesJob(&log, resolve).lookUpNames(ctx, config, f)
	slices.Sort(asked)
	if want := []string{"dead", "live", "public", "today"}; !slices.Equal(asked, want) || names.asked != len(want) {
		t.Errorf("asked for %q, %d", asked, names.asked)
	}
	if len(names.known) != 2 || names.known["live"].Canonical != "live.example.org" || names.known["public"].Canonical != "public.example.org" {
		t.Errorf("known: %v", names.known)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, &log)
	}
}

// TestLookUpNamesPanic: a bug ends in the run, which has an exit status for it.
func TestLookUpNamesPanic(t *testing.T) {
	t.Parallel()
	f := &files{foreign: []render.Foreign{render.ParseForeign("/etc/exports", []byte("/srv/a host(rw)\n"))}}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "made by the test") {
			t.Errorf("recovered %v", r)
		}
	}()
	namesJob(new(bytes.Buffer), func(context.Context, string) (render.HostName, error) { panic("made by the test") }).lookUpNames(t.Context(), nil, f)
	t.Error("no panic")
}

// TestWarnOfOddLines: a file in which everything is odd does not fill the journal.
func TestWarnOfOddLines(t *testing.T) {
	t.Parallel()
	f := &files{foreign: []render.Foreign{render.ParseForeign("/etc/exports", []byte(strings.Repeat("/srv/a\n", 30)))}}
	var log bytes.Buffer
	namesJob(&log, nil).warnOfOddLines(f, &render.Proven{Odd: []render.Odd{{File: "/etc/exports", Line: 1, Says: "twice"}, {File: "/etc/exports", Line: 31, Says: "tested"}}})
	if n := strings.Count(log.String(), "level=WARN"); n != maxOdd+1 || !strings.Contains(log.String(), "11 odd lines more") ||
		!strings.Contains(log.String(), "line 31: tested") || strings.Contains(log.String(), "twice") {
		t.Errorf("%d warnings:\n%s", n, &log)
	}
}
