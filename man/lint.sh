#!/bin/sh
# Holds the man pages to all that mandoc finds, its words on style too, with the
# mandoc that is installed or else the one of Debian, which is unpacked into a
# temporary directory.
set -eu
cd "$(dirname "$0")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mandoc=$(command -v mandoc || true)
if [ -z "$mandoc" ]; then
	../.ci/unpack mandoc /usr/bin/mandoc "$scratch"
	mandoc=$scratch/usr/bin/mandoc
fi

# mandoc looks for the pages that ours refer to in the system's directories alone,
# and a bare machine has none of them. So these may be missing, and no others.
known='exportfs 8|exports 5|nfs-exportd 8|nfs-mounts\.yaml 5|nohup 1|patch 1|rpc\.mountd 8|sysexits\.h 3head'
status=0
"$mandoc" -Tlint -W all ./*.[0-9] >"$scratch/found" 2>"$scratch/log" || status=$?
# 4 and less is for what it found; it has no other words on an index that is old.
if [ $status -gt 4 ] || grep -v 'outdated mandoc.db' "$scratch/log"; then
	cat "$scratch/log"
	exit 1
fi
! grep -vE "STYLE: referenced manual not found: Xr ($known)( \([0-9]+ times\))?\$" "$scratch/found"
