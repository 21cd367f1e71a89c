#!/bin/sh
# The life of the package with the real apt and dpkg. test.sh runs this in
# testroot.sh, with the package in /test, and an older and a newer one of the same
# content in /test/old and /test/new.
set -eu
export DEBIAN_FRONTEND=noninteractive

. "$(dirname "$0")/test-steps.sh"
quietly() { "$@" >/tmp/log 2>&1 || { cat /tmp/log; return 1; }; }
status() { dpkg-query --show --showformat='${db:Status-Status}' nfs-exportd; }

rm -rf /etc/exports.d
ok 'the older one is installed' quietly apt-get install --yes --no-install-recommends /test/old/*.deb
ok 'the directory of the exports file is there' test "$(stat --format='%U:%G %a' /etc/exports.d)" = 'root:root 755'
ok '... and that of the socket' test "$(stat --format='%U:%G %a' /run/nfs-exportd)" = 'root:root 755'
rm -rf /etc/exports.d /run/nfs-exportd
ok '... again at the next boot' sh -c 'systemd-tmpfiles --create nfs-exportd.conf && test -d /etc/exports.d -a -d /run/nfs-exportd'
ok '... for all to read' test "$(stat --format='%U:%G %a' /etc/exports.d)" = 'root:root 755'
ok 'only root can hold the lock of exportfs' test "$(stat --format='%U:%G %a' /var/lib/nfs/export-lock)" = 'root:root 600'
chmod 644 /var/lib/nfs/export-lock
ok '... again at the next boot' sh -c 'systemd-tmpfiles --create nfs-exportd.conf && test "$(stat --format=%a /var/lib/nfs/export-lock)" = 600'
ok 'all files are as they were packed' test -z "$(dpkg --verify nfs-exportd)"
ok 'the program is static' sh -c 'ldd /usr/bin/nfs-exportd 2>&1 | grep -q "not a dynamic executable"'
ok 'the man pages are there' gzip --test /usr/share/man/man8/nfs-exportd.8.gz /usr/share/man/man5/nfs-mounts.yaml.5.gz
ok 'the runbook, the alerts and the Puppet class are there' sh -c 'cd /usr/share/doc/nfs-exportd && test -s runbook.md -a -s examples/alerts.yml -a -s examples/puppet/nfs_exportd/manifests/init.pp'
ok '... for everybody to read' test -z "$(find /usr/share/doc/nfs-exportd ! -perm -0444)"
ok 'bash reads the completion' bash -n /usr/share/bash-completion/completions/nfs-exportd
ok 'the example is a configuration' sh -c 'nfs-exportd check --config /usr/share/doc/nfs-exportd/examples/nfs-mounts.yaml | grep -q "^ok *configuration"'
ok 'check without a configuration: 78' sh -c 'nfs-exportd check >/tmp/log 2>&1; test $? = 78'
ok '... which the first line names' sh -c 'head -n 1 /tmp/log | grep -q "^failed *configuration.*/etc/nfs-mounts.yaml"'

# An upgrade keeps what an administrator has changed.
echo NFS_EXPORTD_LOG_LEVEL=info >>/etc/default/nfs-exportd
groupadd nfsmanager
chgrp nfsmanager /etc/exports.d
chmod 2775 /etc/exports.d
echo '/srv/tools 10.0.0.2(rw)' >/etc/exports.d/nfs-exportd.exports
: >/etc/exports.d/.nfs-exportd.exports.lock
cp /etc/exports.d/nfs-exportd.exports /tmp/before
ok 'the newer one is installed' quietly apt-get install --yes --no-install-recommends /test/new/*.deb
ok 'it tells its version' test "$(nfs-exportd --version | cut -d" " -f3)" = "$(dpkg-query --show --showformat='${Version}' nfs-exportd)"
ok '... keeps /etc/default/nfs-exportd' grep -q LEVEL=info /etc/default/nfs-exportd
ok '... keeps group and mode of the directory' test "$(stat --format='%U:%G %a' /etc/exports.d)" = 'root:nfsmanager 2775'
ok '... also at the next boot' sh -c 'systemd-tmpfiles --create nfs-exportd.conf && test "$(stat --format="%U:%G %a" /etc/exports.d)" = "root:nfsmanager 2775"'
ok '... keeps the exports' cmp /tmp/before /etc/exports.d/nfs-exportd.exports

ok 'it is removed' quietly dpkg --remove nfs-exportd
ok '... keeps the exports' cmp /tmp/before /etc/exports.d/nfs-exportd.exports
ok '... takes the directory of the socket along' test ! -e /run/nfs-exportd
ok '... and says so' grep -q 'nfs-exportd.exports stays' /tmp/log
ok '... keeps /etc/default/nfs-exportd' grep -q LEVEL=info /etc/default/nfs-exportd
ok 'it is installed again' quietly apt-get install --yes --no-install-recommends /test/new/*.deb
ok 'it is purged' quietly dpkg --purge nfs-exportd
ok '... keeps the exports' cmp /tmp/before /etc/exports.d/nfs-exportd.exports
ok '... and nothing else' test "$(find / -xdev -not -path '/proc/*' -name '*nfs-exportd*' \( -path '/etc/*' -o -path '/var/lib/*' -o -path '/usr/*' \) -not -path '/usr/src/*' 2>/dev/null)" = /etc/exports.d/nfs-exportd.exports
ok 'dpkg has forgotten it' test -z "$(status 2>/dev/null | grep -v not-installed)"

# Where there are no exports nothing stays at all.
rm /etc/exports.d/nfs-exportd.exports
ok 'it is installed and purged' quietly sh -c 'dpkg --install /test/new/*.deb && dpkg --purge nfs-exportd'
ok '... and nothing stays' test ! -e /etc/exports.d
exit $failed
