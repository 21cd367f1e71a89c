package keystonetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// portal is what a network answers before one has signed in.
const portal = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Please sign in to the network</h1></body></html>\n"

// Do is what a fault does with a request. next is the healthy cloud.
type Do = func(w http.ResponseWriter, r *http.Request, next http.Handler)

// NamedFault is one row of the table of faults.
type NamedFault struct {
	Name  string
	Shows string // what a client sees
	Kinds []Kind // the kinds of request that it makes sense for
	// Complete tells that the answers, odd as they are, still hold everything:
	// a client that gets the right result from them is not wrong.
	Complete bool
	Do       Do
}

// Applies tells whether the fault makes sense for a kind of request.
func (f NamedFault) Applies(k Kind) bool {
	return slices.Contains(f.Kinds, k)
}

// On is the fault for every request of a kind, for ever; for "", of every kind
// that it makes sense for.
func (f NamedFault) On(k Kind) Fault {
	if k != "" {
		return Fault{Kind: k, Do: f.Do}
	}
	return Fault{Match: func(r Request) bool { return f.Applies(r.Kind) }, Do: f.Do}
}

// FaultNamed finds a fault by its name.
func FaultNamed(name string) (NamedFault, bool) {
	for _, f := range Faults() {
		if f.Name == name {
			return f, true
		}
	}
	return NamedFault{}, false
}

// Faults is every fault that has a name. The faults that change an answer pass
// on what is no success as it is.
//
// It leaves out what no answer can show: a refused connection (close the
// server), a name that does not resolve, and TLS (see [NewTLSServer]).
func Faults() []NamedFault {
	return slices.Concat(answerFaults(), bodyFaults(), listFaults(), instanceFaults(), tokenFaults(), cutFaults())
}

func loginKinds() []Kind { return []Kind{LogIn, ReLogIn, Rescope} }

func listKinds() []Kind { return []Kind{Regions, Projects, AuthProjects, CellProbe, Instances} }

// bodyKinds are the kinds of request that are answered with more than a version.
func bodyKinds() []Kind {
	return slices.Concat([]Kind{OneProject, OneInstance}, loginKinds(), listKinds())
}

func answerFaults() []NamedFault {
	all := Kinds()
	return []NamedFault{
		{"reset-before-body", "the connection is reset instead of an answer", all, false, reset},
		{"reset-in-body", "the connection is reset in the middle of the body", all, false, half(1000, reset)},
		{"closed-before-body", "the connection is closed instead of an answer", all, false, hangUp},
		{"black-hole", "no answer ever comes", all, false, blackHole},
		{"stall-in-body", "half the body comes, and then nothing", all, false, half(1000, blackHole)},
		{"slow-drip", "the answer comes byte by byte, 20 in a second", all, false, drip},
		{"not-http", "the answer is no HTTP", all, false, notHTTP},

		{"redirect-301", "301 to the same path on another host", all, false, redirect(301)},
		{"redirect-302", "302 to the same path on another host", all, false, redirect(302)},
		{"redirect-303", "303 to the same path on another host", all, false, redirect(303)},
		{"redirect-307", "307 to the same path on another host", all, false, redirect(307)},
		{"redirect-308", "308 to the same path on another host", all, false, redirect(308)},

		{"status-204", "204 without a body", all, false, status(204)},
		{"status-300", "300 with an empty object", all, false, status(300)},
		{"status-400", "400", all, false, status(400)},
		{"status-401", "401", all, false, status(401)},
		{"status-403", "403", all, false, status(403)},
		{"status-404", "404", all, false, status(404)},
		{"status-409", "409", all, false, status(409)},
		{"status-413", "413", all, false, status(413)},
		{"status-429", "429", all, false, status(429)},
		{"status-429-retry-after", "429 with Retry-After: 1", all, false, status(429, "Retry-After", "1")},
		{"status-429-retry-after-hour", "429 with Retry-After: 3600", all, false, status(429, "Retry-After", "3600")},
		{"status-500", "500", all, false, status(500)},
		{"status-502-html", "502 with the HTML page of a proxy", all, false, htmlPage(502)},
		{"status-503", "503", all, false, status(503)},
		{"status-503-retry-after", "503 with Retry-After: 1", all, false, status(503, "Retry-After", "1")},
		{"status-503-html", "503 with the HTML page of a proxy", all, false, htmlPage(503)},
		{"status-504-html", "504 with the HTML page of a proxy", all, false, htmlPage(504)},
	}
}

