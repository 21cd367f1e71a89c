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
		inventory.Projects["off"] = exports.Project{} // nobody has a use for a token for it
		inventory.IDs[deletedID] = exports.Project{}
		return inventory
	}
	for _, test := range []struct {
		name    string
		world   *world
		listing Listing
		want    func(exports.Inventory) exports.Inventory
	}{
		{"admin", newWorld(t), AllProjects, nil},
		{"admin, automatic", newWorld(t), Auto, nil},
		{"admin, small pages", newWorld(t).paged(), AllProjects, nil},
		{"reader", newWorld(t).asReader(), PerProject, hidden},
		{"reader, automatic", newWorld(t).asReader(), Auto, hidden},
		{"reader, small pages", newWorld(t).asReader().paged(), Auto, hidden},
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
