#!/bin/sh
# testroot.sh [--boot] DIRECTORY COMMAND...: runs the command as root of a copy
# of this machine that goes away with it. Nothing that it does stays, but for what
# it writes to DIRECTORY, which it finds at /test.
#
# The root directory is an overlay in a mount namespace, so that dpkg and apt are
# the real ones, with all that is installed here. With --boot there are process,
# network, cgroup and other namespaces too: systemd is process 1 in there, and
# the command the one service that it has to start. Needs root.
set -eu

case $1 in
--boot)
	shift
	# Its own control group, as systemd takes over the one that it is in.
	hierarchy=$(mktemp -d)
	mount -t cgroup2 cgroup2 "$hierarchy"
	group=$hierarchy/nfs-exportd-test.$$
	mkdir "$group"
	clean() {
		find "$group" -depth -type d -exec rmdir {} + || true
		umount "$hierarchy"
		rmdir "$hierarchy"
	}
	trap clean EXIT
	# Whoever wants to end all of it ends this process; --kill-child does the rest.
	sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' - "$group" \
		unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child -- "$0" --inside boot "$@"
	exit
	;;
--inside) ;;
*) exec unshare --mount -- "$0" --inside here "$@" ;;
esac

how=$2
directory=$(realpath "$3")
shift 3

mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root /mnt/test
mount --bind "$directory" /mnt/test
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
cd /mnt/root
mkdir test
mount --bind "$directory" test
# No service is to be started by what is installed.
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d

if [ "$how" = here ]; then
	for tree in proc sys dev; do
		mount --rbind "/$tree" "$tree"
	done
	mount -t tmpfs -o mode=1777 tmpfs tmp
	mount -t tmpfs -o mode=755 tmpfs run
	exec chroot . "$@"
fi

ip link set lo up
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp

# Nothing of what this machine has enabled is started there: what the command
# wants, it starts.
cat >etc/systemd/system/test.service <<-UNIT
	[Unit]
	DefaultDependencies=no
	Requires=basic.target
	After=basic.target
	SuccessAction=exit-force
	FailureAction=exit-force

	[Service]
	Type=oneshot
	TimeoutStartSec=50s
	Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin
	ExecStart=/bin/sh -c 'if "\$@" >/test/output 2>&1; then echo 0 >/test/status; else echo \$? >/test/status; fi' - $*
UNIT
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires
: >etc/fstab
: >etc/machine-id
# A user namespace cannot be made in a chroot, so this must be the real root.
mkdir -p mnt/old
pivot_root . mnt/old
umount --lazy mnt/old
exec env -i container=test /lib/systemd/systemd --system --unit=test.service --log-level=warning --log-target=console --show-status=no \
	2>/test/console >&2 </dev/null
