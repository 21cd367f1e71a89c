package simulation

import "strings"

// said is what a run says of the places where something changes or is held back.
type said struct {
	plan    string // its id
	idle    bool   // no grant changes or is frozen
	removed map[simPlace]string
	frozen  map[simPlace]saidFrozen
}

type saidFrozen struct{ reason, then string }

// reasonIn gives the reason of a line that removes a grant. Behind it stands whether the
// client is mounted, which nobody knows here.
func reasonIn(line string) string {
	reason, ok := strings.CutSuffix(line[strings.LastIndex(line, ": ")+2:], "; unknown if mounted")
	if !ok {
		return "not said to be unknown if mounted: " + line
	}
	return reason
}

// parseSaid reads the text form of a plan.
func parseSaid(stdout string) said {
	s := said{removed: map[simPlace]string{}, frozen: map[simPlace]saidFrozen{}}
	for line := range strings.Lines(stdout) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "0 grants to add, 0 to remove, 0 to change;"):
			s.idle = true
		case strings.HasPrefix(line, "plan ") && len(words) == 2:
			s.plan = words[1]
		case len(words) < 5 || words[3] != "of":
		case words[0] == "remove":
			s.removed[simPlace{words[1], words[2]}] = reasonIn(line)
		case words[0] == "frozen":
			head, then, _ := strings.Cut(line, "; with approval: ")
			if strings.HasPrefix(then, "changed from ") {
				then = "changed"
			}
			s.frozen[simPlace{words[1], words[2]}] = saidFrozen{head[strings.LastIndex(head, ": ")+2:], then}
		}
	}
	return s
}
