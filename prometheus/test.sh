#!/bin/sh
# Checks the alert rules and runs their unit tests, with the promtool that is
# installed or else the one of Debian's package prometheus, which is unpacked
# into a temporary directory: installed it would start a server.
set -eu
cd "$(dirname "$0")"

promtool=$(command -v promtool || true)
if [ -z "$promtool" ]; then
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	(
		cd "$scratch"
		# What downloads must be able to write here. The package lists are asked
		# for only when the ones at hand do not do.
		chmod 755 .
		apt-get download -o APT::Sandbox::User=root prometheus >/dev/null || {
			apt-get update >/dev/null
			apt-get download -o APT::Sandbox::User=root prometheus >/dev/null
		}
		dpkg-deb --fsys-tarfile prometheus_*.deb | tar --extract ./usr/bin/promtool
	)
	promtool=$scratch/usr/bin/promtool
fi

"$promtool" check rules alerts.yml
"$promtool" test rules alerts_test.yml
