package keystone

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"nfs-exportd/printable"
)

// call is one request and what becomes of its answer.
type call struct {
	op      string
	service *gophercloud.ServiceClient
	url     string
	post    any   // the JSON body of a POST; nil is a GET
	ok      []int // nil is 200 alone
	next    string
	stream  bool // use reads the body, of whatever size
	// timeout is for one request with its answer; 0 is Options.RequestTimeout.
	timeout time.Duration
	// use takes the answer in. It may be called again if the request is sent
	// again, and must not keep the answer. Its error makes the answer one that is
	// not trusted, unless it is one of the package's errors already.
	use func(*answer) error
}

// answer is an answer of a status that was expected.
type answer struct {
	Exchange
	header http.Header
	text   []byte       // all of the body, unless the call is for a stream
	body   *limitedBody // for a stream
}

// send makes the request, more than once where that may help.
func (c *Client) send(ctx context.Context, r call) error {
	return c.again(ctx, retries, func() error { return c.once(ctx, r) })
}

func (c *Client) once(ctx context.Context, r call) error {
	x := Exchange{Op: r.op, Method: http.MethodGet, URL: printable.Plain(r.url), As: c.creds.String()}
	if r.post != nil {
		x.Method = http.MethodPost
	}
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return ended(ctx, x)
	}
	defer func() { <-c.asking }()
	if ctx.Err() != nil {
		return ended(ctx, x)
	}

	r.timeout = cmp.Or(r.timeout, c.opts.RequestTimeout)
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	begin := c.opts.Now()
	ok := r.ok
	if ok == nil {
		ok = []int{http.StatusOK}
	}
	response, err := r.service.Request(limited, x.Method, r.url, &gophercloud.RequestOpts{
		JSONBody:         r.post,
		KeepResponseBody: true,
		OkCodes:          ok,
	})
	if err != nil {
		err = c.failed(ctx, x, err, r)
		c.opts.Log.DebugContext(ctx, "no success", "took", c.opts.Now().Sub(begin), "error", err)
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as it matters
	x.Status, x.RequestID = response.StatusCode, c.requestID(response.Header)
	return c.read(ctx, r, x, response, begin)
}

// read has an answer of a status that was expected used.
func (c *Client) read(ctx context.Context, r call, x Exchange, response *http.Response, begin time.Time) error {
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &UntrustedError{x, fmt.Errorf("the answer is %s and not JSON", printable.Quote(response.Header.Get("Content-Type"))), notTheAPI}
	}
	body := response.Body.(*limitedBody)
	a := &answer{Exchange: x, header: response.Header, body: body}
	var err error
	if !r.stream {
		a.text, err = io.ReadAll(body)
	}
	switch {
	case err != nil:
	case !r.stream && len(bytes.TrimSpace(a.text)) == 0:
		err = io.EOF
	default:
		err = r.use(a)
	}
	if body.err != nil {
		return c.broken(ctx, x, body.err, r)
	}
	c.opts.Log.DebugContext(ctx, "answer", "method", x.Method, "url", x.URL, "status", x.Status,
		"request_id", x.RequestID, "bytes", body.read, "took", c.opts.Now().Sub(begin))
	switch {
	case errors.Is(err, io.EOF):
		return &UntrustedError{x, errors.New("the answer is empty"), brokenCloud}
	case err != nil && !isTyped(err):
		return &UntrustedError{x, fmt.Errorf("the answer cannot be trusted: %s", printable.Plain(err.Error())), brokenCloud}
	}
	return err
}

const (
	brokenCloud = "nothing was changed; if it happens again, show this to those who run the cloud"
	notTheAPI   = "check that the URL is the API's and not that of a proxy or a login page"
	waitForIt   = "nothing was changed; wait, or ask those who run the cloud"
)

func isTyped(err error) bool {
	switch err.(type) { // only what use itself made counts
	case *RefusedError, *UnavailableError, *UntrustedError, *CredentialsError:
		return true
	}
	return false
}

// failed tells what went wrong with a request that has no answer, or one of
// another status.
func (c *Client) failed(ctx context.Context, x Exchange, err error, r call) error {
	if code, ok := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err); ok {
		return c.status(x, code, r.next)
	}
	if ctx.Err() != nil {
		return ended(ctx, x)
	}
	cause := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		cause = u.Err // the rest of its text is in x
	}
	unavailable := &UnavailableError{x, said{cause}, waitForIt}
	_, badHeader := errors.AsType[textproto.ProtocolError](err)
	switch {
	case errors.Is(err, errForeignHost):
		return &UntrustedError{x, cause, brokenCloud}
	case errors.Is(err, context.DeadlineExceeded):
		unavailable.Err = fmt.Errorf("no answer within %s: %w", r.timeout, context.DeadlineExceeded)
	case isDisconnect(err), errors.Is(err, io.ErrUnexpectedEOF):
		if errors.Is(err, io.EOF) {
			unavailable.Err = fmt.Errorf("the connection was closed without an answer: %w", cause)
			if strings.HasPrefix(x.URL, "http:") {
				unavailable.Next += "; or see whether https is spoken there"
			}
		}
		return &transientError{UnavailableError: unavailable}
	case isCertificate(err):
		unavailable.Next = aboutCertificate(err)
	case badHeader, strings.Contains(cause.Error(), "malformed"), strings.Contains(cause.Error(), "gave HTTP response"):
		// net/http has no type for an answer that is not HTTP.
		return &UntrustedError{x, said{cause}, notTheAPI}
	}
	return unavailable
}

