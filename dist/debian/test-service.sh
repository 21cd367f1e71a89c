#!/bin/bash
# The services of the installed package, under a systemd that is process 1, with
# the real exportfs and a test cloud on loopback. test.sh runs this in testroot.sh
# --boot, with the package and the test cloud in /test.
set -eu

. "$(dirname "$0")/test-steps.sh"

# start UNIT: waits until it has ended, and takes note of what it logged.
start() {
	rm -f /run/ended
	systemctl start "$1" 2>/dev/null || true
	note
}
note() {
	await test -e /run/ended
	journalctl --sync
	journalctl --output=cat "_SYSTEMD_INVOCATION_ID=$(sed -n 2p /run/ended)" >/tmp/log
}
# await COMMAND...: until it succeeds; test.sh has the time limit.
await() {
	until "$@" 2>/dev/null; do sleep 0.05; done
}
# ended RESULT STATUS: how the unit that was started must have ended.
ended() {
	[ "$(head -n 1 /run/ended)" = "$1 $2" ] && return
	echo "ended with $(cat /run/ended)"
	cat /tmp/log
	return 1
}
said() {
	grep -q -e "$1" /tmp/log && return
	cat /tmp/log
	return 1
}
unsaid() {
	grep -q -e "$1" /tmp/log || return 0
	cat /tmp/log
	return 1
}
exported() {
	exportfs -s | grep -q -e "$1" && return
	exportfs -s
	return 1
}
# A unit that was killed is in the way until it is forgotten.
start_cloud() {
	rm -f /run/cloud
	systemd-run --quiet --unit=cloud /test/testcloud -listen 127.0.0.1:5000 -ready /run/cloud -cloud /tmp/cloud.yaml
	await test -s /run/cloud
}
cloud() {
	exec 3<>/dev/tcp/127.0.0.1/5000
	printf 'POST /testcloud/%s HTTP/1.0\r\nContent-Length: 0\r\n\r\n' "$1" >&3
	cat <&3 >/dev/null
}

