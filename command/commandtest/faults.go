package commandtest

import (
	"net/http"
	"strings"

	"nfs-exportd/keystone/keystonetest"
)

// RequestsNamed gives a fault in the requests that KIND[/PROJECT[/REGION]]
// stands for.
func RequestsNamed(text string) keystonetest.Fault {
	words := append(strings.Split(text, "/"), "", "")
	return keystonetest.Fault{Kind: keystonetest.Kind(words[0]), Project: words[1], Region: words[2]}
}

// DuringRequest makes a fault that changes something before the nth of its
// requests is answered, and lets the cloud answer.
func DuringRequest(requests keystonetest.Fault, nth int, change func()) keystonetest.Fault {
	requests.Nth, requests.Times = nth, 1
	requests.Do = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		change()
		next.ServeHTTP(w, r)
	}
	return requests
}
