// Package keystonetest is an OpenStack cloud for tests: Keystone v3 and Nova
// 2.1 with microversions, in one process, over real HTTP.
//
// A [Cloud] is an http.Handler that serves Keystone at /identity/v3 and, for
// each region R, Nova at /compute/R/v2.1. It answers as Keystone 22 and Nova 26
// do, as far as a reader of projects and instances can see: the same 401 for a
// wrong password, a missing project and a missing role; 403 with the name of
// the policy; pages with a next link exactly when they are full; a cell that is
// down hidden in an ordinary 200 unless the request is one of the few that Nova
// answers with the truth.
//
// [Cloud.Inject] makes it break. [Faults] is the table of everything that it
// can break by name, from a plain 503 to a body of 10 GB.
//
// A test looks like this:
//
//	cloud := keystonetest.NewServer(t)
//	cloud.AddProject(keystonetest.Project{ID: "a1", Name: "alpha"})
//	cloud.AddUser(keystonetest.User{Name: "observer", Password: "secret"})
//	cloud.AddRole("observer", "a1", "reader")
//	cloud.AddInstance(keystonetest.Instance{Name: "vm", ProjectID: "a1"})
//	broken, _ := keystonetest.FaultNamed("status-503")
//	cloud.Inject(broken.On(keystonetest.Instances))
//	// ... the code under test, with cloud.AuthURL() ...
//	// ... and then cloud.Requests() ...
//
// It is no OpenStack to develop against: nothing can be written over HTTP, and
// a request that it does not know gets 501 rather than a guess.
package keystonetest
