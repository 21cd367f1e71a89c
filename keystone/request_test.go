package keystone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"nfs-exportd/keystone/keystonetest"
)

// quietClient is a client that asks nobody, and gives a request a second.
func quietClient(t *testing.T) *Client {
	t.Helper()
	o, err := Options{RequestTimeout: time.Second}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return &Client{opts: o, issued: []secret{newSecret("the-token")}}
}

// retried is what class gives, and whether such an error is worth another try.
func retried(err error) string {
	if _, ok := errors.AsType[*transientError](err); ok {
		return class(err) + ", again"
	}
	return class(err)
}

// TestStatuses has each status that there is a rule for, and what a person then
// reads.
func TestStatuses(t *testing.T) {
	t.Parallel()
	const told, ourNext = `{"error":{"message":"so it is with the-token"}}`, "do this"
	for _, test := range []struct {
		method string
		status int
		body   string
		want   string
		says   []string
	}{
		{"GET", 400, "", "untrusted", []string{"refused", brokenCloud}},
		{"GET", 401, "", "refused", []string{"refused", "the token was new"}},
		{"POST", 401, "", "refused", []string{"refused", ourNext}},
		{"GET", 403, "", "refused", []string{"refused", ourNext}},
		{"GET", 403, told, "refused", []string{`the answer is "so it is with [token]"`, ourNext}},
		{"POST", 403, told, "refused", []string{": refused (", ourNext}},
		{"GET", 403, `{"error":{}}`, "refused", []string{": refused ("}},
		{"GET", 403, `[]`, "refused", []string{": refused ("}},
		{"GET", 404, "", "untrusted", []string{"refused", brokenCloud}},
		{"GET", 406, "", "untrusted", []string{"refused", "microversion 2.69"}},
		{"GET", 407, "", "untrusted", []string{"refused", brokenCloud}},
		{"GET", 429, "", "unavailable, again", []string{"refused", waitForIt}},
		{"GET", 204, "", "untrusted", []string{"no success", brokenCloud}},
		{"GET", 300, "", "untrusted", []string{"redirects are not followed", "correct the URL"}},
		{"GET", 399, "", "untrusted", []string{"redirects are not followed", "correct the URL"}},
		{"GET", 499, "", "untrusted", []string{"refused", brokenCloud}},
		{"GET", 500, "", "unavailable", []string{"no success", waitForIt}},
		{"GET", 501, "", "unavailable", []string{"no success", waitForIt}},
		{"GET", 502, "", "unavailable, again", []string{"no success", waitForIt}},
		{"GET", 503, told, "unavailable, again", []string{"so it is with [token]", waitForIt}},
		{"GET", 504, "", "unavailable, again", []string{"no success", waitForIt}},
		{"GET", 599, "", "unavailable", []string{"no success", waitForIt}},
		{"GET", 600, "", "untrusted", []string{"no success", brokenCloud}},
	} {
		err := quietClient(t).status(Exchange{Op: "try", Method: test.method, URL: "http://k"}, gophercloud.ErrUnexpectedResponseCode{
			Actual: test.status, Body: []byte(test.body), ResponseHeader: http.Header{"X-Openstack-Request-Id": {"req-1"}},
		}, ourNext)
		if got := retried(err); got != test.want {
			t.Errorf("%s, %d: %s, want %s: %v", test.method, test.status, got, test.want, err)
		}
		for _, words := range append(test.says, fmt.Sprintf("HTTP %d", test.status), "request id req-1") {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s, %d: %q does not say %q", test.method, test.status, err, words)
			}
		}
	}
}

