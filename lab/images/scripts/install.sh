# Installs packages and files in a root file system that comes as a tar on
# standard input, and writes the whole as the tar file $WHOLE. Runs in a mount
# and a process namespace of its own, so that nothing has to be unmounted.
#
# Variables: ROOT, an empty or missing folder; PACKAGES; ACCOUNT, ACCOUNT_ID
# and ACCOUNT_HOME of the service; FILES, a folder to copy to the root; SETUP,
# a script to run in it.
set -eu
mkdir -p "$ROOT"
tar --extract --numeric-owner --same-permissions --xattrs --xattrs-include='*' --directory "$ROOT"

mkdir -p "$ROOT/dev" "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
cat /etc/resolv.conf >"$ROOT/etc/resolv.conf"

chroot "$ROOT" groupadd --system --gid "$ACCOUNT_ID" "$ACCOUNT"
chroot "$ROOT" useradd --system --uid "$ACCOUNT_ID" --gid "$ACCOUNT_ID" \
	--home-dir "$ACCOUNT_HOME" --no-create-home --shell /usr/sbin/nologin "$ACCOUNT"
chroot "$ROOT" apt-get --quiet update
# shellcheck disable=SC2086 # one word per package
chroot "$ROOT" apt-get --quiet install --yes --no-install-recommends $PACKAGES

cp --recursive --no-preserve=ownership --preserve=mode "$FILES/." "$ROOT/"
chroot "$ROOT" sh -eu <"$SETUP"

chroot "$ROOT" apt-get clean
[ ! -e "$ROOT/etc/machine-id" ] || : >"$ROOT/etc/machine-id"
find "$ROOT/var/lib/apt/lists" -type f ! -name lock -delete
find "$ROOT/var/log" -name '*.log' -delete
rm -rf "$ROOT"/var/cache/ldconfig/aux-cache "$ROOT"/var/cache/debconf/*-old "$ROOT"/var/lib/dpkg/*-old
: >"$ROOT/etc/resolv.conf"

tar --create --file "$WHOLE" --directory "$ROOT" --one-file-system --sort=name \
	--numeric-owner --format=pax --xattrs --xattrs-include='*' .
