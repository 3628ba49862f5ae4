#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests that the demos show what demo/README.md says of them.
#
# usage: tests/demos.sh
# environment: BUILD  the build folder (default build)

set -u

top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${BUILD:-build}" 2>/dev/null && pwd) || {
	echo "not ok - demos # no build folder ${BUILD:-build}"
	exit 1
}
demo=$top/demo
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 2
unset LD_PRELOAD
suite=demos
# shellcheck source=tests/same.sh
. "$top/tests/same.sh"

# holds NAME CONDITION: one of awk's, on the numbers in it.
holds() {
	same "$1 ($2)" 1 "$(awk "BEGIN { print($2) }")"
}

# refuses NAME COMMAND...: one line that begins with NAME, and 125.
refuses() {
	local status

	timeout -s KILL 60 "${@:2}" >out 2>err </dev/null
	status=$?
	same "refuses ($(sed 's,[^ ]*/,,g' <<<"${*:2}"))" "125 0 1 1" \
		"$status $(wc -c <out) $(wc -l <err) $(grep -c "^$1: " err)"
}

# field PROGRAM HOW COLUMN: of the table, where the first column's words are left out below the first.
field() {
	awk -v program="$1" -v how="$2" -v n="$3" '
		/^[a-z]/ { at = $0 }
		index(at, program) == 1 && index($0, how) { print $(NF - n) }' table
}

download_tests() {
	local program

	timeout -s KILL 120 "$demo/compare.py" -n 40 --delay 0.25 --build "$build" >table 2>err
	same download "0 0 6" "$? $(wc -c <err) $(grep -c 'right$' table)"
	for program in libcurl urllib; do
		holds "$program-one-after-another" "$(field $program 'one thread' 2) >= 10"
		holds "$program-all-at-once" "$(field $program '40 threads' 2) < 8"
		holds "$program-under-copatch" "$(field $program copatch 2) < 8"
		holds "$program-native-threads" "$(field $program '40 threads' 1) == 41"
		# the carrier, and perhaps helpers that read files
		holds "$program-kernel-threads" "$(field $program copatch 1) < 20"
	done
	# what is wrong is told
	timeout -s KILL 60 "$build/demo/download" 2 http://127.0.0.1:1/ >out 2>err
	same download-failure "1 0 1" "$? $(wc -c <out) $(grep -c '^download: http://127.0.0.1:1/: ' err)"
	timeout -s KILL 60 "$demo/download.py" 2 http://127.0.0.1:1/ nonsense >out 2>err
	same download.py-failure "1 0 2" "$? $(wc -c <out) $(grep -c '^download.py: ' err)"
	refuses download "$build/demo/download"
	refuses download "$build/demo/download" 0 http://127.0.0.1:1/
	refuses download "$build/demo/download" 4x http://127.0.0.1:1/
	refuses download "$build/demo/download" 4
	refuses download.py "$demo/download.py" 0 http://127.0.0.1:1/
	refuses download.py "$demo/download.py"
	refuses compare.py "$demo/compare.py" -n 0
	refuses compare.py "$demo/compare.py" --build "$work"
}

million_tests() {
	local kernel said

	said=$(for i in 10 9 8 7 6 5 4 3 2 1 0; do echo "$i, say 2000"; done)
	for how in '' "$build/copatch run"; do
		kernel=2001
		[ -z "$how" ] || kernel=1
		# shellcheck disable=SC2086 # the words of the command
		timeout -s KILL 60 $how "$build/demo/million" 2000 >out 2>err
		same "million ${how:+under copatch}" "0 $said" \
			"$? $(sed -n 's/^ *\([0-9]*, say .*\)/\1/p' out)"
		same "million-threads ${how:+under copatch}" $kernel \
			"$(sed -n 's/^2000 threads wait, \([0-9]*\) of the kernel.s.*/\1/p' out)"
	done
	refuses million "$build/demo/million" 0
	refuses million "$build/demo/million" many
	refuses million "$build/demo/million" -5
	refuses million "$build/demo/million" 5 5
	# the limits are looked at before anything is begun
	refuses million "$build/demo/million" 4000000
	same million-limit 1 "$(grep -cE 'threads-max|pid_max|max_map_count|RLIMIT_NPROC' err)"
}

yield_tests() {
	local said how

	said=$(for i in $(seq 11); do printf 'task one: turn %d\ntask two: turn %d\n' "$i" "$i"; done
		echo both have ended)
	for how in '' "$build/copatch run"; do
		# shellcheck disable=SC2086 # the words of the command
		same "yield ${how:+under copatch}" "0 $said" \
			"$(timeout -s KILL 60 $how "$build/demo/yield" >out 2>&1; echo "$? $(cat out)")"
	done
	refuses yield "$build/demo/yield" 3
}

greenlet_tests() {
	local how

	for how in '' "$build/copatch run"; do
		# shellcheck disable=SC2086 # the words of the command
		/usr/bin/env bash -c 'TIMEFORMAT=%R; time "$@" >out 2>err' - \
			timeout -s KILL 60 $how "$build/demo/greenlet" 4 2>took
		same "greenlet ${how:+under copatch}" \
			"task one: 1|task two: 2|task one: 3|task two: 4|counted to 4" \
			"$(paste -sd'|' out err | sed 's/|$//')"
		holds "greenlet-sleeps ${how:+under copatch}" "$(cat took) >= 1.5 && $(cat took) < 10"
	done
	same greenlet-one "task one: 1|counted to 1" \
		"$(timeout -s KILL 60 "$build/demo/greenlet" 1 | paste -sd'|')"
	refuses greenlet "$build/demo/greenlet"
	refuses greenlet "$build/demo/greenlet" 0
	refuses greenlet "$build/demo/greenlet" -1
	refuses greenlet "$build/demo/greenlet" 5x
	refuses greenlet "$build/demo/greenlet" 1 2
	refuses greenlet "$build/demo/greenlet" 99999999999999999999
}

yield_tests
greenlet_tests
download_tests
million_tests
[ "$failures" -eq 0 ]
