#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages named that are missing, and says which.
set -eu

missing=
for package in "$@"; do
	case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
	'install ok installed') ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing \
	>/dev/null
