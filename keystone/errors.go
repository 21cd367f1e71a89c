package keystone

import (
	"fmt"
	"net/http"
	"strings"
)

// Exchange is one request to the cloud and what is known of its answer, for
// messages. It holds no secrets.
type Exchange struct {
	Op        string // what it was for: "list the projects of domain default"
	Method    string
	URL       string
	Status    int    // HTTP status, 0 where there was no answer
	RequestID string // X-Openstack-Request-Id of the answer
	As        string // user and source of the credentials
}

// String is the exchange on one line, without Op.
func (x Exchange) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", x.Method, x.URL)
	if x.Status != 0 {
		fmt.Fprintf(&b, ": HTTP %d", x.Status)
		if text := http.StatusText(x.Status); text != "" {
			fmt.Fprintf(&b, " %s", text)
		}
	}
	if x.RequestID != "" {
		fmt.Fprintf(&b, ", request id %s", x.RequestID)
	}
	fmt.Fprintf(&b, ", as %s", x.As)
	return b.String()
}

// RefusedError means that Keystone or Nova refused the credentials (401) or the
// request (403), or that a right is missing without which an answer cannot be
// known to be complete.
type RefusedError struct {
	Exchange
	Err  error
	Next string // what a person can do
}

// UnavailableError means that there is no answer to be had now: unreachable,
// TLS not verified, timed out, 5xx, 429 to the end of patience, a Nova cell
// down.
type UnavailableError struct {
	Exchange
	Err  error
	Next string
}

// UntrustedError means that there was an answer, and that it is not one to act
// upon: malformed, cut short, incomplete, contradictory.
type UntrustedError struct {
	Exchange
	Err  error
	Next string
}

// CredentialsError means that there are no usable credentials.
type CredentialsError struct {
	Source string // which file, cloud or environment; empty where none was found
	Err    error
	Next   string
}

func (e *RefusedError) Error() string     { return message(e.Exchange, e.Err, e.Next) }
func (e *UnavailableError) Error() string { return message(e.Exchange, e.Err, e.Next) }
func (e *UntrustedError) Error() string   { return message(e.Exchange, e.Err, e.Next) }

func (e *CredentialsError) Error() string {
	// errors.Join puts a line break between what it joins.
	text := "credentials: "
	if e.Source != "" {
		text = "credentials from " + e.Source + ": "
	}
	text += strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	if e.Next != "" {
		text += ": " + e.Next
	}
	return text
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// Unwrap gives the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Unwrap gives the cause.
func (e *UntrustedError) Unwrap() error { return e.Err }

// Unwrap gives the cause.
func (e *CredentialsError) Unwrap() error { return e.Err }

func message(x Exchange, cause error, next string) string {
	text := fmt.Sprintf("%s: %s (%s)", x.Op, cause, x)
	if next != "" {
		text += ": " + next
	}
	return text
}

func unusable(source string, err error, next string) error {
	return &CredentialsError{Source: source, Err: err, Next: next}
}
