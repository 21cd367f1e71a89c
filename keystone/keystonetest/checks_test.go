package keystonetest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// outcome is what a client saw of an answer, at most a megabyte of it.
type outcome struct {
	err     error // instead of an answer
	status  int
	header  http.Header
	body    []byte
	readErr error
	kind    keystonetest.Kind
	host    string
}

const enough = 1 << 20

// success tells whether the answer is one, and whole.
func (o outcome) success() bool {
	return o.err == nil && o.readErr == nil && (o.status == http.StatusOK || o.status == http.StatusCreated)
}

// key is where the answer keeps what it is about.
func (o outcome) key() string {
	return map[keystonetest.Kind]string{
		"LogIn": "token", "ReLogIn": "token", "Rescope": "token", "Regions": "regions", "Projects": "projects",
		"AuthProjects": "projects", "Project": "project", "CellProbe": "servers", "Instances": "servers",
		"Instance": "server",
	}[o.kind]
}

func (o outcome) top() map[string]any {
	var m map[string]any
	if err := json.Unmarshal(o.body, &m); err != nil {
		return map[string]any{"not JSON": err.Error()}
	}
	return m
}

func (o outcome) list() []any {
	list, _ := o.top()[o.key()].([]any)
	return list
}

// last is the last of the list, or the object.
func (o outcome) last() map[string]any {
	m, _ := o.top()[o.key()].(map[string]any)
	if list := o.list(); len(list) > 0 {
		m, _ = list[len(list)-1].(map[string]any)
	}
	return m
}

func (o outcome) ids() []string {
	var ids []string
	for _, i := range o.list() {
		m, _ := i.(map[string]any)
		ids = append(ids, fmt.Sprint(m["id"]))
	}
	return ids
}

func (o outcome) next() *url.URL {
	links, _ := o.top()["servers_links"].([]any)
	if len(links) != 1 {
		return nil
	}
	u, err := url.Parse(fmt.Sprint(links[0].(map[string]any)["href"]))
	if err != nil {
		return nil
	}
	return u
}

func (o outcome) compute() []map[string]any {
	var list []map[string]any
	services, _ := o.last()["catalog"].([]any)
	for _, s := range services {
		if m := s.(map[string]any); m["type"] == "compute" {
			for _, e := range m["endpoints"].([]any) {
				list = append(list, e.(map[string]any))
			}
		}
	}
	return list
}

// without is a check that a key of the last of the list is gone, and no other.
func without(key string) func(h, b outcome) bool {
	return func(h, b outcome) bool {
		want := h.last()
		if want == nil || want[key] == nil && key != "catalog" {
			return false
		}
		delete(want, key)
		return b.success() && cmp.Equal(want, b.last(), ignoreTimes()) && len(h.list()) == len(b.list())
	}
}

// with is a check that a key of the last of the list has this value.
func with(key string, value any) func(h, b outcome) bool {
	return func(h, b outcome) bool {
		got, ok := b.last()[key]
		return b.success() && ok && reflect.DeepEqual(got, value) && !reflect.DeepEqual(h.last()[key], value) &&
			len(h.list()) == len(b.list())
	}
}

func body(want string) func(h, b outcome) bool {
	return func(_, b outcome) bool { return b.success() && string(b.body) == want }
}

// value is a check that the answer is about something else.
func value(want any) func(h, b outcome) bool {
	return func(_, b outcome) bool {
		got, ok := b.top()[b.key()]
		return b.success() && ok && reflect.DeepEqual(got, want)
	}
}

// ignoreTimes passes over what two tokens never share.
func ignoreTimes() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool {
		key, ok := p.Last().(cmp.MapIndex)
		return ok && slices.Contains([]string{"issued_at", "expires_at", "audit_ids"}, key.Key().String())
	}, cmp.Ignore())
}

func spaces(h, b outcome) bool {
	return b.err == nil && len(b.body) == enough && bytes.HasPrefix(h.body, bytes.TrimRight(b.body, " ")) &&
		bytes.HasPrefix(b.body, []byte("{"))
}

// textual is a check that the text of the answer is as made from the healthy one.
func textual(change func(h outcome) string) func(h, b outcome) bool {
	return func(h, b outcome) bool {
		if h.key() == "token" { // no two are the same
			h.body, b.body = blind(h.body), blind(b.body)
		}
		return b.success() && string(b.body) == change(h)
	}
}

func blind(b []byte) []byte {
	for _, key := range []string{"issued_at", "expires_at", "audit_ids"} {
		b = regexp.MustCompile(`"`+key+`":[^,]*,`).ReplaceAll(b, nil)
	}
	return b
}

