#!/bin/sh
# Builds the package, twice to see that it comes out the same, and tries it: what
# dpkg makes of it, and its services under a systemd of their own. This machine
# stays as it is. Needs root, and Debian.
set -eu
cd "$(dirname "$0")/../.."
# exportfs, and ip(8).
sh testdata/real/install.sh
[ -x /lib/systemd/systemd ] ||
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends systemd

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/first" "$work/second" "$work/elsewhere" "$work/old" "$work/new"

dist/debian/deb.sh "$work/first"
# The same source elsewhere, with other times and another umask.
cp -R . "$work/elsewhere/source"
(umask 077 && TZ=Asia/Tokyo LC_ALL=C "$work/elsewhere/source/dist/debian/deb.sh" "$work/second")
sha256sum "$work"/first/*.deb "$work"/second/*.deb
cmp "$work"/first/*.deb "$work"/second/*.deb
mv "$work"/first/*.deb "$work/new"
# An older one, to upgrade from.
dpkg-deb --raw-extract "$work"/new/*.deb "$work/older"
sed -i 's/^Version: .*/Version: 0~0/' "$work/older/DEBIAN/control"
dpkg-deb --root-owner-group --build "$work/older" "$work/old" >/dev/null
CGO_ENABLED=0 go build -o "$work/testcloud" ./keystone/keystonetest/testcloud

# run NAME SCRIPT [--boot]: a script that tells how it went in its exit status.
run() {
	home=$work/$1
	mkdir "$home"
	cp -R "dist/debian/$2" dist/debian/test-steps.sh "$work/testcloud" "$work/old" "$work/new" "$home"
	case ${3-} in
	--boot)
		dist/debian/testroot.sh --boot "$home" "/test/$2" || true
		cat "$home/output"
		[ "$(cat "$home/status")" = 0 ] || { cat "$home/console"; exit 1; }
		;;
	*) dist/debian/testroot.sh "$home" "/test/$2" ;;
	esac
}
run package test-package.sh
run service test-service.sh --boot
