package keystonetest

import (
	"net/http"
	"slices"
	"strconv"
)

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
	all := Kinds()
	logins := []Kind{LogIn, ReLogIn, Rescope}
	servers := []Kind{CellProbe, Instances}
	projects := []Kind{Projects, AuthProjects}
	lists := []Kind{Regions, Projects, AuthProjects, CellProbe, Instances}
	body := append([]Kind{OneProject}, append(logins, lists...)...)
	withToken := append([]Kind{Rescope, OneProject}, lists...)
	keystone := []Kind{Regions, Projects, AuthProjects}

	table := []NamedFault{
		{"reset-before-body", "the connection is reset instead of an answer", all, false, reset(false)},
		{"reset-in-body", "the connection is reset in the middle of the body", all, false, reset(true)},
		{"closed-before-body", "the connection is closed instead of an answer", all, false, hangUp},
		{"black-hole", "no answer ever comes", all, false, blackHole},
		{"stall-in-body", "half the body comes, and then nothing", all, false, stall},
		{"slow-drip", "the answer comes byte by byte, 20 in a second", all, false, drip},
		{"not-http", "the answer is no HTTP", all, false, raw("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")},

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

		{"body-empty", "success without a body", body, false, rewrite(func(doc) []byte { return nil })},
		{"body-object", "success with {}", body, false, rewrite(text(`{}`))},
		{"body-null", "success with null", body, false, rewrite(text(`null`))},
		{"body-array", "success with []", body, false, rewrite(text(`[]`))},
		{"body-string", "success with a string", body, false, rewrite(text(`"OK"`))},
		{"body-html", "success with a HTML page, as of a captive portal", body, false, rewrite(text(portal), "Content-Type", "text/html")},
		{"body-error", "success with an error in the body", body, false, rewrite(text(`{"error":{"code":500,"message":"Internal Server Error","title":"Internal Server Error"}}`))},
		{"type-html", "success that says text/html over a good body", body, true, rewrite(same, "Content-Type", "text/html; charset=utf-8")},
		{"two-documents", "the body twice", body, false, rewrite(func(d doc) []byte { return join(d.raw, "\n", d.raw) })},
		{"trailing-garbage", "letters after the body", body, false, rewrite(func(d doc) []byte { return join(d.raw, "garbage") })},
		{"invalid-utf8", "a byte that is no UTF-8 in a string", body, false, rewrite(invalidUTF8)},
		{"body-short", "the body ends before its Content-Length", body, false, short},
		{"chunk-cut", "the connection ends before the last chunk", body, false, chunkCut},
		{"gzip-bomb", "10 GB of white space in 10 MB of gzip", body, false, bomb},
		{"gzip-garbage", "Content-Encoding: gzip over what is none", body, false, rewrite(same, "Content-Encoding", "gzip")},
		{"endless", "10 GB of white space, in chunks", body, false, endless},
		{"endless-length", "10 GB of white space, with a Content-Length", body, false, endlessLength},

		{"wrong-type", "a string where the list or the object belongs", body, false, rewrite(set(`"none"`))},
		{"wrong-type-object", "an object where the list belongs", lists, false, rewrite(set(`{}`))},
		{"value-null", "null where the list or the object belongs", body, false, rewrite(set(`null`))},
		{"missing-key", "the list or the object is missing, the rest is there", body, false, rewrite(without)},
		{"duplicate-key", "the list or the object, and then another, empty", body, false, rewrite(duplicate)},
		{"duplicate-key-first", "an empty list or object, and then the right one", body, false, rewrite(duplicateFirst)},
		{"other-case", "the key with a capital", body, true, rewrite(upper)},
		{"null-item", "a null at the end of the list", lists, false, rewrite(item(func(last []byte) []byte { return join(last, ",null") }))},
		{"string-item", "a string at the end of the list", lists, false, rewrite(item(func(last []byte) []byte { return join(last, `,"x"`) }))},
		{"item-without-id", "the last of the list has no id", []Kind{Regions, Projects, AuthProjects, Instances}, false, rewrite(drop("id"))},
		{"item-null-id", "the last of the list has a null for its id", []Kind{Regions, Projects, AuthProjects, Instances}, false, rewrite(put("id", `null`))},
		{"item-number-id", "the last of the list has a number for its id", []Kind{Regions, Projects, AuthProjects, Instances}, false, rewrite(put("id", `7`))},
		{"item-empty-id", "the last of the list has an empty id", []Kind{Regions, Projects, AuthProjects, Instances}, false, rewrite(put("id", `""`))},
		{"item-duplicate-id", "the last of the list has two ids", []Kind{Regions, Projects, AuthProjects, Instances}, false, rewrite(again("id", `"another"`))},
		{"item-twice", "the last of the list is there twice", []Kind{Regions, Projects, AuthProjects, Instances}, false, rewrite(item(func(last []byte) []byte { return join(last, ",", last) }))},
		{"list-empty", "an empty list", []Kind{Regions, Projects, AuthProjects}, false, rewrite(set(`[]`))},
		{"truncated", "the list says that it is truncated", keystone, false, rewrite(add("truncated", `true`))},
		{"truncated-half", "the list lost its second half and says so", keystone, false, rewrite(truncate)},
		{"project-without-name", "the last project has no name", projects, false, rewrite(drop("name"))},
		{"project-without-enabled", "the last project does not say whether it is enabled", projects, false, rewrite(drop("enabled"))},
		{"project-another", "another project than the one asked for", []Kind{OneProject}, false, rewrite(put("id", `"0123456789abcdef0123456789abcdef"`))},

		{"instance-without-addresses", "the last instance has no addresses key", []Kind{Instances}, false, rewrite(drop("addresses"))},
		{"instance-null-addresses", "the last instance has null addresses", []Kind{Instances}, false, rewrite(put("addresses", `null`))},
		{"instance-array-addresses", "the last instance has a list for its addresses", []Kind{Instances}, false, rewrite(put("addresses", `[]`))},
		{"instance-bad-address", "an address of the last instance is none", []Kind{Instances}, false, rewrite(put("addresses", `{"lan":[{"addr":"10.0.0.","version":4,"OS-EXT-IPS:type":"fixed","OS-EXT-IPS-MAC:mac_addr":"fa:16:3e:00:00:01"}]}`))},
		{"instance-wide-address", "an address of the last instance is a network", []Kind{Instances}, false, rewrite(put("addresses", `{"lan":[{"addr":"10.0.0.0/8","version":4,"OS-EXT-IPS:type":"fixed","OS-EXT-IPS-MAC:mac_addr":"fa:16:3e:00:00:01"}]}`))},
		{"instance-zone-address", "an address of the last instance has a zone", []Kind{Instances}, false, rewrite(put("addresses", `{"lan":[{"addr":"fe80::1%*(rw)","version":6,"OS-EXT-IPS:type":"fixed","OS-EXT-IPS-MAC:mac_addr":"fa:16:3e:00:00:01"}]}`))},
		{"instance-without-status", "the last instance has no status", []Kind{Instances}, false, rewrite(drop("status"))},
		{"instance-unknown", "the last instance is a stub of a cell that is down", []Kind{Instances}, false, rewrite(stub)},
		{"instance-without-tenant", "the last instance has no tenant_id", []Kind{Instances}, false, rewrite(drop("tenant_id"))},
		{"instance-other-tenant", "the last instance is of a project that was not asked for", []Kind{Instances}, false, rewrite(put("tenant_id", `"0123456789abcdef0123456789abcdef"`))},
		{"next-other-host", "the next link goes to another host", servers, true, rewriteNext(otherHost)},
		{"next-other-scheme", "the next link goes to another scheme", servers, true, rewriteNext(otherScheme)},
		{"next-relative", "the next link is relative", servers, true, rewriteNext(relative)},
		{"next-missing", "there is no next link", servers, true, rewrite(dropNext)},
		{"page-repeated", "the first page again, whatever was asked for", []Kind{Instances}, false, repeat},
		{"page-short", "the last instance is left to the next page, and there is no next link", []Kind{Instances}, true, rewrite(shortPage)},
		{"marker-unknown", "400, the marker is not found", []Kind{Instances}, false, markerUnknown},
		{"version-missing", "the answer does not say its microversion", servers, false, rewrite(same, "OpenStack-API-Version", "", "X-OpenStack-Nova-API-Version", "")},
		{"version-ignored", "a proxy drops the microversion, and Nova answers with 2.1", servers, false, versionIgnored},
		{"status-406", "406, a Nova without the microversion", servers, false, tooNew},

		{"token-missing", "no X-Subject-Token", logins, false, rewrite(same, "X-Subject-Token", "")},
		{"token-expired", "a token that expired at once", logins, false, expiredToken},
		{"token-expired-claim", "expires_at is past", logins, false, rewrite(put("expires_at", `"2019-03-04T05:06:07.000000Z"`))},
		{"token-without-expires", "no expires_at", logins, false, rewrite(drop("expires_at"))},
		{"token-expires", "the token sent expires before the request is answered", withToken, true, expires},
		{"token-other-project", "a token for a project that was not asked for", logins, false, rewrite(otherProject)},
		{"catalog-missing", "a token without a catalog", logins, false, rewrite(drop("catalog"))},
		{"catalog-empty", "an empty catalog", logins, false, rewrite(put("catalog", `[]`))},
		{"catalog-null", "a null catalog", logins, false, rewrite(put("catalog", `null`))},
		{"catalog-without-compute", "a catalog without a compute service", logins, false, rewrite(catalog(withoutCompute))},
		{"catalog-two-compute", "a catalog with every compute endpoint twice", logins, false, rewrite(catalog(twoCompute))},
		{"catalog-http", "a catalog with http where https was, and the other way round", logins, false, rewrite(catalog(swapScheme))},
		{"catalog-bad-url", "a catalog with a compute endpoint that is no URL", logins, false, rewrite(catalog(badURL))},
	}
	for n := 1; n <= cuts; n++ {
		table = append(table, NamedFault{
			"cut-" + leadingZero(n), "the body is cut after " + strconv.Itoa(n) + "/" + strconv.Itoa(cuts+1) +
				", and its Content-Length agrees", body, false, rewrite(cut(n)),
		})
	}
	return table
}

// cuts is at how many places a body gets cut.
const cuts = 20

func leadingZero(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
