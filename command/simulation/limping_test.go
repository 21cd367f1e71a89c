package simulation

import (
	"encoding/json"
	"slices"

	"nfs-exportd/keystone/keystonetest"
)

// limp has the cloud answer a run as it does while something is out of step in it: one
// of three hosts of Nova leaves instances out of its lists, and Keystone does not list a
// region that the catalog has.
func (l *life) limp() {
	leftOut := l.truth.leftOut
	lists := 0
	if len(leftOut) > 0 {
		l.cloud.Inject(keystonetest.Fault{
			Kind:  keystonetest.Instances,
			Match: func(keystonetest.Request) bool { lists++; return lists%3 == 0 },
			Do:    keystonetest.Rewrite(without("servers", func(id string) bool { return leftOut[id] })),
		})
	}
	if l.truth.unknown {
		l.cloud.Inject(keystonetest.Fault{
			Kind: keystonetest.Regions,
			Do:   keystonetest.Rewrite(without("regions", func(id string) bool { return id == "RegionTwo" })),
		})
	}
}

// without takes items out of a list, but for the last one.
func without(key string, out func(id string) bool) func([]byte) []byte {
	return func(body []byte) []byte {
		var answer map[string]json.RawMessage
		var items []json.RawMessage
		if json.Unmarshal(body, &answer) != nil || json.Unmarshal(answer[key], &items) != nil {
			return body
		}
		items = slices.DeleteFunc(items, func(item json.RawMessage) bool {
			var i struct{ ID string }
			return json.Unmarshal(item, &i) == nil && out(i.ID)
		})
		answer[key], _ = json.Marshal(items)
		body, _ = json.Marshal(answer)
		return body
	}
}
