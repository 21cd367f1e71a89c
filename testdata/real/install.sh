#!/bin/sh
# Installs what the real test cloud needs and this Debian does not have yet.
# Starts no service: a policy-rc.d that says no is put in place for the time of the installation.
set -eu

packages='keystone nova-api nova-common gunicorn python3-eventlet sqlite3 nfs-kernel-server iproute2 procps puppet-agent systemd'

missing=
for package in $packages; do
	status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "install.sh: missing packages, and only root can install them:$missing" >&2
	exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
# The package lists are asked for only when the ones at hand do not do.
install() {
	# shellcheck disable=SC2086 # a list of names
	apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends $missing
}
install || { apt-get -o DPkg::Lock::Timeout=600 update && install; }