func bodyFaults() []NamedFault {
	body := bodyKinds()
	return []NamedFault{
		{"body-empty", "success without a body", body, false, text("")},
		{"body-object", "success with {}", body, false, text(`{}`)},
		{"body-null", "success with null", body, false, text(`null`)},
		{"body-array", "success with []", body, false, text(`[]`)},
		{"body-string", "success with a string", body, false, text(`"OK"`)},
		{"body-html", "success with a HTML page, as of a captive portal", body, false, text(portal, "Content-Type", "text/html")},
		{"body-error", "success with an error in the body", body, false, text(`{"error":{"code":500,"message":"Internal Server Error","title":"Internal Server Error"}}`)},
		{"type-html", "success that says text/html over a good body", body, true, headers("Content-Type", "text/html; charset=utf-8")},
		{"two-documents", "the body twice", body, false, Rewrite(func(body []byte) []byte { return slices.Concat(body, []byte("\n"), body) })},
		{"trailing-garbage", "letters after the body", body, false, Rewrite(func(body []byte) []byte { return append(body, "garbage"...) })},
		{"invalid-utf8", "a byte that is no UTF-8 in a string", body, false, Rewrite(invalidUTF8)},
		{"body-short", "the body ends before its Content-Length", body, false, half(0, hangUp)},
		{"chunk-cut", "the connection ends before the last chunk", body, false, half(inChunks, hangUp)},
		{"gzip-bomb", "10 GB of white space in 10 MB of gzip", body, false, endless(inChunks, true)},
		{"gzip-garbage", "Content-Encoding: gzip over what is none", body, false, headers("Content-Encoding", "gzip")},
		{"endless", "10 GB of white space, in chunks", body, false, endless(inChunks, false)},
		{"endless-length", "10 GB of white space, with a Content-Length", body, false, endless(tenGB, false)},
	}
}

func listFaults() []NamedFault {
	body, lists := bodyKinds(), listKinds()
	keystone, projects, oneProject := []Kind{Regions, Projects, AuthProjects}, []Kind{Projects, AuthProjects}, []Kind{OneProject}
	withID := append(keystone[:3:3], Instances)
	return []NamedFault{
		{"wrong-type", "a string where the list or the object belongs", body, false, set(`"none"`)},
		{"wrong-type-object", "an object where the list belongs", lists, false, set(`{}`)},
		{"value-null", "null where the list or the object belongs", body, false, set(`null`)},
		{"missing-key", "the list or the object is missing, the rest is there", body, false, edit(missingKey)},
		{"duplicate-key", "the list or the object, and then another, empty", body, false, Rewrite(duplicate)},
		{"duplicate-key-first", "an empty list or object, and then the right one", body, false, Rewrite(duplicateFirst)},
		{"other-case", "the key with a capital", body, true, Rewrite(upper)},
		{"null-item", "a null at the end of the list", lists, false, item(func(last string) string { return last + ",null" })},
		{"string-item", "a string at the end of the list", lists, false, item(func(last string) string { return last + `,"x"` })},
		{"item-without-id", "the last of the list has no id", withID, false, drop("id")},
		{"item-null-id", "the last of the list has a null for its id", withID, false, put("id", `null`)},
		{"item-number-id", "the last of the list has a number for its id", withID, false, put("id", `7`)},
		{"item-empty-id", "the last of the list has an empty id", withID, false, put("id", `""`)},
		{"item-duplicate-id", "the last of the list has two ids", withID, false, item(func(last string) string { return last[:len(last)-1] + `,"id":"another"}` })},
		{"item-twice", "the last of the list is there twice", withID, false, item(func(last string) string { return last + "," + last })},
		{"list-empty", "an empty list", keystone, false, set(`[]`)},
		{"truncated", "the list says that it is truncated", keystone, false, edit(func(d doc) { d.object["truncated"] = json.RawMessage(`true`) })},
		{"truncated-half", "the list lost its second half and says so", keystone, false, edit(truncate)},
		{"project-without-name", "the last project has no name", projects, false, drop("name")},
		{"project-without-enabled", "the last project does not say whether it is enabled", projects, false, drop("enabled")},
		{"project-another", "another project than the one asked for", oneProject, false, put("id", `"0123456789abcdef0123456789abcdef"`)},
	}
}

