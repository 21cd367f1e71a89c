package exports

import (
	"fmt"
	"slices"

	"nfs-exportd/spelling"
)

// slip is why a removal by an edit of the configuration looks like a mistake, and
// the projects whose additions look like the same one. All of them wait, on other
// paths too: a project that has grants by the next run would not look like one then. The zero slip is none.
type slip struct {
	why   string
	takes []string // ids of projects
}

// slip looks for a mistake behind a line whose mount is not in the configuration.
func (j *judge) slip(g Grant) slip {
	var s slip
	if g.Owner == (Owner{}) {
		return s // nobody knows which key it was
	}
	own, _ := j.projectsOf(g.Owner)
	for _, p := range j.Config.Projects {
		if !j.mayServe(p) {
			continue
		}
		project := j.Inventory.Projects[p.Key]
		unknown, shares := project.Sight != Shown, j.mayMount(p, g.Path)
		why := ""
		switch {
		case slices.ContainsFunc(own, func(q ProjectConfig) bool { return q.Key == p.Key }):
		case unknown && shares:
			why = "for which Keystone shows no project, has the same path"
		case unknown && spelling.Nearest(p.Key, g.Owner.words()) != "":
			why = "for which Keystone shows no project, is spelled much like it"
		case shares && !j.hasGrants(p.Key, project):
			why = "which has no grants yet, has the same path"
			s.takes = append(s.takes, project.ID)
		}
		if s.why == "" && why != "" {
			s.why = fmt.Sprintf("the configuration does not have this mount for %q any more, and key %q (line %d), %s", g.Owner, p.Key, p.Line, why)
		}
	}
	return s
}

// replaced looks whether the key of a line is a name that another project has by now,
// while nothing says that the line's own project is gone.
func (j *judge) replaced(p ProjectConfig, o Owner) slip {
	project := j.Inventory.Projects[p.Key]
	if o.ID == "" || project.Sight != Shown || project.ID == o.ID || j.Inventory.IDs[o.ID].Sight == Absent {
		return slip{}
	}
	return slip{
		why:   fmt.Sprintf("key %q (line %d of the configuration) means project %s by now, and the line is of project %s", p.Key, p.Line, project.ID, o.ID),
		takes: []string{project.ID},
	}
}

// words are what a key for the owner can be.
func (o Owner) words() []string {
	var words []string
	for _, word := range []string{o.Name, o.ID} {
		if word != "" {
			words = append(words, word)
		}
	}
	return words
}

// mayServe reports whether a project has a mount that can be on this server. Where a host
// is unresolved nothing may look less like a mistake.
func (j *judge) mayServe(p ProjectConfig) bool {
	return slices.ContainsFunc(p.Mounts, func(m Mount) bool { return j.Hosts[m.Host].Where != Elsewhere })
}

// mayMount reports whether a project has a mount of a path that can be on this server.
func (j *judge) mayMount(p ProjectConfig, path string) bool {
	return slices.ContainsFunc(p.Mounts, func(m Mount) bool { return m.Path == path && j.Hosts[m.Host].Where != Elsewhere })
}

// hasGrants reports whether a line of today is of a key's project.
func (j *judge) hasGrants(key string, p Project) bool {
	return j.granted[Owner{ID: p.ID}] || j.granted[Owner{Name: p.Name}] || j.granted[Owner{Name: key}] || j.granted[Owner{ID: key}]
}
