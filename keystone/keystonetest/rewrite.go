package keystonetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// portal is what a network answers before one has signed in.
const portal = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Please sign in to the network</h1></body></html>\n"

// Rewrite is what a fault does that changes the body of every success, and
// leaves any other answer alone. headers (name, value, ...) are set as well; an
// empty value removes one.
func Rewrite(change func(body []byte) []byte, headers ...string) Do {
	return rewrite(func(d doc) []byte { return change(d.raw) }, headers...)
}

// Answer is what a fault does that answers by itself, in JSON.
func Answer(status int, body string) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		a := &answer{status: status, header: http.Header{}, body: []byte(body)}
		a.header.Set("Content-Type", "application/json")
		a.write(w)
	}
}

// doc is the body of a success.
type doc struct {
	raw  []byte
	keys []string // in their order
	top  map[string]json.RawMessage
	key  string // of the list or the object that the answer is about
	host string
}

func rewrite(change func(doc) []byte, headers ...string) Do {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := record(next, r)
		if a.status < 300 {
			a.body = change(parse(a.body, at(r).call))
			a = a.with(headers)
		}
		a.write(w)
	}
}

func parse(body []byte, k *call) doc {
	d := doc{raw: body, top: map[string]json.RawMessage{}, host: k.Host}
	d.key = map[Kind]string{
		LogIn: "token", ReLogIn: "token", Rescope: "token", Regions: "regions",
		Projects: "projects", AuthProjects: "projects", OneProject: "project",
		CellProbe: "servers", Instances: "servers",
	}[k.Kind]
	if k.resource == "os-services" {
		d.key = "services"
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	for depth, n := 0, 0; ; n++ {
		t, err := dec.Token()
		if err != nil {
			break
		}
		if delim, ok := t.(json.Delim); ok && delim == '}' {
			break
		}
		if depth == 0 {
			depth = 1
			continue
		}
		key := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			panic(fmt.Sprintf("keystonetest: a fault cannot read the answer: %v", err))
		}
		d.keys = append(d.keys, key)
		d.top[key] = value
	}
	return d
}

func (d doc) encode() []byte {
	b := []byte{'{'}
	for n, key := range d.keys {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(append(b, quote(key)...), ':')
		b = append(b, d.top[key]...)
	}
	return append(b, '}')
}

func same(d doc) []byte { return d.raw }

func text(s string) func(doc) []byte { return func(doc) []byte { return []byte(s) } }

func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func cut(n int) func(doc) []byte {
	return func(d doc) []byte { return d.raw[:len(d.raw)*n/(cuts+1)] }
}

// invalidUTF8 spoils the first string value, or adds one.
func invalidUTF8(d doc) []byte {
	if at := bytes.Index(d.raw, []byte(`":"`)); at >= 0 {
		return join(d.raw[:at+3], "\xff", d.raw[at+3:])
	}
	return join("{\"note\":\"\xff\",", d.raw[1:])
}

func set(value string) func(doc) []byte {
	return func(d doc) []byte {
		d.top[d.key] = json.RawMessage(value)
		return d.encode()
	}
}

func add(key, value string) func(doc) []byte {
	return func(d doc) []byte {
		if _, ok := d.top[key]; !ok {
			d.keys = append(d.keys, key)
		}
		d.top[key] = json.RawMessage(value)
		return d.encode()
	}
}

func without(d doc) []byte {
	d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == d.key })
	if len(d.keys) == 0 {
		d.keys = []string{"links"}
		d.top["links"] = json.RawMessage(`{}`)
	}
	return d.encode()
}

func (d doc) empty() string {
	if d.top[d.key][0] == '[' {
		return "[]"
	}
	return "{}"
}

func duplicate(d doc) []byte {
	whole := d.encode()
	return join(whole[:len(whole)-1], `,"`, d.key, `":`, d.empty(), `}`)
}

func duplicateFirst(d doc) []byte {
	return join(`{"`, d.key, `":`, d.empty(), `,`, d.encode()[1:])
}

func upper(d doc) []byte {
	at := slices.Index(d.keys, d.key)
	value := d.top[d.key]
	d.key = strings.ToUpper(d.key[:1]) + d.key[1:]
	d.keys[at], d.top[d.key] = d.key, value
	return d.encode()
}

func (d doc) list() []json.RawMessage {
	var list []json.RawMessage
	if err := json.Unmarshal(d.top[d.key], &list); err != nil {
		panic(fmt.Sprintf("keystonetest: a fault needs a list: %v", err))
	}
	return list
}

func (d doc) withList(list []json.RawMessage) []byte {
	var b []byte
	for n, i := range list {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, i...)
	}
	d.top[d.key] = join("[", b, "]")
	return d.encode()
}

// item changes the last of the list, or the object. An empty list stays.
func item(change func(last []byte) []byte) func(doc) []byte {
	return func(d doc) []byte {
		if d.top[d.key][0] == '{' {
			d.top[d.key] = change(d.top[d.key])
			return d.encode()
		}
		list := d.list()
		if len(list) > 0 {
			list[len(list)-1] = change(list[len(list)-1])
		}
		return d.withList(list)
	}
}

