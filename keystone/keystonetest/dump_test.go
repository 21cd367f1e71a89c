package keystonetest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// TestDump writes clouds down, reads that, and compares what they answer.
func TestDump(t *testing.T) {
	made := keystonetest.New()
	made.Configure(func(s *keystonetest.Settings) {
		s.PageSize, s.ListLimit, s.SkipDownCells, s.KeystonePaging = 2, 3, false, true
	})
	made.AddRegion("RegionTwo")
	made.AddRegion("RegionThree")
	made.SetEndpoints("RegionTwo")
	made.SetEndpoints("RegionThree", keystonetest.Endpoint{Interface: "public", URL: "{base}/compute/RegionThree/v2.1"})
	made.AddProject(keystonetest.Project{ID: "p1", Name: `to"ols`})
	made.AddProject(keystonetest.Project{ID: "p2", Name: "off", Disabled: true})
	made.AddProject(keystonetest.Project{ID: "p3", Name: "gone"})
	made.AddUser(keystonetest.User{Name: "observer", Password: "pass word"})
	made.AddRole("observer", keystonetest.System, "admin")
	made.AddRole("observer", "p1", "reader")
	for _, i := range []keystonetest.Instance{
		{ID: "i2", Name: "two", ProjectID: "p1", Region: "RegionTwo", Cell: "cell2", Status: "SHUTOFF",
			Addresses: []keystonetest.Address{{Network: "lan", IP: "10.0.0.2"}, {Network: "dmz", IP: "2001:db8::2", Type: "floating"}}},
		{ID: "i1", Name: "one", ProjectID: "p3", Host: "h1", NoRequestSpec: true, EmptyNetworks: []string{"wan"},
			Addresses: []keystonetest.Address{{Network: "lan", IP: "10.0.0.1"}}},
	} {
		made.AddInstance(i)
	}
	made.RemoveProject("p3")
	made.CellDown("RegionTwo", "cell2", true)

	first := made.Dump()
	again := keystonetest.New()
	if err := keystonetest.Load(again, first); err != nil {
		t.Fatalf("%v in\n%s", err, first)
	}
	if diff := cmp.Diff(string(first), string(again.Dump())); diff != "" {
		t.Errorf("dumped, loaded and dumped again (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(made.Projects(), again.Projects()); diff != "" {
		t.Error(diff)
	}
	for _, region := range made.Regions() {
		// Addresses are in the order of their networks, floating or fixed.
		if diff := cmp.Diff(made.Instances(region), again.Instances(region)); diff != "" {
			t.Errorf("%s: %s", region, diff)
		}
	}
	if !cmp.Equal(made.Regions(), again.Regions()) {
		t.Errorf("regions %q, then %q", made.Regions(), again.Regions())
	}
}
