package keystone

import (
	"errors"
	"testing"
)

// TestMessages has what a person reads of an exchange, with all that is known of
// it and with as little as there can be.
func TestMessages(t *testing.T) {
	t.Parallel()
	refused := func(x Exchange, next string) error { return &RefusedError{x, errors.New("no"), next} }
	x := Exchange{Op: "log in", Method: "POST", URL: "https://k/v3/auth/tokens", As: "user u"}
	whole := x
	whole.Status, whole.RequestID = 403, "req-1"
	odd := x
	odd.Status = 499
	for _, test := range []struct {
		err  error
		want string
	}{
		{refused(whole, "ask"), "log in: no (POST https://k/v3/auth/tokens: HTTP 403 Forbidden, request id req-1, as user u): ask"},
		{refused(odd, "ask"), "log in: no (POST https://k/v3/auth/tokens: HTTP 499, as user u): ask"},
		{refused(x, ""), "log in: no (POST https://k/v3/auth/tokens, as user u)"},
		{unusable("the file f", errors.Join(errors.New("a"), errors.New("b")), "mend it"), "credentials from the file f: a; b: mend it"},
		{unusable("", errors.New("a"), ""), "credentials: a"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestSecretUnset(t *testing.T) {
	t.Parallel()
	if got, none := newSecret("s").String(), newSecret("").String(); got != "[secret]" || none != "" {
		t.Errorf("%q, and without text %q", got, none)
	}
	if got, none := newSecret("s").reveal(), newSecret("").reveal(); got != "s" || none != "" {
		t.Errorf("%q, and without text %q", got, none)
	}
}