// TestNoAnswer has each way not to get an answer, or not to its end.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	asking := func(err error) error { return &url.Error{Op: "Get", URL: "http://k?odd", Err: err} }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		reading bool // the body
		err     error
		want    string
		says    string
	}{
		{"another host", t.Context(), false, asking(errForeignHost), "untrusted", "neither the one of the log-in"},
		{"late", t.Context(), false, asking(context.DeadlineExceeded), "unavailable", "no answer within 1s"},
		{"refused", t.Context(), false, asking(syscall.ECONNREFUSED), "unavailable, again", ": connection refused ("},
		{"reset", t.Context(), false, asking(syscall.ECONNRESET), "unavailable, again", "connection reset"},
		{"broken pipe", t.Context(), false, asking(syscall.EPIPE), "unavailable, again", "broken pipe"},
		{"closed", t.Context(), false, asking(io.EOF), "unavailable, again", "closed without an answer"},
		{"closed in the header", t.Context(), false, asking(io.ErrUnexpectedEOF), "unavailable, again", "unexpected EOF"},
		{"no route", t.Context(), false, asking(syscall.EHOSTUNREACH), "unavailable", "no route to host"},
		{"a header that is none", t.Context(), false, asking(textproto.ProtocolError("odd line")), "untrusted", "odd line"},
		{"not HTTP", t.Context(), false, asking(errors.New("malformed HTTP response \"\x1b\"")), "untrusted", `\x1b`},
		{"HTTP for HTTPS", t.Context(), false, asking(errors.New("server gave HTTP response to HTTPS client")), "untrusted", notTheAPI},
		{"stopped", ended, false, asking(context.Canceled), "canceled", "try: "},

		{"body late", t.Context(), true, context.DeadlineExceeded, "unavailable", "no complete answer within 1s"},
		{"body reset", t.Context(), true, syscall.ECONNRESET, "unavailable, again", "connection reset"},
		{"body cut", t.Context(), true, io.ErrUnexpectedEOF, "untrusted", "cut short"},
		{"body too long", t.Context(), true, errTooLong, "untrusted", "too long"},
		{"body odd", t.Context(), true, errors.New("gzip: \x1b"), "untrusted", `\x1b`},
		{"body stopped", ended, true, context.Canceled, "canceled", "try: "},
	} {
		c, x := quietClient(t), Exchange{Op: "try", Method: "GET", URL: "http://k"}
		var err error
		if test.reading {
			err = c.broken(test.ctx, x, test.err, call{timeout: time.Second})
		} else {
			err = c.failed(test.ctx, x, test.err, call{next: "do this", timeout: time.Second})
		}
		if got := retried(err); got != test.want || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "?odd") {
			t.Errorf("%s: %s, want %s with %q: %v", test.name, got, test.want, test.says, err)
		}
	}
}

// TestEnded has contexts that ended, and why.
func TestEnded(t *testing.T) {
	t.Parallel()
	x := Exchange{Op: "try", Method: "GET", URL: "http://k"}
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	plainly, cancelPlainly := context.WithCancel(t.Context())
	cancelPlainly()
	because, cancelBecause := context.WithCancelCause(t.Context())
	cancelBecause(errors.New("SIGTERM"))
	for _, test := range []struct {
		ctx  context.Context
		want string
	}{
		{late, "try: the time is up: context deadline exceeded (GET http://k, as ): raise --timeout if the cloud is only slow"},
		{plainly, "try: context canceled"},
		{because, "try: context canceled: SIGTERM"},
	} {
		err := ended(test.ctx, x)
		if err.Error() != test.want || errors.Is(err, context.Canceled) == (test.ctx == late) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// TestTokenComesBack has a server that says the token again, where it may say what it
// likes.
func TestTokenComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Inject(keystonetest.Fault{Kind: keystonetest.Projects, Do: func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
		token := r.Header.Get("X-Auth-Token")
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("X-Openstack-Request-Id", "req-"+token)
		rw.WriteHeader(http.StatusConflict)
		_, _ = fmt.Fprintf(rw, `{"error": {"message": "not with %s"}}`, token)
	}})
	_, err := w.read(t.Context(), everything())
	if class(err) != "untrusted" || !strings.Contains(err.Error(), "req-[token]") || !strings.Contains(err.Error(), "not with [token]") {
		t.Errorf("%s: %v", class(err), err)
	}
	w.noSecrets(t, "the error", err.Error())
	w.noSecrets(t, "the log", w.log.String())
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	c := &Client{issued: []secret{newSecret("another-token"), newSecret("the-token")}, shortest: len("the-token")}
	for id, want := range map[string]string{
		"":                                     "",
		"req-1":                                "req-1",
		"a\x1b":                                `"a\x1b"`,
		strings.Repeat("a", 200):               strings.Repeat("a", 200),
		strings.Repeat("a", 201):               `"` + strings.Repeat("a", 200) + `"...`,
		"req-the-token":                        "req-[token]",
		"the-token":                            "[token]",
		strings.Repeat("a", 195) + "the-token": `"` + strings.Repeat("a", 195) + `[toke"...`,
	} {
		if got := c.requestID(http.Header{"X-Openstack-Request-Id": {id}}); got != want {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
}
