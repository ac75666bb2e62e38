# Turns a fresh Debian root file system into a base image.
# Arguments: root folder, list of package sources.
set -eu
root=$1
list=$2
here=$(dirname "$0")

rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
install -m 0644 "$list" "$root/etc/apt/sources.list.d/debian.sources"

# mmdebstrap keeps the options it was given in files of its own name.
mv "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/apt/apt.conf.d/docker-slim"
mv "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/docker"
install -m 0644 "$here/docker-clean" "$root/etc/apt/apt.conf.d/docker-clean"

# A package must not start its service in a build.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"

# The container runtime brings these.
: >"$root/etc/hostname"
: >"$root/etc/resolv.conf"
rm -f "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old