// said is an error whose text may hold what a server said.
type said struct{ error }

func (s said) Error() string { return printable.Plain(s.error.Error()) }
func (s said) Unwrap() error { return s.error }

func isCertificate(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// aboutCertificate tells what to do about a certificate that cannot be verified.
func aboutCertificate(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "use the name in the URL that the certificate is for, in the credentials or the catalog"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "have the certificate renewed, or correct this machine's clock"
	}
	return "give the cloud's certificate authority as cacert or OS_CACERT"
}

// broken tells what went wrong while a body was read.
func (c *Client) broken(ctx context.Context, x Exchange, err error, r call) error {
	switch {
	case ctx.Err() != nil:
		return ended(ctx, x)
	case errors.Is(err, context.DeadlineExceeded):
		return &UnavailableError{x, fmt.Errorf("no complete answer within %s: %w", r.timeout, context.DeadlineExceeded), waitForIt}
	case isDisconnect(err):
		return &transientError{UnavailableError: &UnavailableError{x, said{err}, waitForIt}}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &UntrustedError{x, fmt.Errorf("the answer is cut short: %w", err), brokenCloud}
	}
	return &UntrustedError{x, said{err}, brokenCloud}
}

// status tells what a status means that was not expected.
func (c *Client) status(x Exchange, code gophercloud.ErrUnexpectedResponseCode, next string) error {
	x.Status, x.RequestID = code.Actual, c.requestID(code.ResponseHeader)
	cause := errors.New("refused")
	if code.Actual/100 != 4 {
		cause = errors.New("no success")
	}
	// A log-in's answer might repeat the password, another's the token.
	if text := cloudMessage(code.Body); text != "" && x.Method == http.MethodGet {
		cause = fmt.Errorf("the answer is %s", printable.Quote(c.withoutTokens(text)))
	}
	if code.Actual == http.StatusUnauthorized && x.Method == http.MethodGet {
		next = "the token was new: check that the user and the project are enabled, that the role is still there, " +
			"and that the service can ask Keystone about tokens"
	}
	switch {
	case code.Actual == http.StatusUnauthorized, code.Actual == http.StatusForbidden:
		return &RefusedError{x, cause, next}
	case code.Actual == http.StatusTooManyRequests, code.Actual == http.StatusBadGateway,
		code.Actual == http.StatusServiceUnavailable, code.Actual == http.StatusGatewayTimeout:
		return &transientError{
			UnavailableError: &UnavailableError{x, cause, waitForIt},
			after:            retryAfter(code.ResponseHeader, c.opts.Now()),
		}
	case code.Actual/100 == 5:
		return &UnavailableError{x, cause, waitForIt}
	case code.Actual == http.StatusNotFound && x.Method == http.MethodPost:
		return &UntrustedError{x, cause, "correct the URL of Keystone in the credentials; it usually ends in /v3"}
	case code.Actual == http.StatusNotAcceptable:
		return &UntrustedError{x, cause, "Nova must know microversion " + microversion + " (Nova 20, Train, or later)"}
	case code.Actual/100 == 3:
		return &UntrustedError{x, errors.New("redirects are not followed"), "correct the URL in the credentials or the catalog"}
	}
	return &UntrustedError{x, cause, brokenCloud}
}

// cloudMessage finds the message in a refusal: Keystone's and Nova's are
// objects with one key, of which the value has a message.
func cloudMessage(body []byte) string {
	var answer map[string]struct {
		Message string `json:"message"`
	}
	if err := unmarshal(body, &answer); err != nil || len(answer) != 1 {
		return ""
	}
	for _, value := range answer {
		return value.Message
	}
	return ""
}

// requestID is what the answer says of itself. What is cut must not leave a part of
// a token.
func (c *Client) requestID(header http.Header) string {
	id := c.withoutTokens(header.Get("X-Openstack-Request-Id"))
	if len(id) > printable.MaxQuoted {
		return printable.Quote(id)
	}
	return printable.Plain(id)
}

// ended is the error for a context that has ended: the time is up, or something
// outside canceled it, which is [context.Canceled] and its
// cause.
func ended(ctx context.Context, x Exchange) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &UnavailableError{x, fmt.Errorf("the time is up: %w", context.DeadlineExceeded),
			"raise --timeout if the cloud is only slow"}
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return fmt.Errorf("%s: %w: %w", x.Op, context.Canceled, cause)
	}
	return fmt.Errorf("%s: %w", x.Op, context.Canceled)
}
