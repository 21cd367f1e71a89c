package keystone

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"testing"

	"nfs-exportd/keystone/keystonetest"
)

// pageOf is a page of n instances, as Nova gives it.
func pageOf(b *testing.B, n int) []byte {
	b.Helper()
	s := keystonetest.NewServer(b)
	keystonetest.Generate(s.Cloud, 1, n)
	creds := Credentials{
		Source: "the benchmark", AuthURL: s.AuthURL(), Interface: "public",
		user: identity{name: "observer", domainID: "default"}, password: newSecret("secret"), scope: scope{system: true},
	}
	c, err := Open(b.Context(), creds, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	nova, err := c.nova(c.root, "RegionOne")
	if err != nil {
		b.Fatal(err)
	}
	var page []byte
	err = c.get(b.Context(), c.root, computeOf, call{op: "get a page", url: nova.url + "/servers/detail?all_tenants=1", use: func(a *answer) error {
		page = bytes.Clone(a.text)
		return nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	return page
}

func decode(tb testing.TB, from io.Reader, n int) {
	tb.Helper()
	if page, err := decodeServers(bodyOf(from), "R", true); err != nil || len(page.servers) != n {
		tb.Fatal(len(page.servers), err)
	}
}

// BenchmarkDecodeServers reads pages of two sizes, of which one is ten times the
// other, as they are and compressed.
func BenchmarkDecodeServers(b *testing.B) {
	for _, n := range []int{100, 1000} {
		page := pageOf(b, n)
		b.Run(fmt.Sprint("plain/", n), func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			for b.Loop() {
				decode(b, bytes.NewReader(page), n)
			}
		})
		b.Run(fmt.Sprint("gzip/", n), func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			if _, err := w.Write(page); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				unpacked, err := gzip.NewReader(bytes.NewReader(packed.Bytes()))
				if err != nil {
					b.Fatal(err)
				}
				decode(b, unpacked, n)
			}
		})
	}
}

// BenchmarkDecodeProjects reads a domain's list of projects.
func BenchmarkDecodeProjects(b *testing.B) {
	for _, n := range []int{500, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var body bytes.Buffer
			body.WriteString(`{"links":{"next":null},"projects":[`)
			for i := range n {
				if i > 0 {
					body.WriteByte(',')
				}
				fmt.Fprintf(&body, `{"id":"%032x","name":"project-%d","domain_id":"default","description":"","enabled":true,"parent_id":"default",`+
					`"is_domain":false,"tags":[],"options":{},"links":{"self":"http://keystone.example.org/v3/projects/%032x"}}`, i, i, i)
			}
			body.WriteString(`]}`)
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				page, err := decodeProjects(body.Bytes())
				if err != nil || len(page.projects) != n {
					b.Fatal(len(page.projects), err)
				}
				if err := new(domainProjects).add(page.projects); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
