#!/usr/bin/env bash
# What exportfs and rpc.mountd take for ever more different clients, on one path:
# both with the square of the number. Needs root, and Debian's nfs-kernel-server; all
# happens in namespaces of its own, which take everything along when it ends.
set -euo pipefail

if [ "${1:-}" != inside ]; then
	exec unshare --mount --net --pid --fork --mount-proc "$0" inside
fi

ip link set lo up
mount --make-rprivate /
mount -t tmpfs tmpfs /var/lib/nfs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t tmpfs tmpfs /run
cp -a /etc /run/etc
rm -rf /run/etc/exports /run/etc/exports.d
mkdir -p /run/etc/exports.d /run/srv
mount --bind /run/etc /etc
rpcbind -w
rpc.mountd --foreground 2>/dev/null &
mountd=$!
# showmount also waits until rpc.mountd is there.
until showmount --exports 127.0.0.1 >/dev/null 2>&1; do sleep 0.1; done

# The CPU time of rpc.mountd so far, in hundredths of a second.
mountd_cpu() { awk '{print $14 + $15}' "/proc/$mountd/stat"; }

TIMEFORMAT='%U %S'
printf '%8s  %12s  %12s\n' clients exportfs rpc.mountd
for n in 500 1000 2000 5000 10000 20000; do
	for ((i = 0; i < n; i++)); do
		echo "/run/srv 10.$((i >> 16)).$((i >> 8 & 255)).$((i & 255))(rw,nohide,no_subtree_check,async,no_root_squash)"
	done >/etc/exports.d/all.exports
	read -r user system < <({ time exportfs -ra 2>/dev/null; } 2>&1)
	[ "$(wc -l </var/lib/nfs/etab)" -eq "$n" ]
	# rpc.mountd reads the table when somebody asks for it after a change.
	before=$(mountd_cpu)
	showmount --exports 127.0.0.1 >/dev/null
	after=$(mountd_cpu)
	awk -v n="$n" -v own="$user $system" -v mountd=$((after - before)) \
		'BEGIN { split(own, t, " "); printf "%8d  %10.2f s  %10.2f s\n", n, t[1] + t[2], mountd / 100 }'
done
