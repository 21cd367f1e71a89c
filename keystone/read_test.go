package keystone

import (
	"testing"

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
