package install

import (
	"nfs-exportd/exports"
)

// entryOptions is about how long the options of an entry of the table are.
const entryOptions = 200

// CheckRoom returns a *disk.Error if exportfs cannot write the new active table,
// as far as that can be known before.
func (j Job) CheckRoom() error { return j.Exportfs.CheckRoom(j.tableSize()) }

// tableSize is about how long the new table will be.
func (j Job) tableSize() uint64 {
	size := 0
	add := func(p exports.Place) { size += len(p.Path) + len(p.Client.String()) + entryOptions }
	if j.Proven != nil {
		for place := range j.Proven.Table {
			add(place)
		}
		return uint64(size)
	}
	for _, g := range j.Want.Grants() {
		add(g.Place())
	}
	for _, f := range j.Foreign {
		for _, g := range f.Grants {
			add(g.Place)
		}
	}
	return uint64(size)
}
