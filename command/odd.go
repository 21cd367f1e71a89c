package command

import (
	"fmt"

	"nfs-exportd/render"
)

// maxOdd is how many odd lines of other files plan and apply name, before they count the
// rest. check names all.
const maxOdd = 20

// oddLines are the odd lines of other exports files, and, of those that only a test run
// shows, which is nil if there was none.
func oddLines(f *files, proven *render.Proven) (shown, tested []string) {
	odd := render.OddLines(f.foreign, f.names.known)
	n := len(odd)
	if proven != nil {
		odd = render.FirstOfEachLine(append(odd, proven.Odd...))
	}
	for i, o := range odd {
		if i < n {
			shown = append(shown, o.String())
		} else {
			tested = append(tested, o.String())
		}
	}
	return shown, tested
}

// warnOfOddLines names the odd lines of other exports files.
func (j job) warnOfOddLines(f *files, proven *render.Proven) {
	shown, tested := oddLines(f, proven)
	odd := append(tested, shown...)
	if n := len(odd) - maxOdd; n > 0 {
		odd = append(odd[:maxOdd], fmt.Sprintf("other exports files have %s more; nfs-exportd check names them", count(n, "odd line")))
	}
	j.warn(odd...)
}

// warnOfUnread names the line of another file because of which rpc.mountd does not read
// grants of ours, in a run that has nothing to do.
func (j job) warnOfUnread(r result, unread *render.TableError) {
	if unread == nil {
		return
	}
	if odd, ours := render.UnreadLines(r.files.foreign, unread, r.plan.Desired, r.files.names.known); ours > 0 {
		for _, o := range odd {
			j.warn(o.String())
		}
	}
}
