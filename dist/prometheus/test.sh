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
	../../.ci/unpack prometheus /usr/bin/promtool "$scratch"
	promtool=$scratch/usr/bin/promtool
fi

"$promtool" check rules alerts.yml
"$promtool" test rules alerts_test.yml
