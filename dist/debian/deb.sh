#!/bin/sh
# deb.sh DIRECTORY: builds the Debian package into the directory. The same commit
# gives the same bytes, wherever and whenever it is built.
set -eu
umask 022
cd "$(dirname "$0")/../.."
output=$(realpath "$1")
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
# v1.2.3 is 1.2.3, three commits later it is 1.2.3+3.g1a2b3c4. Before the first
# tag the time of the commit makes one version later than another.
if [ -z "${DEB_VERSION:-}" ]; then
	commit=$(git rev-parse --short=12 HEAD)
	if described=$(git describe --tags --match 'v[0-9]*' 2>/dev/null); then
		DEB_VERSION=$(echo "$described" | sed -E 's/^v//; s/-([0-9]+)-(g[0-9a-f]+)$/+\1.\2/; s/-/~/g')
	else
		DEB_VERSION=0~$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y%m%d.%H%M%S).$commit
	fi
	# Untracked files count as well: Go compiles them.
	[ -z "$(git status --porcelain)" ] || DEB_VERSION=$DEB_VERSION+dirty
fi
DEB_ARCH=$(go env GOHOSTARCH)
DEB_MAINTAINER=${DEB_MAINTAINER:-$(git log -1 --format='%an <%ae>')}
export SOURCE_DATE_EPOCH DEB_VERSION DEB_ARCH DEB_MAINTAINER

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

CGO_ENABLED=0 GOOS=linux GOARCH=$DEB_ARCH go build -trimpath -buildvcs=true \
	-ldflags "-s -w -X main.version=$DEB_VERSION" -o "$stage/nfs-exportd" .
cp dist/systemd/* dist/debian/nfs-exportd.tmpfiles dist/debian/nfs-exportd.default dist/debian/README.Debian dist/debian/lintian-overrides \
	dist/debian/postinst dist/debian/prerm dist/debian/postrm \
	dist/completion/nfs-exportd.bash dist/completion/_nfs-exportd dist/completion/nfs-exportd.fish "$stage"
mkdir "$stage/docs" "$stage/examples"
cp docs/*.md CHANGELOG.md "$stage/docs"
cp -R dist/debian/nfs-mounts.yaml dist/prometheus/alerts.yml dist/puppet "$stage/examples"
for page in man/*.[0-9]; do
	gzip -9n <"$page" >"$stage/${page##*/}.gz"
done

gzip -9n >"$stage/changelog.gz" <<END
nfs-exportd ($DEB_VERSION) unstable; urgency=medium

  * See CHANGELOG.md.

 -- $DEB_MAINTAINER  $(LC_ALL=C date --utc --date="@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')
END

# The licenses of the modules that are linked into the program ask for it.
cp dist/debian/copyright "$stage"
CGO_ENABLED=0 GOOS=linux GOARCH=$DEB_ARCH go list -deps \
	-f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' . |
	LC_ALL=C sort -u | while read -r path version directory; do
	for license in "$directory"/LICENSE* "$directory"/COPYING* "$directory"/NOTICE*; do
		[ -f "$license" ] || continue
		printf '\nComment: linked into the program: %s %s, %s\n' "$path" "$version" "${license##*/}"
		if grep -q 'Apache License' "$license" && grep -q 'END OF TERMS AND CONDITIONS' "$license"; then
			echo ' Apache License 2.0, in /usr/share/common-licenses/Apache-2.0'
			continue
		fi
		# Not a line may be empty in there.
		expand "$license" | sed -e 's/[[:space:]]*$//' -e 's/^$/./' -e 's/^/ /'
	done
done >>"$stage/copyright"
# And so does Go, whose runtime and library are in it.
{
	printf '\nComment: linked into the program: Go %s, LICENSE\n' "$(go env GOVERSION)"
	sed -e 's/[[:space:]]*$//' -e 's/^$/./' -e 's/^/ /' "$(go env GOROOT)/LICENSE"
} >>"$stage/copyright"

cp dist/debian/nfpm.yaml "$stage/nfpm.yaml"
chmod -R u=rwX,go=rX "$stage/docs" "$stage/examples"
find "$stage" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
cd "$stage"
go run "$nfpm" package --packager deb --target "$output/" >&2
