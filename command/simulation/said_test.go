package simulation

import "strings"

// said is what a run says of the places where something changes or is held back.
type said struct {
	plan    string // its id
	removed map[simPlace]string
	frozen  map[simPlace]saidFrozen
}

type saidFrozen struct{ reason, then string }

// parseSaid reads the text form of a plan.
func parseSaid(stdout string) said {
	s := said{removed: map[simPlace]string{}, frozen: map[simPlace]saidFrozen{}}
	for line := range strings.Lines(stdout) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "plan ") && len(words) == 2:
			s.plan = words[1]
		case len(words) < 5 || words[3] != "of":
		case words[0] == "remove":
			s.removed[simPlace{words[1], words[2]}] = line[strings.LastIndex(line, ": ")+2:]
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
