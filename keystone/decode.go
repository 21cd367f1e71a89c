package keystone

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nfs-exportd/printable"
)

// The decoders take no answer that is short of something. encoding/json would
// take {}, null, a key twice and letters behind the end for an empty list; json
// v2 refuses the last two, and pointers show what is missing.

// unmarshal takes exactly one JSON value.
func unmarshal(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if plainly := aboutKind(err); plainly != nil {
		return plainly
	}
	if err != nil {
		return fmt.Errorf("it is not the JSON that was expected: %w", err)
	}
	return nil
}

// aboutKind returns what to say instead of an error about a value of the wrong
// kind, which tells of Go's types; nil for any other error.
func aboutKind(err error) error {
	odd, ok := errors.AsType[*json.SemanticError](err)
	if !ok || odd.JSONKind == jsontext.KindInvalid || odd.GoType == nil {
		return nil
	}
	where := "all of it"
	if odd.JSONPointer != "" {
		where = printable.Quote(string(odd.JSONPointer))
	}
	is := map[jsontext.Kind]string{'{': "an object", '[': "a list", '"': "text", '0': "a number"}
	want := map[reflect.Kind]string{reflect.Struct: is['{'], reflect.Map: is['{'], reflect.Slice: is['['], reflect.String: is['"'], reflect.Int: is['0']}
	return fmt.Errorf("%s is %s and not %s", where, cmp.Or(is[odd.JSONKind], odd.JSONKind.String()), cmp.Or(want[odd.GoType.Kind()], "what belongs there"))
}

// list is what Keystone puts around its lists.
type list struct {
	Truncated *bool `json:"truncated"`
	Links     *struct {
		Next *string `json:"next"`
	} `json:"links"`
}

// next is the URL of the next page, or "".
func (l list) next() string {
	if l.Links == nil || l.Links.Next == nil {
		return ""
	}
	return *l.Links.Next
}

func (l list) truncated() bool { return l.Truncated != nil && *l.Truncated }

func decodeRegions(body []byte) ([]string, error) {
	var page struct {
		list
		Regions *[]struct {
			ID *string `json:"id"`
		} `json:"regions"`
	}
	if err := unmarshal(body, &page); err != nil {
		return nil, err
	}
	switch {
	case page.Regions == nil:
		return nil, errors.New("it has no regions")
	case page.truncated(), page.next() != "":
		return nil, errors.New("the list of regions is cut short")
	case len(*page.Regions) == 0:
		return nil, errors.New("there is no region at all")
	}
	seen := map[string]bool{}
	var ids []string
	for _, region := range *page.Regions {
		switch {
		case region.ID == nil || *region.ID == "":
			return nil, errors.New("a region has no id")
		case seen[*region.ID]:
			return nil, fmt.Errorf("region %s is there twice", printable.Quote(*region.ID))
		}
		seen[*region.ID] = true
		ids = append(ids, *region.ID)
	}
	return ids, nil
}

// project is one of Keystone's.
type project struct {
	id, name, domain string
	enabled          bool
}

// projectJSON is a project as Keystone writes it. No text that it needs is empty,
// so that what is empty is missing, or null.
type projectJSON struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	DomainID string `json:"domain_id"`
	Enabled  *bool  `json:"enabled"`
	IsDomain bool   `json:"is_domain"`
}

// project gives false for a domain, which Keystone shows as a project too.
func (p *projectJSON) project() (project, bool, error) {
	switch {
	case p == nil:
		return project{}, false, errors.New("it has no project")
	case p.ID == "":
		return project{}, false, errors.New("a project has no id")
	case p.IsDomain:
		return project{id: p.ID}, false, nil
	case p.Name == "":
		return project{}, false, fmt.Errorf("project %s has no name", printable.Quote(p.ID))
	case p.DomainID == "":
		return project{}, false, fmt.Errorf("project %s has no domain_id", printable.Quote(p.ID))
	case p.Enabled == nil:
		return project{}, false, fmt.Errorf("project %s has no enabled", printable.Quote(p.ID))
	}
	return project{p.ID, p.Name, p.DomainID, *p.Enabled}, true, nil
}

type projectPage struct {
	projects  []project
	next      string
	truncated bool
}

func decodeProjects(body []byte) (projectPage, error) {
	var page struct {
		list
		Projects *[]projectJSON `json:"projects"`
	}
	if err := unmarshal(body, &page); err != nil {
		return projectPage{}, err
	}
	if page.Projects == nil {
		return projectPage{}, errors.New("it has no projects")
	}
	result := projectPage{next: page.next(), truncated: page.truncated()}
	for _, raw := range *page.Projects {
		p, ok, err := raw.project()
		if err != nil {
			return projectPage{}, err
		}
		if ok {
			result.projects = append(result.projects, p)
		}
	}
	return result, nil
}

func decodeProject(body []byte) (project, bool, error) {
	var answer struct {
		Project *projectJSON `json:"project"`
	}
	if err := unmarshal(body, &answer); err != nil {
		return project{}, false, err
	}
	return answer.Project.project()
}

// decodeServices reads GET /os-services and tells how many of the hosts are of
// a cell that is down.
func decodeServices(body []byte) (down int, err error) {
	var answer struct {
		Services *[]struct {
			Binary *string `json:"binary"`
			Host   *string `json:"host"`
			Status *string `json:"status"`
		} `json:"services"`
	}
	if err := unmarshal(body, &answer); err != nil {
		return 0, err
	}
	if answer.Services == nil || len(*answer.Services) == 0 {
		return 0, errors.New("it has no services")
	}
	for _, s := range *answer.Services {
		switch {
		case s.Binary == nil || s.Host == nil || s.Status == nil:
			return 0, errors.New("a service has no binary, host or status")
		case *s.Status == "UNKNOWN":
			down++
		case *s.Status != "enabled" && *s.Status != "disabled":
			return 0, fmt.Errorf("the status %s of a service is not known", printable.Quote(*s.Status))
		}
	}
	return down, nil
}