// fields changes the last of the list, or the object, as a map.
func fields(change func(map[string]json.RawMessage)) func(doc) []byte {
	return item(func(last []byte) []byte {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(last, &m); err != nil {
			panic(fmt.Sprintf("keystonetest: a fault needs an object: %v", err))
		}
		change(m)
		return mustJSON(m)
	})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was JSON before
	}
	return b
}

func drop(key string) func(doc) []byte {
	return fields(func(m map[string]json.RawMessage) { delete(m, key) })
}

func put(key, value string) func(doc) []byte {
	return fields(func(m map[string]json.RawMessage) { m[key] = json.RawMessage(value) })
}

func again(key, value string) func(doc) []byte {
	return item(func(last []byte) []byte { return join(last[:len(last)-1], `,"`, key, `":`, value, `}`) })
}

func stub(d doc) []byte {
	return fields(func(m map[string]json.RawMessage) {
		for key := range m {
			if !slices.Contains([]string{"id", "tenant_id", "created", "links"}, key) {
				delete(m, key)
			}
		}
		m["status"] = json.RawMessage(`"UNKNOWN"`)
	})(d)
}

func truncate(d doc) []byte {
	list := d.list()
	d.top[d.key] = nil
	d.keys = append(d.keys, "truncated")
	d.top["truncated"] = json.RawMessage(`true`)
	return d.withList(list[:(len(list)+1)/2])
}

// Faults in paging

// next is the next link of a page, "" if it has none.
func (d doc) next() string {
	var links []struct{ Rel, Href string }
	if raw, ok := d.top["servers_links"]; ok {
		if err := json.Unmarshal(raw, &links); err != nil {
			panic(fmt.Sprintf("keystonetest: a fault needs links: %v", err))
		}
	}
	for _, l := range links {
		if l.Rel == "next" {
			return l.Href
		}
	}
	return ""
}

func rewriteNext(change func(d doc, next *url.URL) string) Do {
	return rewrite(func(d doc) []byte {
		next := d.next()
		if next == "" {
			return d.raw
		}
		u, err := url.Parse(next)
		if err != nil {
			panic(fmt.Sprintf("keystonetest: a fault needs a next link: %v", err))
		}
		d.top["servers_links"] = mustJSON([]map[string]string{{"rel": "next", "href": change(d, u)}})
		return d.encode()
	})
}

func otherHost(_ doc, u *url.URL) string {
	u.Host = otherName(u.Host)
	return u.String()
}

func otherScheme(_ doc, u *url.URL) string {
	u.Scheme = map[string]string{"http": "https", "https": "http"}[u.Scheme]
	return u.String()
}

func relative(_ doc, u *url.URL) string { return u.RequestURI() }

func dropNext(d doc) []byte {
	d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == "servers_links" })
	return d.encode()
}

// shortPage leaves the last instance to the next page, if there is more than one.
func shortPage(d doc) []byte {
	list := d.list()
	if len(list) < 2 {
		return d.raw
	}
	d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == "servers_links" })
	return d.withList(list[:len(list)-1])
}

// Faults in the token and its catalog

func otherProject(d doc) []byte {
	return fields(func(m map[string]json.RawMessage) {
		delete(m, "system")
		m["project"] = json.RawMessage(`{"id":"0123456789abcdef0123456789abcdef","name":"another","domain":{"id":"default","name":"Default"}}`)
	})(d)
}

type service struct {
	ID        string           `json:"id"`
	Type      string           `json:"type"`
	Name      string           `json:"name"`
	Endpoints []map[string]any `json:"endpoints"`
}

// catalog changes the catalog of a token, if it has one.
func catalog(change func([]service) []service) func(doc) []byte {
	return fields(func(m map[string]json.RawMessage) {
		var services []service
		if m["catalog"] == nil {
			return
		}
		if err := json.Unmarshal(m["catalog"], &services); err != nil {
			panic(fmt.Sprintf("keystonetest: a fault needs a catalog: %v", err))
		}
		m["catalog"] = mustJSON(change(services))
	})
}

func withoutCompute(services []service) []service {
	return slices.DeleteFunc(services, func(s service) bool { return s.Type == "compute" })
}

// computeEndpoints changes the endpoints of the compute service.
func computeEndpoints(services []service, change func(e map[string]any) []map[string]any) []service {
	for n, s := range services {
		if s.Type != "compute" {
			continue
		}
		var list []map[string]any
		for _, e := range s.Endpoints {
			list = append(list, change(e)...)
		}
		services[n].Endpoints = list
	}
	return services
}

func twoCompute(services []service) []service {
	return computeEndpoints(services, func(e map[string]any) []map[string]any {
		second := maps.Clone(e)
		second["id"] = hexID("endpoint", fmt.Sprint(e["id"]))
		second["url"] = strings.Replace(fmt.Sprint(e["url"]), "/compute/", "/compute-old/", 1)
		return []map[string]any{e, second}
	})
}

func swapScheme(services []service) []service {
	return computeEndpoints(services, func(e map[string]any) []map[string]any {
		u := fmt.Sprint(e["url"])
		if rest, ok := strings.CutPrefix(u, "https:"); ok {
			e["url"] = "http:" + rest
		} else {
			e["url"] = "https:" + strings.TrimPrefix(u, "http:")
		}
		return []map[string]any{e}
	})
}

func badURL(services []service) []service {
	return computeEndpoints(services, func(e map[string]any) []map[string]any {
		e["url"] = "://%zz"
		return []map[string]any{e}
	})
}
