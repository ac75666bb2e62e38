#!/bin/bash
# Installs a release of sitectl for the steps that follow: of SITECTL_VERSION
# from SITECTL_RELEASES, if its checksum is that of SHA256SUMS, and that of
# SITECTL_SHA256 where there is one.
set -euo pipefail

case "$(uname -s)" in
Linux) system=linux ;;
Darwin) system=darwin ;;
*) echo "::error title=Install sitectl::there is no release of sitectl for $(uname -s); use a Linux or macOS runner"; exit 1 ;;
esac
case "$(uname -m)" in
x86_64 | amd64) processor=amd64 ;;
aarch64 | arm64) processor=arm64 ;;
*) echo "::error title=Install sitectl::there is no release of sitectl for $(uname -m)"; exit 1 ;;
esac

name="sitectl-$system-$processor"
address="$SITECTL_RELEASES/download/$SITECTL_VERSION"
if [[ "$SITECTL_VERSION" = latest ]]; then
	address="$SITECTL_RELEASES/latest/download"
fi

folder="$RUNNER_TEMP/sitectl"
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"

for file in SHA256SUMS "$name.tar.gz"; do
	if ! curl --fail --silent --show-error --location --retry 3 --output "$file" "$address/$file"; then
		echo "::error title=Install sitectl::$address/$file cannot be downloaded; see the inputs version and releases"
		exit 1
	fi
done

# macOS has shasum, and no sha256sum.
sum="$({ sha256sum "$name.tar.gz" 2>/dev/null || shasum -a 256 "$name.tar.gz"; } | cut -d ' ' -f 1)"
expected="$(sed -n "s/^\([0-9a-f]\{64\}\)  $name\.tar\.gz\$/\1/p" SHA256SUMS)"
for wanted in "$expected" "${SITECTL_SHA256:-$expected}"; do
	if [[ "$sum" != "$wanted" ]]; then
		echo "::error title=Install sitectl::the checksum of $address/$name.tar.gz is $sum instead of ${wanted:-one that SHA256SUMS lists}"
		exit 1
	fi
done

tar --extract --gzip --file "$name.tar.gz" --strip-components 1
rm "$name.tar.gz"
"$folder/sitectl" version
echo "$folder" >> "$GITHUB_PATH"
