#!/bin/sh
# deb_chroot.sh DIRECTORY CHROOT, for `make deb-test`: what lintian says of the packages in DIRECTORY, and whether they can be installed,
# used and removed in a Debian of nothing else. That is kept in CHROOT, and made by debootstrap, from MIRROR, or from where apt gets
# its packages, when it is not there.
set -eu
debs=$1 chroot=$2
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | head -1)}

for command in lintian debootstrap unshare nsenter; do
  command -v $command >/dev/null || { echo "skipped: $command is not installed"; exit 0; }
done
lintian --fail-on error "$debs"/*.changes
[ "$(id -u)" = 0 ] || { echo "skipped: only root may make a chroot"; exit 0; }

# Its own mounts, which end with it.
[ "${INSIDE:-}" ] || INSIDE=1 exec unshare --mount "$0" "$@"

within() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$chroot" sh -ec "$1"
}

if ! [ -e "$chroot/complete" ]; then
  rm -rf "$chroot"
  debootstrap --variant=minbase bookworm "$chroot" "$mirror" >"$chroot.log" 2>&1 || { tail "$chroot.log"; exit 1; }
  printf '#!/bin/sh\nexit 101\n' >"$chroot/usr/sbin/policy-rc.d"
  chmod 755 "$chroot/usr/sbin/policy-rc.d"
  touch "$chroot/complete"
fi
mount -t proc proc "$chroot/proc"

# All files but those of the package manager.
listing() {
  within "find / -xdev \( -path /proc -o -path /run \) -prune -o -path '/var/lib/dpkg/*' -o -path '/var/lib/apt/*' -o -path '/var/cache/*' -o -path '/var/log/*' \
    -o -path '/etc/*-' -o -path '/debs*' -o -print | sort"
}

within "apt-get install -y -qq --no-install-recommends adduser luajit2 lua5.4 lua-argparse lua-cjson liblmdb0 libssl3 libutf8proc2 lua-socket >/dev/null"
rm -rf "$chroot/debs"
mkdir "$chroot/debs"
cp "$debs"/*.deb "$chroot/debs"
listing >"$chroot.before"
within "apt-get install -y -qq --no-install-recommends /debs/*.deb >/dev/null"

within '
leadcat --version
leadcat init --path /var/lib/leadcat --owner leadcat
su -s /bin/sh leadcat -c "leadcat maintain --path /var/lib/leadcat && leadcat check --store --path /var/lib/leadcat"
for lua in lua5.4 luajit; do
  $lua -e "local leadcat = require [[leadcat]] local engine = assert(leadcat.open{path = [[/tmp/store]]}) print(engine:decide([[sale_won]], 1))"
done
rm -r /tmp/store
zcat /usr/share/man/man1/leadcat.1.gz | grep -q "^.SS config import"
bash -c "source /usr/share/bash-completion/completions/leadcat && complete -p leadcat"
test -s /usr/share/zsh/vendor-completions/_leadcat && test -s /usr/share/fish/vendor_completions.d/leadcat.fish
test -s /lib/systemd/system/leadcat-worker@.service && test -s /lib/systemd/system/leadcat-maintain.timer
test -s /usr/share/doc/leadcat/examples/nginx.conf
getent passwd leadcat
apt-get purge -y -qq leadcat lua-leadcat >/dev/null
test -e /var/lib/leadcat/config.mdb # it is not the package that owns what is in there
rm -r /var/lib/leadcat
apt-get install -y -qq --no-install-recommends /debs/*.deb >/dev/null
apt-get purge -y -qq leadcat lua-leadcat >/dev/null
! getent passwd leadcat
' || { rm -f "$chroot/complete"; exit 1; }
listing | diff "$chroot.before" - || { rm -f "$chroot/complete"; exit 1; }
echo "installed, used, and removed without a trace"

# What a booted systemd leaves behind goes with the copy.
rm -rf "$chroot.booted"
cp -ax "$chroot" "$chroot.booted"
chroot="$chroot.booted"
within "apt-get install -y -qq --no-install-recommends /debs/*.deb systemd dbus >/dev/null"
sh "${0%/*}/deb_units.sh" "$chroot"
rm -rf "$chroot"
