package render

import "nfs-exportd/exports"

// CompareTogether compares a table of our file and the foreign ones together with the
// wanted grants and with the table of the foreign ones alone: all of both must be
// there, under a name by which exportfs may call the client, and nothing else. Where
// both have a place the options are those of one of them. It returns the differences,
// in ASCII.
func (t Table) CompareTogether(want exports.Set, alone Table, names Names) []string {
	c := comparison{table: t, proven: true}
	same := names.aliases()
	ours, theirs := map[exports.Place]bool{}, map[exports.Place]bool{}
	wanted := tableOf(want)
	for place := range wanted {
		same.add(ours, place)
	}
	for place, options := range alone {
		same.add(theirs, place)
		switch at, ok := same.find(t, place); {
		case !ok && ours[place]: // said below
		case !ok:
			c.missing(place)
		case at == place && !ours[at]:
			c.expect(place, options)
		}
	}
	for place, options := range wanted {
		at, ok := same.find(t, place)
		_, known := names[place.Client.Literal]
		switch {
		case !ok && IsName(place.Client) && !known:
		case !ok:
			c.missing(place)
		case theirs[at]: // a conflict, which the plan shows
		case c.compare(options, t[at]) == Disagrees:
			c.expect(at, options)
		}
	}
	for place := range t {
		if !ours[place] && !theirs[place] {
			c.add(Disagrees, true, place, "%s is there and no exports file asks for it", PlaceText(place))
		}
	}
	var texts []string
	for _, d := range c.sorted() {
		texts = append(texts, d.text)
	}
	return texts
}

// missing adds a place that is not in the table under any name.
func (c *comparison) missing(place exports.Place) {
	c.add(Disagrees, false, place, "%s is missing", PlaceText(place))
}
