#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a Debian package of what `make install` has put into a folder.
#
# usage: packaging/deb.sh VERSION FOLDER PACKAGE.deb      FOLDER/usr is filled already
# environment: SOURCE_DATE_EPOCH  the time that all files get (default: that of the last commit)
#              DEBFULLNAME, DEBEMAIL  the maintainer
set -eu
umask 022

version=$1 root=$2 package=$3
here=$(dirname "$0")
doc=$root/usr/share/doc/copatch
: "${SOURCE_DATE_EPOCH:=$(git -C "$here" log -1 --format=%ct 2>/dev/null || stat -c %Y "$here/..")}"
export SOURCE_DATE_EPOCH LC_ALL=C
maintainer="${DEBFULLNAME:-the copatch authors} <${DEBEMAIL:-copatch@copatch.invalid}>"

# Programs and libraries, whatever they are called.
binaries=$(find "$(cd "$root" && pwd)/usr" -type f \( -perm -100 -o -name 'lib*.so*' \) \
	-exec sh -c '[ "$(head -c 4 "$1" | tail -c 3)" = ELF ]' sh {} \; -print)
# shellcheck disable=SC2086 # a list of files
strip --strip-unneeded --remove-section=.comment --remove-section=.note $binaries
find "$root/usr/share/man" -type f -exec gzip -9n {} +
install -d "$doc" "$root/DEBIAN"
sed -e "s/@COPYRIGHT@/$(sed -n 's/^Copyright (c) //p' "$here/../LICENSE")/" -e '/@LICENSE@/d' \
	"$here/copyright.in" >"$doc/copyright"
sed -n -e '/^Permission/,$ { s/^$/./; s/^/ /; p }' "$here/../LICENSE" >>"$doc/copyright"
cat >"$doc/changelog" <<-END
	copatch ($version) unstable; urgency=medium

	  * Version $version.

	 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
gzip -9n "$doc/changelog"

# The loader's dependencies by dpkg-shlibdeps, which wants a source package around it; libev and
# Zydis are opened by name while copatch runs.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/debian"
printf 'Source: copatch\n\nPackage: copatch\nArchitecture: amd64\n' >"$scratch/debian/control"
# shellcheck disable=SC2086 # a list of files
depends=$(cd "$scratch" && dpkg-shlibdeps -O $binaries 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
zydis=$(dpkg-query -W -f '${Depends}' libzydis-dev | grep -o 'libzydis[0-9.]*' | head -n 1)
size=$(find "$root/usr" -type f -printf '%s\n' | awk '{ n += int(($1 + 1023) / 1024) } END { print n }')
sed -e "s/@VERSION@/$version/" -e "s/@MAINTAINER@/$maintainer/" -e "s/@SIZE@/$size/" \
	-e "s/@DEPENDS@/$depends/" -e "s/@ZYDIS@/$zydis/" "$here/control.in" >"$root/DEBIAN/control"
(cd "$root" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
chmod -R u=rwX,go=rX "$root"
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