// checks says of each fault what it must do.
func checks() map[string]func(h, b outcome) bool {
	type f = func(h, b outcome) bool
	sameBody := func(h, b outcome) bool { return textual(func(h outcome) string { return string(h.body) })(h, b) }
	oneMoreKey := func(h, b outcome) bool {
		key := []byte(`"` + h.key() + `":`)
		return b.success() && json.Valid(b.body) && bytes.Count(b.body, key) == 1+bytes.Count(h.body, key)
	}
	return map[string]f{
		"reset-before-body": func(_, b outcome) bool { return errors.Is(b.err, syscall.ECONNRESET) },
		"reset-in-body": func(_, b outcome) bool {
			return b.err == nil && b.status < 300 && errors.Is(b.readErr, syscall.ECONNRESET)
		},
		"closed-before-body": func(_, b outcome) bool { return errors.Is(b.err, io.EOF) },
		"not-http":           func(_, b outcome) bool { return b.err != nil && strings.Contains(b.err.Error(), "malformed HTTP") },

		"body-empty":  body(""),
		"body-object": body("{}"),
		"body-null":   body("null"),
		"body-array":  body("[]"),
		"body-string": body(`"OK"`),
		"body-html": func(_, b outcome) bool {
			return b.success() && b.header.Get("Content-Type") == "text/html" && bytes.HasPrefix(b.body, []byte("<!DOCTYPE html>"))
		},
		"body-error": func(_, b outcome) bool { return b.success() && b.top()["error"] != nil && len(b.top()) == 1 },
		"type-html": func(h, b outcome) bool {
			return sameBody(h, b) && strings.HasPrefix(b.header.Get("Content-Type"), "text/html")
		},
		"two-documents":    textual(func(h outcome) string { return string(h.body) + "\n" + string(h.body) }),
		"trailing-garbage": textual(func(h outcome) string { return string(h.body) + "garbage" }),
		"invalid-utf8": func(h, b outcome) bool {
			return utf8.Valid(h.body) && !utf8.Valid(b.body) && json.Valid(b.body) && b.success()
		},
		"body-short": func(h, b outcome) bool {
			return errors.Is(b.readErr, io.ErrUnexpectedEOF) && len(b.body) == len(h.body)/2 &&
				b.header.Get("Content-Length") == strconv.Itoa(len(h.body))
		},
		"chunk-cut": func(h, b outcome) bool {
			return errors.Is(b.readErr, io.ErrUnexpectedEOF) && len(b.body) == len(h.body)/2 && b.header.Get("Content-Length") == ""
		},
		"gzip-bomb": spaces,
		"gzip-garbage": func(_, b outcome) bool {
			return b.err == nil && b.readErr != nil && strings.Contains(b.readErr.Error(), "gzip")
		},
		"endless":        func(h, b outcome) bool { return spaces(h, b) && b.header.Get("Content-Length") == "" },
		"endless-length": func(h, b outcome) bool { return spaces(h, b) && b.header.Get("Content-Length") == "10737418240" },

		"wrong-type":        value("none"),
		"wrong-type-object": value(map[string]any{}),
		"value-null":        value(nil),
		"list-empty":        value([]any{}),
		"missing-key": func(_, b outcome) bool {
			_, ok := b.top()[b.key()]
			return b.success() && json.Valid(b.body) && !ok && len(b.top()) > 0
		},
		"duplicate-key":       func(h, b outcome) bool { return oneMoreKey(h, b) && b.last() == nil == (h.list() != nil) },
		"duplicate-key-first": func(h, b outcome) bool { return oneMoreKey(h, b) && cmp.Equal(h.top(), b.top(), ignoreTimes()) },
		"other-case": func(h, b outcome) bool {
			key := strings.ToUpper(h.key()[:1]) + h.key()[1:]
			return b.success() && b.top()[h.key()] == nil && cmp.Equal(h.top()[h.key()], b.top()[key], ignoreTimes())
		},
		"null-item":       func(h, b outcome) bool { return cmp.Equal(append(h.list(), nil), b.list()) },
		"string-item":     func(h, b outcome) bool { return cmp.Equal(append(h.list(), "x"), b.list()) },
		"item-twice":      func(h, b outcome) bool { return cmp.Equal(append(h.ids(), h.ids()[len(h.ids())-1]), b.ids()) },
		"item-without-id": without("id"),
		"item-null-id":    with("id", nil),
		"item-number-id":  with("id", 7.0),
		"item-empty-id":   with("id", ""),
		"item-duplicate-id": func(h, b outcome) bool {
			return with("id", "another")(h, b) && bytes.Contains(b.body, []byte(h.last()["id"].(string)))
		},
		"truncated": func(h, b outcome) bool {
			return b.top()["truncated"] == true && cmp.Equal(h.list(), b.list())
		},
		"truncated-half": func(h, b outcome) bool {
			return b.top()["truncated"] == true && len(b.list()) == (len(h.list())+1)/2 && len(b.list()) < len(h.list())
		},
		"project-without-name":    without("name"),
		"project-without-enabled": without("enabled"),
		"project-another":         with("id", "0123456789abcdef0123456789abcdef"),

		"instance-without-addresses": without("addresses"),
		"instance-without-status":    without("status"),
		"instance-without-tenant":    without("tenant_id"),
		"instance-null-addresses":    with("addresses", nil),
		"instance-array-addresses":   with("addresses", []any{}),
		"instance-other-tenant":      with("tenant_id", "0123456789abcdef0123456789abcdef"),
		"instance-bad-address":       func(_, b outcome) bool { return addr(b) == "10.0.0." },
		"instance-wide-address":      func(_, b outcome) bool { return addr(b) == "10.0.0.0/8" },
		"instance-zone-address":      func(_, b outcome) bool { return addr(b) == "fe80::1%*(rw)" },
		"instance-unknown": func(_, b outcome) bool {
			return b.last()["status"] == "UNKNOWN" && b.last()["addresses"] == nil && b.last()["name"] == nil
		},
		"instance-another": with("id", "0123456789abcdef0123456789abcdef"),
		"next-other-host": func(h, b outcome) bool {
			return b.next().Host != h.next().Host && b.next().Host != "" && b.next().RequestURI() == h.next().RequestURI()
		},
		"next-other-scheme": func(h, b outcome) bool {
			return b.next().Scheme == "https" && h.next().Scheme == "http" && b.next().Host == h.next().Host
		},
		"next-relative": func(h, b outcome) bool { return b.next().Host == "" && b.next().RequestURI() == h.next().RequestURI() },
		"next-missing":  func(h, b outcome) bool { return h.next() != nil && b.next() == nil && cmp.Equal(h.list(), b.list()) },
		"page-repeated": func(h, b outcome) bool {
			return !cmp.Equal(h.ids(), b.ids()) && cmp.Equal([]string{"i5", "i3"}, b.ids())
		},
		"page-short": func(h, b outcome) bool {
			return cmp.Equal(h.ids()[:len(h.ids())-1], b.ids()) && b.next() == nil
		},
		"marker-unknown": func(_, b outcome) bool {
			return b.status == 400 && bytes.Contains(b.body, []byte("marker [i5] not found"))
		},
		"version-missing": func(h, b outcome) bool { return sameBody(h, b) && version(h) == "compute 2.69" && version(b) == "" },
		"version-ignored": func(h, b outcome) bool { return b.success() && version(b) == "compute 2.1" },

		"token-missing": func(h, b outcome) bool {
			return b.success() && h.header.Get("X-Subject-Token") != "" && b.header.Get("X-Subject-Token") == ""
		},
		"token-expired":         sameBody, // and see TestExpiredTokens
		"token-expired-claim":   with("expires_at", "2019-03-04T05:06:07.000000Z"),
		"token-without-expires": without("expires_at"),
		"token-expires": func(h, b outcome) bool {
			if h.status == http.StatusCreated {
				return b.status == http.StatusNotFound // a token for a token
			}
			return b.status == http.StatusUnauthorized
		},
		"token-other-project":     func(_, b outcome) bool { return b.last()["project"].(map[string]any)["name"] == "another" },
		"catalog-missing":         without("catalog"),
		"catalog-empty":           with("catalog", []any{}),
		"catalog-null":            with("catalog", nil),
		"catalog-without-compute": func(h, b outcome) bool { return len(h.compute()) == 9 && len(b.compute()) == 0 },
		"catalog-two-compute": func(h, b outcome) bool {
			return len(b.compute()) == 18 && b.compute()[0]["url"] != b.compute()[1]["url"]
		},
		"catalog-http": func(_, b outcome) bool {
			return len(b.compute()) == 9 && strings.HasPrefix(b.compute()[8]["url"].(string), "https://127.0.0.1")
		},
		"catalog-bad-url": func(_, b outcome) bool {
			_, err := url.Parse(b.compute()[8]["url"].(string))
			return err != nil
		},
	}
}