func instanceFaults() []NamedFault {
	instances, servers := []Kind{Instances}, []Kind{CellProbe, Instances}
	detailed, ofNova := []Kind{Instances, OneInstance}, []Kind{CellProbe, Instances, OneInstance}
	return []NamedFault{
		{"instance-without-addresses", "the last instance has no addresses key", detailed, false, drop("addresses")},
		{"instance-null-addresses", "the last instance has null addresses", detailed, false, put("addresses", `null`)},
		{"instance-array-addresses", "the last instance has a list for its addresses", detailed, false, put("addresses", `[]`)},
		{"instance-bad-address", "an address of the last instance is none", detailed, false, putAddress("10.0.0.", 4)},
		{"instance-wide-address", "an address of the last instance is a network", detailed, false, putAddress("10.0.0.0/8", 4)},
		{"instance-zone-address", "an address of the last instance has a zone", detailed, false, putAddress("fe80::1%*(rw)", 6)},
		{"instance-without-status", "the last instance has no status", detailed, false, drop("status")},
		{"instance-unknown", "the last instance is a stub of a cell that is down", detailed, false, fields(stub)},
		{"instance-without-tenant", "the last instance has no tenant_id", detailed, false, drop("tenant_id")},
		{"instance-other-tenant", "the last instance is of a project that was not asked for", detailed, false, put("tenant_id", `"0123456789abcdef0123456789abcdef"`)},
		{"instance-another", "another instance than the one asked for", []Kind{OneInstance}, false, put("id", `"0123456789abcdef0123456789abcdef"`)},
		{"next-other-host", "the next link goes to another host", servers, true, nextLink(func(u *url.URL) { u.Host = otherName(u.Host) })},
		{"next-other-scheme", "the next link goes to another scheme", servers, true, nextLink(func(u *url.URL) { u.Scheme = map[string]string{"http": "https", "https": "http"}[u.Scheme] })},
		{"next-relative", "the next link is relative", servers, true, nextLink(func(u *url.URL) { u.Scheme, u.Host = "", "" })},
		{"next-missing", "there is no next link", servers, true, edit(func(d doc) { delete(d.object, "servers_links") })},
		{"page-repeated", "the first page again, whatever was asked for", instances, false, changed(noMarker)},
		{"page-short", "the last instance is left to the next page, and there is no next link", instances, true, edit(shortPage)},
		{"marker-unknown", "400, the marker is not found", instances, false, markerUnknown},
		{"version-missing", "the answer does not say its microversion", ofNova, false, headers("OpenStack-API-Version", "", "X-OpenStack-Nova-API-Version", "")},
		{"version-ignored", "a proxy drops the microversion, and Nova answers with 2.1", servers, false, changed(noMicroversion)},
		{"status-406", "406, a Nova without the microversion", servers, false, tooNew},
	}
}

func tokenFaults() []NamedFault {
	logins, withToken := loginKinds(), append([]Kind{Rescope, OneProject, OneInstance}, listKinds()...)
	return []NamedFault{
		{"token-missing", "no X-Subject-Token", logins, false, headers("X-Subject-Token", "")},
		{"token-expired", "a token that expired at once", logins, false, expiredToken},
		{"token-expired-claim", "expires_at is past", logins, false, put("expires_at", `"2019-03-04T05:06:07.000000Z"`)},
		{"token-without-expires", "no expires_at", logins, false, drop("expires_at")},
		{"token-expires", "the token sent expires before the request is answered", withToken, true, changed(expires)},
		{"token-other-project", "a token for a project that was not asked for", logins, false, fields(otherProject)},
		{"catalog-missing", "a token without a catalog", logins, false, drop("catalog")},
		{"catalog-empty", "an empty catalog", logins, false, put("catalog", `[]`)},
		{"catalog-null", "a null catalog", logins, false, put("catalog", `null`)},
		{"catalog-without-compute", "a catalog without a compute service", logins, false, computeURLs(nil)},
		{"catalog-two-compute", "a catalog with every compute endpoint twice", logins, false, computeURLs(func(url string) []string { return []string{url, strings.Replace(url, "/compute/", "/compute-old/", 1)} })},
		{"catalog-http", "a catalog with http where https was, and the other way round", logins, false, computeURLs(func(url string) []string { return []string{swapScheme(url)} })},
		{"catalog-bad-url", "a catalog with a compute endpoint that is no URL", logins, false, computeURLs(func(string) []string { return []string{"://%zz"} })},
	}
}

// cuts is at how many places a body gets cut.
const cuts = 20

func cutFaults() []NamedFault {
	var list []NamedFault
	for n := 1; n <= cuts; n++ {
		list = append(list, NamedFault{
			fmt.Sprintf("cut-%02d", n), fmt.Sprintf("the body is cut after %d/%d, and its Content-Length agrees", n, cuts+1),
			bodyKinds(), false, Rewrite(func(body []byte) []byte { return body[:len(body)*n/(cuts+1)] }),
		})
	}
	return list
}
