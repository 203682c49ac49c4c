#!/bin/sh
# deb_units.sh CHROOT: whether the units of the package work under a systemd that is booted in the chroot, where the package is installed:
# the worker starts, is healthy, comes back when it is killed, and ends when it is stopped; maintain succeeds, and its timer waits.
set -eu
chroot=$1

# As the first process of its own process ids, with that directory as its root.
if [ "${2:-}" = boot ]; then
  mount --make-rprivate /
  mount --bind "$chroot" "$chroot"
  cd "$chroot"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t devtmpfs devtmpfs dev
  mkdir -p dev/shm dev/pts mnt
  mount -t tmpfs -o mode=755 tmpfs run
  pivot_root . mnt
  exec env -i container=chroot PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c '
    umount -l /mnt
    mount --make-rshared /
    exec /lib/systemd/systemd --log-target=journal --unit=multi-user.target'
fi

unshare --pid --fork --kill-child --mount --uts --ipc --cgroup sh "$0" "$chroot" boot </dev/null >"$chroot.boot" 2>&1 &
unshare=$!
trap 'kill -9 $unshare 2>/dev/null' EXIT

first= # the first process of that system
for _ in $(seq 60); do
  first=$(cat /proc/$unshare/task/$unshare/children 2>/dev/null) || exit 1
  [ "$(cat /proc/${first% }/comm 2>/dev/null)" = systemd ] && break
  sleep 1
done

nsenter -t ${first% } --pid --mount --uts --ipc env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C timeout 200 sh -eu -c '
fail() {
  echo "$1" >&2
  systemctl status --no-pager "leadcat*" >&2 || true
  exit 1
}
# until SECONDS COMMAND: it succeeds within that time
until_true() {
  for _ in $(seq $1); do
    eval "$2" >/dev/null 2>&1 && return
    sleep 1
  done
  fail "not within $1 seconds: $2"
}
main_pid() {
  systemctl show --property MainPID --value leadcat-worker@crm
}
until_true 60 "systemctl is-active multi-user.target"
leadcat init --path /var/lib/leadcat --owner leadcat >/dev/null
mkdir -p /etc/leadcat
echo "return { engine = assert(require [[leadcat]].open { path = [[/var/lib/leadcat]] }), sources = {} }" >/etc/leadcat/crm.lua
systemctl start leadcat-worker@crm
until_true 20 "test -S /run/leadcat-crm/worker.sock"
killed=$(main_pid)
systemctl kill --signal KILL leadcat-worker@crm
until_true 30 "test \$(main_pid) -gt 0 && test \$(main_pid) != $killed && systemctl is-active leadcat-worker@crm"
systemctl stop leadcat-worker@crm
test "$(systemctl show --property Result --value leadcat-worker@crm)" = success || fail "the worker did not end as asked"
systemctl start leadcat-maintain.service || fail "maintain fails"
systemctl enable --now --quiet leadcat-maintain.timer
systemctl is-active --quiet leadcat-maintain.timer
systemctl disable --now --quiet leadcat-maintain.timer
rm -r /etc/leadcat
'
echo "the units work under systemd"