func addr(o outcome) string {
	addresses := o.last()["addresses"].(map[string]any)
	return addresses["lan"].([]any)[0].(map[string]any)["addr"].(string)
}

func version(o outcome) string { return o.header.Get("OpenStack-API-Version") }

// check finds the check of a fault; of those whose name says it all, by the name.
func check(name string) func(h, b outcome) bool {
	if c, ok := checks()[name]; ok {
		return c
	}
	words := strings.Split(name, "-")
	n := 0
	if len(words) > 1 {
		n, _ = strconv.Atoi(words[1])
	}
	switch words[0] {
	case "status":
		return func(h, b outcome) bool {
			retry := map[bool]string{true: "1"}[strings.Contains(name, "retry-after")]
			if strings.HasSuffix(name, "hour") {
				retry = "3600"
			}
			html := strings.Contains(b.header.Get("Content-Type"), "html")
			return b.err == nil && b.readErr == nil && b.status == n && b.header.Get("Retry-After") == retry &&
				html == strings.HasSuffix(name, "html") && (html || n == 204 || json.Valid(b.body))
		}
	case "redirect":
		return func(h, b outcome) bool {
			u, err := url.Parse(b.header.Get("Location"))
			return err == nil && b.status == n && u.Scheme == "http" && u.Host != h.host && u.Port() != "" && u.Path != ""
		}
	case "cut":
		return func(h, b outcome) bool {
			want := len(h.body) * n / 21
			return b.success() && len(b.body) == want && !json.Valid(b.body) && b.header.Get("Content-Length") == strconv.Itoa(want)
		}
	}
	return nil
}
