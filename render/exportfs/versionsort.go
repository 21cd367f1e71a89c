package exportfs

// compareVersions orders names as strverscmp(3) of glibc does, which is the
// order in which exportfs reads files: digits by their value, so that 9 comes
// before 10, and those with leading zeros before all others, as fractions.
func compareVersions(a, b string) int {
	at := func(s string, i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) && i == len(b) {
		return 0
	}
	difference := int(at(a, i)) - int(at(b, i))
	start := i // of the digits that the difference is in or behind
	for start > 0 && digit(a[start-1]) {
		start--
	}
	x, y := at(a, i), at(b, i)
	if start == i && !(digit(x) && digit(y)) {
		return difference
	}
	// A run of digits that begins with a zero is a fraction, unless it is that
	// zero alone.
	if fraction := at(a, start) == '0' && at(b, start) == '0'; fraction {
		onlyZeros := true
		for _, c := range []byte(a[start:i]) {
			onlyZeros = onlyZeros && c == '0'
		}
		if onlyZeros && digit(x) != digit(y) {
			// The longer run of zeros is the smaller number.
			if digit(x) {
				return -1
			}
			return 1
		}
		return difference
	}
	if start == i && (x == '0' || y == '0') {
		return difference
	}
	// Whole numbers: the longer run of digits is the larger number.
	for j := i; ; j++ {
		switch dx, dy := digit(at(a, j)), digit(at(b, j)); {
		case dx && !dy:
			return 1
		case dy && !dx:
			return -1
		case !dx && !dy:
			return difference
		}
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
