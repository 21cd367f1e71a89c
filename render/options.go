package render

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// This file knows what options mean, as parseopts in nfs-utils'
// support/nfs/exports.c reads them: words that switch something on or off,
// where the last one counts; sec= that begins a part for some security flavors
// alone; and values. The active table has the same grammar, with every default
// written out, and which defaults are repeated behind sec= depends on the
// kernel. So options are compared by what they mean, and only to find out what
// is already so: which options there are is for the installed exportfs to say.

// switches has, for each word, its setting and whether the word switches it on.
var switches = map[string]struct {
	setting string
	on      bool
}{
	"ro": {"ro", true}, "rw": {"ro", false},
	"insecure": {"insecure", true}, "secure": {"insecure", false},
	"root_squash": {"root_squash", true}, "no_root_squash": {"root_squash", false},
	"all_squash": {"all_squash", true}, "no_all_squash": {"all_squash", false},
	"async": {"async", true}, "sync": {"async", false},
	"nohide": {"nohide", true}, "hide": {"nohide", false},
	"crossmnt": {"crossmnt", true}, "nocrossmnt": {"crossmnt", false},
	"wdelay": {"wdelay", true}, "no_wdelay": {"wdelay", false},
	"no_subtree_check": {"no_subtree_check", true}, "subtree_check": {"no_subtree_check", false},
	"insecure_locks": {"insecure_locks", true}, "secure_locks": {"insecure_locks", false},
	"no_auth_nlm": {"insecure_locks", true}, "auth_nlm": {"insecure_locks", false},
	"no_acl": {"no_acl", true}, "acl": {"no_acl", false},
	"pnfs": {"pnfs", true}, "no_pnfs": {"pnfs", false},
	"nordirplus": {"nordirplus", true}, "security_label": {"security_label", true},
}

// defaults are the settings that are on when nothing is said.
var defaults = map[string]bool{"ro": true, "root_squash": true, "wdelay": true, "no_subtree_check": true}

// perFlavor are the settings that a security flavor can have for its own.
var perFlavor = []string{"ro", "insecure", "root_squash", "all_squash"}

var flavorAliases = map[string]string{"unix": "sys", "null": "none"}

// meaning is what options say.
type meaning struct {
	// settings that hold for the export, and for each flavor those of perFlavor.
	settings map[string]bool
	flavors  map[string]map[string]bool
	// said are the settings and values that were written, not defaulted.
	said   map[string]bool
	values map[string]string
	others []string // words that this file does not know, sorted
}

func readOptions(options string) meaning {
	m := meaning{
		settings: maps.Clone(defaults),
		flavors:  map[string]map[string]bool{},
		said:     map[string]bool{},
		values:   map[string]string{"anonuid": "65534", "anongid": "65534"},
	}
	var active []string
	for word := range strings.SplitSeq(options, ",") {
		name, value, valued := strings.Cut(word, "=")
		if s, ok := switches[word]; ok {
			m.said[s.setting] = true
			m.settings[s.setting] = s.on
			for _, flavor := range active {
				m.flavors[flavor][s.setting] = s.on
			}
			continue
		}
		switch {
		case word == "":
		case name == "sec" && valued:
			m.said["sec"] = true
			active = nil
			for flavor := range strings.SplitSeq(value, ":") {
				if alias, ok := flavorAliases[flavor]; ok {
					flavor = alias
				}
				if m.flavors[flavor] == nil {
					m.flavors[flavor] = maps.Clone(m.settings)
				}
				active = append(active, flavor)
			}
		case (name == "anonuid" || name == "anongid") && valued:
			m.said[name] = true
			m.values[name] = number(value, 10)
		case name == "fsid" && valued:
			m.said[name] = true
			if value == "root" {
				value = "0"
			}
			m.values[name] = number(value, 0)
		case name == "mp" || name == "mountpoint":
			m.others = append(m.others, "mountpoint="+value)
		default:
			m.others = append(m.others, word)
		}
	}
	if len(m.flavors) == 0 {
		m.flavors["sys"] = maps.Clone(m.settings)
	}
	slices.Sort(m.others)
	m.others = slices.Compact(m.others)
	return m
}

// number returns a number as exportfs keeps it, in 32 bits, and other text as it
// is: an fsid can be a UUID.
func number(s string, base int) string {
	if n, err := strconv.ParseInt(s, base, 64); err == nil {
		return strconv.FormatUint(uint64(uint32(n)), 10)
	}
	return s
}

// compareOptions returns whether have, options of the active table, mean what want
// means. Where only a default of this file speaks against it, a newer
// exportfs may have another default: then it cannot tell.
func compareOptions(want, have string) Answer {
	if want == have {
		return Agrees
	}
	w, h := readOptions(want), readOptions(have)
	answer := Agrees
	differ := func(said bool) {
		if said {
			answer = Disagrees
		} else if answer == Agrees {
			answer = CannotTell
		}
	}
	for _, setting := range union(w.settings, h.settings) {
		if w.settings[setting] != h.settings[setting] && !slices.Contains(perFlavor, setting) {
			differ(w.said[setting])
		}
	}
	for _, name := range union(w.values, h.values) {
		if w.values[name] != h.values[name] {
			differ(w.said[name])
		}
	}
	if !slices.Equal(slices.Sorted(maps.Keys(w.flavors)), slices.Sorted(maps.Keys(h.flavors))) {
		differ(w.said["sec"])
	}
	for flavor, settings := range w.flavors {
		other, ok := h.flavors[flavor]
		for _, setting := range perFlavor {
			if ok && settings[setting] != other[setting] {
				differ(w.said[setting])
			}
		}
	}
	if !slices.Equal(w.others, h.others) {
		differ(false)
	}
	return answer
}

func union[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
