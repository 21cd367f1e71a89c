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

// Rewrite is what a fault does that changes the body of every success, and
// leaves any other answer alone. headers (name, value, ...) are set as well; an
// empty value removes one.
func Rewrite(change func(body []byte) []byte, headers ...string) Do {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := record(next, r)
		if a.status < 300 {
			a.body = change(a.body)
			a.with(headers)
		}
		a.write(w)
	}
}

// Answer is what a fault does that answers by itself, in JSON.
func Answer(status int, body string) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		newAnswer(status, "application/json", []byte(body)).write(w)
	}
}

func headers(h ...string) Do { return Rewrite(func(body []byte) []byte { return body }, h...) }

func text(s string, headers ...string) Do {
	return Rewrite(func([]byte) []byte { return []byte(s) }, headers...)
}

// invalidUTF8 spoils the first string value, or adds one.
func invalidUTF8(body []byte) []byte {
	if at := bytes.Index(body, []byte(`":"`)); at >= 0 {
		return slices.Insert(body, at+3, '\xff')
	}
	return slices.Concat([]byte("{\"note\":\"\xff\","), body[1:])
}

// object is a JSON object. The cloud writes its keys in alphabetical order, as
// encoding/json does again.
type object = map[string]json.RawMessage

// doc is the body of a success, by key, and the key of the list or the object
// that it is about.
type doc struct {
	object
	key string
}

func parse(body []byte) doc {
	d := doc{object: decode[object](body)}
	for _, d.key = range []string{"token", "regions", "projects", "project", "servers", "services", "server"} {
		if d.object[d.key] != nil {
			break
		}
	}
	return d
}

// decode reads a part of an answer that a fault changes.
func decode[T any](raw []byte) (v T) {
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(fmt.Sprintf("keystonetest: a fault cannot read the answer: %v", err))
	}
	return v
}

func edit(change func(d doc)) Do {
	return Rewrite(func(body []byte) []byte {
		d := parse(body)
		change(d)
		return encode(d.object, false)
	})
}

// set gives the list or the object another value.
func set(value string) Do { return edit(func(d doc) { d.object[d.key] = json.RawMessage(value) }) }

func (d doc) empty() string {
	if d.object[d.key][0] == '[' {
		return "[]"
	}
	return "{}"
}

func duplicate(body []byte) []byte {
	d := parse(body)
	return fmt.Appendf(nil, `%s,"%s":%s}`, body[:len(body)-1], d.key, d.empty())
}

func duplicateFirst(body []byte) []byte {
	d := parse(body)
	return fmt.Appendf(nil, `{"%s":%s,%s`, d.key, d.empty(), body[1:])
}

func upper(body []byte) []byte {
	key := `"` + parse(body).key + `":`
	return bytes.Replace(body, []byte(key), []byte(key[:1]+strings.ToUpper(key[1:2])+key[2:]), 1)
}

func (d doc) list() []string {
	return collect(decode[[]json.RawMessage](d.object[d.key]), func(item json.RawMessage) string { return string(item) })
}

func (d doc) setList(list []string) {
	d.object[d.key] = json.RawMessage("[" + strings.Join(list, ",") + "]")
}

// item changes the last of the list, or the object. An empty list stays.
func item(change func(last string) string) Do {
	return edit(func(d doc) {
		if d.object[d.key][0] == '{' {
			d.object[d.key] = json.RawMessage(change(string(d.object[d.key])))
			return
		}
		list := d.list()
		if n := len(list) - 1; n >= 0 {
			list[n] = change(list[n])
		}
		d.setList(list)
	})
}

// fields changes the last of the list, or the object, by key.
func fields(change func(object)) Do {
	return item(func(last string) string {
		o := decode[object]([]byte(last))
		change(o)
		return string(encode(o, true))
	})
}

func drop(key string) Do { return fields(func(o object) { delete(o, key) }) }

func put(key, value string) Do { return fields(func(o object) { o[key] = json.RawMessage(value) }) }

func putAddress(addr string, version int) Do {
	return put("addresses", fmt.Sprintf(
		`{"lan":[{"addr":"%s","version":%d,"OS-EXT-IPS:type":"fixed","OS-EXT-IPS-MAC:mac_addr":"fa:16:3e:00:00:01"}]}`, addr, version))
}

func missingKey(d doc) {
	delete(d.object, d.key)
	if len(d.object) == 0 {
		d.object["links"] = json.RawMessage(`{}`)
	}
}

func truncate(d doc) {
	list := d.list()
	d.setList(list[:(len(list)+1)/2])
	d.object["truncated"] = json.RawMessage(`true`)
}

// shortPage leaves the last instance to the next page, if there is more than one.
func shortPage(d doc) {
	if list := d.list(); len(list) > 1 {
		d.setList(list[:len(list)-1])
		delete(d.object, "servers_links")
	}
}

func stub(o object) {
	maps.DeleteFunc(o, func(key string, _ json.RawMessage) bool {
		return !slices.Contains([]string{"id", "tenant_id", "created", "links"}, key)
	})
	o["status"] = json.RawMessage(`"UNKNOWN"`)
}

func otherProject(o object) {
	delete(o, "system")
	o["project"] = json.RawMessage(`{"id":"0123456789abcdef0123456789abcdef","name":"another","domain":{"id":"default","name":"Default"}}`)
}

// nextLink changes the next link of a page that has one.
func nextLink(change func(next *url.URL)) Do {
	return edit(func(d doc) {
		if d.object["servers_links"] == nil {
			return
		}
		next, err := url.Parse(decode[[]struct{ Href string }](d.object["servers_links"])[0].Href)
		if err != nil {
			panic(fmt.Sprintf("keystonetest: a fault needs a next link: %v", err))
		}
		change(next)
		d.object["servers_links"] = encode([]map[string]string{{"rel": "next", "href": next.String()}}, true)
	})
}

func swapScheme(url string) string {
	if rest, ok := strings.CutPrefix(url, "https:"); ok {
		return "http:" + rest
	}
	return "https:" + strings.TrimPrefix(url, "http:")
}

// computeURLs changes the URL of each compute endpoint in a catalog, if there is
// one, into others. Without a function, there is no compute service.
func computeURLs(change func(url string) []string) Do {
	type service struct {
		ID        string           `json:"id"`
		Type      string           `json:"type"`
		Name      string           `json:"name"`
		Endpoints []map[string]any `json:"endpoints"`
	}
	return fields(func(o object) {
		if o["catalog"] == nil {
			return
		}
		services := decode[[]service](o["catalog"])
		at := slices.IndexFunc(services, func(s service) bool { return s.Type == "compute" })
		if change == nil {
			services = slices.Delete(services, at, at+1)
		} else {
			var list []map[string]any
			for _, e := range services[at].Endpoints {
				for n, url := range change(e["url"].(string)) {
					e = maps.Clone(e)
					e["url"] = url
					if n > 0 {
						e["id"] = hexID("endpoint", e["id"].(string))
					}
					list = append(list, e)
				}
			}
			services[at].Endpoints = list
		}
		o["catalog"] = encode(services, true)
	})
}
