package keystone

// secret is text that must not be printed. It is behind a pointer, so that not
// even package fmt, walking through unexported fields, gets to it.
type secret struct{ text *string }

func newSecret(text string) secret {
	if text == "" {
		return secret{}
	}
	return secret{&text}
}

// reveal gives the text, for the request that needs it.
func (s secret) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

func (s secret) String() string {
	if s.text == nil {
		return ""
	}
	return "[secret]"
}