# The parts of the machine that the test needs.
dpkg --install /test/new/*.deb >/tmp/dpkg 2>&1 || { cat /tmp/dpkg; exit 1; }
ip address add 10.9.9.9/32 dev lo
echo '10.9.9.9 nfs.example.org' >>/etc/hosts
printf 'hosts: files\n' >/etc/nsswitch.conf
mkdir -p /srv/tools /srv/maps /home/shared
cat >/etc/nfs-mounts.yaml <<-END
	public: {}
	private:
	  tools: {gid: 1, mounts: {home: 'nfs.example.org:/srv/tools', shared: 'nfs.example.org:/home/shared'}}
	  maps: {gid: 2, mounts: {maps: 'nfs.example.org:/srv/maps'}}
END
cat >/tmp/cloud.yaml <<-END
	projects: {tools: {id: p-tools}, maps: {id: p-maps}}
	users: {observer: {password: secret, roles: {system: [admin]}}}
	instances:
	  t1: {id: i-tools-1, project: tools, addresses: {lan: [10.0.0.2]}}
	  t2: {id: i-tools-2, project: tools, addresses: {lan: [10.0.0.10, '2001:db8:1::2']}}
	  m1: {id: i-maps-1, project: maps, addresses: {lan: [10.0.0.3]}}
END
umask 077
cat >/etc/novaobserver.yaml <<-END
	OS_AUTH_URL: http://127.0.0.1:5000/identity/v3
	OS_USERNAME: observer
	OS_PASSWORD: secret
	OS_USER_DOMAIN_ID: default
	OS_SYSTEM_SCOPE: all
END
umask 022
# A stand-in for a kernel with an NFS server.
mount -t tmpfs tmpfs /proc/fs/nfsd
echo 0x3ffff 0xf >/proc/fs/nfsd/export_features
# And for its server: what Debian's does with the exports.
cat >/etc/systemd/system/nfs-server.service <<-END
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=/usr/sbin/exportfs -r
	ExecStop=/usr/sbin/exportfs -au
END
# systemd forgets how a unit ended that nothing refers to.
for unit in nfs-exportd nfs-exportd-plan; do
	mkdir -p /etc/systemd/system/$unit.service.d
	cat >/etc/systemd/system/$unit.service.d/test.conf <<-'END'
		[Service]
		ExecStopPost=+/bin/sh -c 'printf "%%s\\n" "$SERVICE_RESULT $EXIT_STATUS" $INVOCATION_ID >/run/ended.new; mv /run/ended.new /run/ended'
	END
done
: >/etc/exports
systemctl daemon-reload
start_cloud

ok 'the units are clean' systemd-analyze verify nfs-exportd.service nfs-exportd.timer nfs-exportd-plan.service nfs-exportd-plan.timer nfs-exportd-proof.socket nfs-exportd-proof@x.service nfs-exportd-failed@x.service
for unit in nfs-exportd nfs-exportd-plan nfs-exportd-proof@ nfs-exportd-failed@; do
	ok "$unit.service is at 2.0 or better" sh -c "systemd-analyze security --offline=yes --threshold=20 /usr/lib/systemd/system/$unit.service >/tmp/log"
done
ok 'the package enables nothing' test "$(systemctl is-enabled nfs-exportd.timer nfs-exportd-plan.timer | sort -u)" = disabled

start nfs-exportd-plan.service
ok 'plan: changes are no failure' ended success 2
ok 'plan: the changes are in the journal' said '7 grants to add'
ok 'plan: the proof was made' unsaid 'without proof'
ok 'plan: nothing is written' test ! -e /etc/exports.d/nfs-exportd.exports

start nfs-exportd.service
ok 'apply: succeeds' ended success 0
ok 'apply: the proof was made' unsaid 'without proof'
ok 'apply: the exports are active' exported '^/srv/tools.*10.0.0.2('
ok 'apply: so are those below /home' exported '^/home/shared.*2001:db8:1::2('
ok 'apply: all may read the table' test "$(stat --format=%a /var/lib/nfs/etab)" = 644

start nfs-exportd.service
ok 'apply again: nothing to do, nothing said' ended success 0
ok 'apply again: nothing said' test ! -s /tmp/log

# An option that exportfs does not take is found by the proof alone.
cp /etc/exports.d/nfs-exportd.exports /tmp/before
cp /var/lib/nfs/etab /tmp/etab
unchanged() { cmp /tmp/before /etc/exports.d/nfs-exportd.exports && cmp /tmp/etab /var/lib/nfs/etab; }
cp /etc/nfs-mounts.yaml /tmp/mounts
echo 'exports: {options: "rw,bogus"}' >>/etc/nfs-mounts.yaml
start nfs-exportd.service
ok 'an option that exportfs rejects: 78' ended exit-code 78
ok '... with what exportfs says' said 'unknown keyword "bogus"'
ok '... and nothing changed' unchanged
cp /tmp/mounts /etc/nfs-mounts.yaml

# The drop-ins of README.Debian, as they stand there.
drop_in() {
	mkdir -p /etc/systemd/system/nfs-exportd.service.d
	sed -n "/^  $1/,/^\$/s/^      //p" /usr/share/doc/nfs-exportd/README.Debian >/etc/systemd/system/nfs-exportd.service.d/readme.conf
	systemctl daemon-reload
}
chown daemon:daemon /etc/novaobserver.yaml /etc/exports.d/nfs-exportd.exports
echo 'exports: {options: "rw,sync,no_subtree_check"}' >>/etc/nfs-mounts.yaml
start nfs-exportd.service
ok 'credentials for another user alone: 78' ended exit-code 78
drop_in 'credentials or an exports file'
start nfs-exportd.service
ok '... and read with the drop-in for it' ended success 0
ok '... with which the exports file keeps its owner' test "$(stat --format='%U %G' /etc/exports.d/nfs-exportd.exports)" = 'daemon daemon'
ok '... and the exports are active' exported '^/srv/tools.*10.0.0.2(sync'
chown root:root /etc/novaobserver.yaml /etc/exports.d/nfs-exportd.exports
cp /tmp/mounts /etc/nfs-mounts.yaml

mkdir -p /var/lib/prometheus/node-exporter
echo NFS_EXPORTD_METRICS_FILE=/var/lib/prometheus/node-exporter/nfs-exportd.prom >/etc/default/nfs-exportd
rm /etc/systemd/system/nfs-exportd.service.d/readme.conf
systemctl daemon-reload
start nfs-exportd.service
ok 'a metrics file elsewhere: 73' ended exit-code 73
drop_in 'a metrics file'
start nfs-exportd.service
ok '... and written with the drop-in for it' ended success 0
ok '... by this run' grep -q '^nfs_exportd_exit_status 0' /var/lib/prometheus/node-exporter/nfs-exportd.prom
rm /etc/systemd/system/nfs-exportd.service.d/readme.conf /etc/default/nfs-exportd
systemctl daemon-reload

# The control of all that: a sandbox in which there can be no proof.
echo 'exports: {options: "rw,sync,no_subtree_check"}' >>/etc/nfs-mounts.yaml
mkdir /run/systemd/system/nfs-exportd-proof@.service.d
printf '[Service]\nRestrictNamespaces=yes\n' >/run/systemd/system/nfs-exportd-proof@.service.d/control.conf
systemctl daemon-reload
start nfs-exportd-plan.service
ok 'without namespaces the log says that there is no proof' said 'going on without proof'
rm -r /run/systemd/system/nfs-exportd-proof@.service.d
systemctl daemon-reload

# And one in which nobody makes it.
systemctl mask --quiet --runtime --now nfs-exportd-proof.socket
start nfs-exportd.service
ok 'without the socket for the proof: 71' ended exit-code 71
ok '... with what to look at' said 'systemctl status nfs-exportd-proof.socket'
ok '... and nothing changed' unchanged
systemctl unmask --quiet --runtime nfs-exportd-proof.socket
cp /tmp/mounts /etc/nfs-mounts.yaml

# What is refused, and a lock that is held, fail and are told of.
cloud 'fault?name=status-401&kind=LogIn'
start nfs-exportd.service
ok 'a log-in that Keystone refuses: 77' ended exit-code 77
ok '... and nothing changed' unchanged
told() {
	journalctl --sync
	journalctl --priority=err --output=cat --unit=nfs-exportd-failed@nfs-exportd.service >/tmp/log
	# A process can have the number 401, too.
	grep -q 'nfs-exportd: error: .*401' /tmp/log
}
await told
ok '... and the state of the unit is an error in the journal' said 'nfs-exportd.service - Bring'
ok '... with what the run said' said 'nfs-exportd: error: .*401'
cloud heal
echo NFS_EXPORTD_LOCK_TIMEOUT=10ms >/etc/default/nfs-exportd
exec 9>>/etc/exports.d/.nfs-exportd.exports.lock
flock 9
start nfs-exportd.service
ok '/etc/default/nfs-exportd counts, and a lock that is held is a failure: 75' ended exit-code 75
exec 9>&-

# Boot with the cloud away: the server exports what the file has.
exportfs -au
ok 'at boot nothing is exported' test -z "$(exportfs -s)"
systemctl stop cloud
echo NFS_EXPORTD_TIMEOUT=500ms >/etc/default/nfs-exportd
systemctl start --no-block nfs-server.service
start nfs-exportd.service
ok 'the cloud is away: 69' ended exit-code 69
ok '... and the server exports what the file has' exported '^/srv/tools.*10.0.0.2('
ok '... as it started before the run' test "$(systemctl is-active nfs-server.service)" = active
rm /etc/default/nfs-exportd
start_cloud

# An exportfs that waits, and tells what it can do in the sandbox. In that of the
# proof it does its work at once.
cat >/usr/local/sbin/waiting <<-'END'
	#!/bin/sh
	if [ ! -e /etc/.nfs ]; then
		cat /proc/fs/nfsd/export_features >/var/lib/nfs/features
		for file in /etc/x /etc/exports /srv/x /srv/tools/x /usr/x /root/x /home/shared/x /proc/sys/kernel/domainname /proc/fs/nfsd/x /sys/fs/cgroup/x /dev/sda /run/x; do
			if (echo x >$file) 2>/dev/null; then echo $file; fi
		done >/var/lib/nfs/writable
		grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status >/var/lib/nfs/status
		cat /proc/self/uid_map >>/var/lib/nfs/status
		mount -t tmpfs tmpfs /srv 2>/dev/null && echo mount >>/var/lib/nfs/writable
		mkfifo /var/lib/nfs/go
		echo >/var/lib/nfs/begun
		read -r line </var/lib/nfs/go
	fi
	exec /usr/sbin/exportfs "$@"
END
chmod 755 /usr/local/sbin/waiting
echo NFS_EXPORTD_EXPORTFS=/usr/local/sbin/waiting >/etc/default/nfs-exportd
echo 'exports: {options: "rw,sync,no_subtree_check"}' >>/etc/nfs-mounts.yaml
rm -f /run/ended
systemctl start --no-block nfs-exportd.service
await test -e /var/lib/nfs/begun
systemctl stop --no-block nfs-exportd.service
ending() { [ "$(systemctl is-active nfs-exportd.service)" = deactivating ]; }
await ending
echo >/var/lib/nfs/go
note
ok 'stopped while exportfs runs: it is waited for' ended success 0
ok '... and the run finishes its work' said '^applied'
ok '... with the new table' exported '^/srv/tools.*10.0.0.2(sync'
ok 'exportfs sees what the kernel can do' grep -q 0x3ffff /var/lib/nfs/features
ok 'exportfs can write nowhere else, nor mount' cmp /dev/null /var/lib/nfs/writable
ok 'exportfs is in a user namespace' grep -q '^ *0 *0 *1$' /var/lib/nfs/status
ok '... and has no capability even there' grep -qx 'CapEff:.0*' /var/lib/nfs/status
rm -f /etc/default/nfs-exportd /var/lib/nfs/begun /var/lib/nfs/go

cloud 'fault?name=black-hole&kind=LogIn'
cloud reset-requests
rm -f /run/ended
systemctl start --no-block nfs-exportd.service
asked() {
	exec 3<>/dev/tcp/127.0.0.1/5000
	printf 'GET /testcloud/requests HTTP/1.0\r\n\r\n' >&3
	grep -q LogIn <&3
}
await asked
systemctl stop nfs-exportd.service
note
ok 'stopped while the cloud is asked: no failure' ended success 143
# It does not end by itself while it has a request to hold.
systemctl kill --signal=KILL cloud
await not systemctl is-active --quiet cloud
systemctl reset-failed cloud
start_cloud

for timer in nfs-exportd nfs-exportd-plan; do
	ok "$timer.timer spreads the servers over four minutes" \
		test "$(systemctl show --property=RandomizedDelayUSec,FixedRandomDelay --value $timer.timer | tr '\n' ' ')" = '4min yes '
done

# The timer, without the delay that it adds, and without the minute after boot.
mkdir /run/systemd/system/nfs-exportd.timer.d
printf '[Timer]\nOnBootSec=1ms\nRandomizedDelaySec=0\n' >/run/systemd/system/nfs-exportd.timer.d/test.conf
systemctl daemon-reload
rm -f /run/ended
systemctl enable --now --quiet nfs-exportd.timer
note
ok 'the timer starts a run when it is enabled' ended success 0
next=$(date --date="$(systemctl show --property=NextElapseUSecRealtime --value nfs-exportd.timer)" +%s)
ok '... and the next within nine minutes' test $((next - $(date +%s))) -le 540

# An upgrade lets it run, a removal stops it and leaves the exports alone.
cp /etc/exports.d/nfs-exportd.exports /tmp/before
cp /var/lib/nfs/etab /tmp/etab
dpkg --install /test/new/*.deb >/tmp/dpkg 2>&1 || cat /tmp/dpkg
ok 'an upgrade lets the timer run' systemctl is-active --quiet nfs-exportd.timer
dpkg --purge nfs-exportd >/tmp/dpkg 2>&1 || cat /tmp/dpkg
ok 'a removal stops the timer' not systemctl is-active --quiet nfs-exportd.timer
ok '... and the socket for the proof' test ! -e /run/nfs-exportd/proof.socket
ok '... and forgets it' test ! -L /etc/systemd/system/timers.target.wants/nfs-exportd.timer
ok '... and leaves the exports alone' unchanged
ok '... and says so' grep -q 'nfs-exportd.exports stays' /tmp/dpkg
exit $failed
