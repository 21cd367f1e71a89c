package exports

import (
	"fmt"
	"slices"
	"strings"
)

// Unclear is one grant in doubt.
type Unclear struct {
	Grant
	Doubt Doubt
	Why   string
}

// UnclearError is grants of today that the evidence neither asks for nor
// speaks against.
type UnclearError struct {
	Grants []Unclear // at least one, in the order of the exports file
}

// Doubt is the gravest of the doubts: a hidden project before an unresolved host.
func (e *UnclearError) Doubt() Doubt {
	if slices.ContainsFunc(e.Grants, func(u Unclear) bool { return u.Doubt == ProjectHidden }) {
		return ProjectHidden
	}
	return HostUnresolved
}

// maxNamed is how many grants an error names before it only counts.
const maxNamed = 20

func (e *UnclearError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nothing says that these must go, and nothing was changed (grants of the exports file in doubt: %d):", len(e.Grants))
	last := ""
	for i, u := range e.Grants {
		if i == maxNamed {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Grants)-maxNamed)
			break
		}
		if u.Why != last {
			fmt.Fprintf(&b, "\n  %s: %s:", u.Doubt, u.Why)
			last = u.Why
		}
		fmt.Fprintf(&b, "\n    %s %s of project %q", u.Path, u.Client, u.Owner)
	}
	b.WriteString("\n  ")
	b.WriteString(e.next())
	return b.String()
}

func (e *UnclearError) next() string {
	if e.Doubt() == ProjectHidden {
		return "next: correct the keys of these projects, or give the user of this server a role on them; take one out of the configuration only if its grants may go"
	}
	return "next: correct the host in the configuration, fix DNS or /etc/hosts, or, if this server is the host, name it with --serve-as"
}
