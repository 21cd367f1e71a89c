package command

import (
	"fmt"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// maxKept is how many grants of other exports files a check names before it counts the
// rest.
const maxKept = 10

// aboutKept says what other exports files grant on own paths besides what is wanted.
func aboutKept(own map[string]bool, want exports.Set, foreign []render.Foreign) (odd []string) {
	all := render.KeptByOthers(own, want, foreign)
	for _, k := range all[:min(len(all), maxKept)] {
		text := "%s, and nfs-exportd does not"
		if !k.Grant.Place.Client.Addr.IsValid() {
			text = "%s, whoever that is, and nfs-exportd does not"
		}
		odd = append(odd, fmt.Sprintf(text, k))
	}
	if n := len(all) - maxKept; n > 0 {
		odd = append(odd, fmt.Sprintf("%d more grants of other exports files that nfs-exportd does not want", n))
	}
	return odd
}

// keptOpen says which removals of a plan do not close a path, because of another exports file.
func keptOpen(plan exports.Plan, f *files) (texts []string) {
	var removed []exports.Grant
	for _, r := range plan.Removed {
		removed = append(removed, r.Grant)
	}
	for _, open := range render.KeptOpenByOthers(removed, f.foreign) {
		var clients []string
		for _, c := range open.Clients {
			clients = append(clients, c.String())
		}
		may := "keeps"
		if !open.Certain {
			may = "may keep"
		}
		texts = append(texts, fmt.Sprintf("%s: that %s the path open to %s that the plan removes (%s); if they must lose access, take it out of that file",
			open, may, count(len(clients), "client"), firstOf(clients)))
	}
	return texts
}
