#!/bin/sh
# private.sh DIRECTORY COMMAND...: runs the command where exports are nobody else's. As root.
#
# /etc is a copy on write, with an empty /etc/exports and /etc/exports.d; /var/lib/nfs is an empty tmpfs of 1 MiB; /srv is
# DIRECTORY. The network is a loopback of its own, and with it the kernel's export caches, which every exportfs flushes.
set -eu

if [ "${1-}" != --inside ]; then
	exec unshare --mount --net -- "$0" --inside "$@"
fi
shift
directory=$1
shift

ip link set lo up
mount -t tmpfs tmpfs /mnt
mkdir /mnt/etc /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work overlay /etc
rm -rf /etc/exports /etc/exports.d
mkdir /etc/exports.d
touch /etc/exports
mount -t tmpfs -o size=1m tmpfs /var/lib/nfs
mount --bind "$directory" /srv
exec "$@"
