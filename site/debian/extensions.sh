#!/bin/sh
# Writes the PHP extensions that Debian packages for each release:
#
#	sh site/debian/extensions.sh >site/debian/extensions.txt
#
# An extension is a package php-NAME that is built for PHP's own interface
# (phpapi-…), or that stands for the package phpVERSION-NAME of this release;
# php-cli, php-fpm and the like stand for programs, and every other php-NAME is
# a library written in PHP.
set -eu
mirror=${1:-http://deb.debian.org/debian}

echo "# PHP extensions of Debian, from $mirror/dists/*/main/binary-amd64/Packages.xz"
for release in bullseye bookworm trixie; do
	curl -sSf "$mirror/dists/$release/Release" | awk -v release=$release '
		/^Version:/ { version = $2 }
		/^Date:/ { date = $0; sub(/^Date: /, "", date) }
		END { printf "\n# %s: Debian %s of %s\n%s", release, version, date, release }'
	curl -sSf "$mirror/dists/$release/main/binary-amd64/Packages.xz" | xz -d | awk '
		/^Package: / { name = $2; depends = "" }
		/^Depends: / { depends = $0 }
		/^$/ && name ~ /^php-/ && name !~ /^php-(cgi|cli|common|dev|fpm|phpdbg)$|-all-dev$/ {
			name = substr(name, 5)
			if (depends ~ /phpapi-/ || depends ~ ("(^|[ ,])php[0-9.]+-" name "([ ,]|$)")) print name
		}' | sort | awk '{ printf " %s", $0 } END { print "" }'
done
