#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests what is installed: make install and uninstall, the Debian package, bash completion.
#
# usage: tests/install.sh

set -u

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d) || exit 2
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$top" || exit 2
for variable in ${!COPATCH_@}; do
	unset "$variable"
done
unset LD_PRELOAD MAKEFLAGS MAKELEVEL MFLAGS
suite=install
# shellcheck source=tests/same.sh
. "$top/tests/same.sh"

files() {
	# gdb's script is found by the whole path of the library
	(cd "$1" && find . ! -type d | sed 's,/auto-load/.*/lib/,/auto-load/PREFIX/lib/,' | sort)
}

# The exit status and what came of it.
from_root() {
	local out

	out=$(cd / && timeout -s KILL 60 "$@" 2>&1)
	echo "$? $out"
}

# What an installed copatch does, from another folder: runs NAME COPATCH LIBRARY.
runs() {
	same "$1-runs" "0 $3" "$(from_root "$2" run printenv LD_PRELOAD)"
	same "$1-threads" '0 few' "$(from_root "$2" run /usr/bin/python3 -c '
import threading, re
b = threading.Barrier(21)
for i in range(20): threading.Thread(target=b.wait).start()
kernel = int(re.search(r"Threads:\s*(\d+)", open("/proc/self/status").read())[1])
print("few" if kernel < 10 else kernel)
b.wait()')"
	same "$1-doctor" "$3 runs" \
		"$(cd / && timeout -s KILL 60 "$2" doctor 2>&1 | sed -n -e 's/^  copatch *//p' -e '$p' |
			paste -sd' ')"
	same "$1-version" "$(sed -n 's/^VERSION := /copatch /p' Makefile)" "$("$2" --version)"
}

install_tests() {
	make -s install PREFIX="$work/prefix" >/dev/null
	same install-status 0 $?
	runs prefix "$work/prefix/bin/copatch" "$work/prefix/lib/copatch/libcopatch.so"
	make -s install DESTDIR="$work/dest" PREFIX=/opt/c >/dev/null
	same destdir "$(files "$work/prefix")" "$(files "$work/dest/opt/c")"
	ln -s "$work/prefix/bin/copatch" "$work/link"
	runs link "$work/link" "$work/prefix/lib/copatch/libcopatch.so"
	same manual 0 "$(MANPATH=$work/prefix/share/man man --warnings copatch 2>&1 >/dev/null | wc -c)"
	same others-may-read '' "$(find "$work/prefix" ! -perm -0444)"
	# copatch itself cannot run there, and says so
	make -s install PREFIX="$work/a b" >/dev/null
	same blank-in-prefix "$(files "$work/prefix")" "$(files "$work/a b")"
	same blank-is-told 1 "$("$work/a b/bin/copatch" run true 2>&1 | grep -c 'LD_PRELOAD cannot')"
	for folder in prefix 'a b'; do
		touch "$work/$folder/bin/other"
		make -s uninstall PREFIX="$work/$folder"
		same "uninstall ($folder)" ./bin/other "$(files "$work/$folder")"
	done
	make -s uninstall PREFIX="$work/prefix"
	same uninstall-twice 0 $?
}

deb_tests() {
	local package=$work/one/copatch.deb root=$work/root

	mkdir "$work/one" "$root"
	if ! command -v dpkg-deb >/dev/null; then
		echo "ok - install/deb # SKIP no dpkg"
		return
	fi
	make -s -j2 deb BUILD="$work/one" DEB="$package" >"$work/out" 2>&1
	same deb-status "0 1" "$? $(grep -c '^made ' "$work/out")"
	same deb-name copatch "$(dpkg-deb -f "$package" Package)"
	for needed in libc6 libev4 libzydis libdw1 libncursesw6; do
		same "deb-wants-$needed" 1 \
			"$(dpkg-deb -f "$package" Depends Recommends | grep -c "$needed")"
	done
	if command -v lintian >/dev/null; then
		same deb-lintian '' "$(lintian --allow-root --fail-on error,warning "$package" 2>&1)"
	else
		echo "ok - install/deb-lintian # SKIP no lintian"
	fi
	# what it wants can be had, and nothing stands against it
	same deb-apt 1 "$(apt-get install -s -q "$package" 2>&1 | grep -c '^Inst copatch ')"
	dpkg-deb -x "$package" "$root"
	runs deb "$root/usr/bin/copatch" "$root/usr/lib/copatch/libcopatch.so"
	same deb-checksums 0 "$(dpkg-deb --ctrl-tarfile "$package" | tar -xO ./md5sums |
		(cd "$root" && md5sum --quiet -c 2>&1) | wc -l)"
	same deb-owners root/root "$(dpkg-deb -c "$package" | awk '{ print $2 }' | sort -u)"

	# from another folder, with other rights, at another time
	mkdir "$work/copy"
	git ls-files -zco --exclude-standard 2>/dev/null | xargs -0 cp --parents -t "$work/copy" ||
		tar -c --exclude=./build . | tar -x -C "$work/copy"
	(
		umask 077
		SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y .)
		export SOURCE_DATE_EPOCH
		make -s -j2 -C "$work/copy" deb DEB=two.deb >/dev/null 2>&1
	)
	cmp "$package" "$work/copy/two.deb" >"$work/out" 2>&1
	same deb-reproducible "0 " "$? $(cat "$work/out")"
}

# completes WORD...: what comes of the last one.
completes() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	_copatch "$build/copatch" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' '
}

completion_tests() {
	local build=${BUILD:-build} options commands pid

	commands=$("$build/copatch" --help | sed -n 's/^usage: copatch \([a-z]*\).*/\1/p' | sort)
	# shellcheck source=/dev/null
	. packaging/copatch.bash
	# shellcheck disable=SC2086 # lists of words
	same completion-commands "$(printf '%s\n' --help --version $commands | sort | paste -sd' ')" \
		"$(completes copatch '')"
	same completion-command doctor "$(completes copatch doc)"
	options=$(sed -n 's/^\t{"\([a-z-]*\)", "COPATCH_.*/--\1/p' shim/options.h)
	# shellcheck disable=SC2086
	same completion-options "$(printf '%s\n' --help $options | sort | paste -sd' ')" \
		"$(completes copatch run -)"
	same completion-option --stats "$(completes copatch run --stat)"
	same completion-words 'debug error warn' "$(completes copatch run --log '')"
	same completion-word warn "$(completes copatch run --stats --log w)"
	same completion-no-words '' "$(completes copatch run --slice '')"
	same completion-program memcached "$(completes copatch run --stats memcache)"
	same completion-after-count memcached "$(completes copatch run --slice 5 memcache)"
	same completion-after-dashes memcached "$(completes copatch run -- memcache)"
	same completion-path "$build/libcopatch.so" \
		"$(completes copatch run "$build/lib" | tr ' ' '\n' | grep so$)"
	same completion-doctor memcached "$(completes copatch doctor memcache)"
	same completion-arguments Makefile "$(completes copatch run cat Makef)"
	"$build/copatch" run sleep 60 &
	pid=$!
	while ! grep -q sleep "/proc/$pid/comm"; do sleep 0.05; done
	same completion-processes 1 "$(_copatch_processes | grep -cx "$pid")"
	same completion-not-others 0 "$(_copatch_processes | grep -cx "$$")"
	if grep -qx ps <<<"$commands"; then
		same completion-ps 1 "$(completes copatch ps '' | tr ' ' '\n' | grep -cx "$pid")"
	fi
	kill "$pid"
	wait "$pid" 2>/dev/null
}

install_tests
deb_tests
completion_tests
[ "$failures" -eq 0 ]
