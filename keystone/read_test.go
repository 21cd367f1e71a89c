package keystone

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

var sameAddr = cmpopts.EquateComparable(exports.Address{})

func TestInventory(t *testing.T) {
	t.Parallel()
	hidden := func(inventory exports.Inventory) exports.Inventory {
		inventory.Projects["gone"] = exports.Project{}
		inventory.IDs[deletedID] = exports.Project{}
		return inventory
	}
	for _, test := range []struct {
		name    string
		world   *world
		listing exports.Listing
		want    func(exports.Inventory) exports.Inventory
	}{
		{"admin", newWorld(t), exports.ListingAllProjects, nil},
		{"admin, automatic", newWorld(t), exports.ListingAuto, nil},
		{"admin, small pages", newWorld(t).paged(), exports.ListingAllProjects, nil},
		{"reader", newWorld(t).asReader(), exports.ListingPerProject, hidden},
		{"reader, automatic", newWorld(t).asReader(), exports.ListingAuto, hidden},
		{"reader, small pages", newWorld(t).asReader().paged(), exports.ListingAuto, hidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.world.opts.Listing = test.listing
			want := test.world.healthy()
			if test.want != nil {
				want = test.want(want)
			}
			got := withoutWhy(test.world.mustRead(t, everything()))
			if diff := cmp.Diff(want, got, sameAddr); diff != "" {
				t.Errorf("-want +got:\n%s\n%v", diff, test.world.Requests())
			}
			test.world.noSecrets(t, "the log", test.world.log.String())
			test.world.onlyKnownHosts(t)
		})
	}
}

// TestDefaults: what is not given is there all the same, and what is given stays.
func TestDefaults(t *testing.T) {
	t.Parallel()
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if o.Domain != "default" || o.Listing != exports.ListingAuto || o.Concurrency != 12 || o.RequestTimeout != 90*time.Second || o.maxBody != maxBody || o.Log == nil {
		t.Errorf("%+v", o)
	}
	if r := o.Random(); r < 0 || r >= 1 || time.Since(o.Now()) > time.Minute {
		t.Errorf("the time is %s, the dice give %v", o.Now(), r)
	}
	if err := o.Sleep(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("Sleep: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Sleep in a context that has ended: %v", err)
	}

	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	mine := errors.New("mine")
	o, err = Options{
		Domain: "d", Listing: exports.ListingPerProject, Concurrency: 1, RequestTimeout: time.Second, maxBody: 7,
		Now: func() time.Time { return then }, Random: func() float64 { return 2 },
		Sleep: func(context.Context, time.Duration) error { return mine },
	}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if o.Domain != "d" || o.Listing != exports.ListingPerProject || o.Concurrency != 1 || o.RequestTimeout != time.Second || o.maxBody != 7 ||
		!o.Now().Equal(then) || o.Random() != 2 || o.Sleep(t.Context(), 0) != mine {
		t.Errorf("%+v", o)
	}
	for _, wrong := range []Options{{Concurrency: -1}, {Concurrency: 33}, {Listing: "none"}} {
		if _, err := wrong.withDefaults(); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}
