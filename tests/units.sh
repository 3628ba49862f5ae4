#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs every unit suite that is built.
#
# usage: tests/units.sh [--loop N] [-j N] [--only PATTERN]
# environment: BUILD  the build folder (default build)

set -u

usage() {
	echo "usage: $0 [--loop N] [-j N] [--only PATTERN]" >&2
	exit 2
}

loops=1 jobs=2 only='*'
while [ $# -gt 0 ]; do
	case $1 in
	--loop) [ $# -ge 2 ] || usage; loops=$2; shift 2 ;;
	-j) [ $# -ge 2 ] || usage; jobs=$2; shift 2 ;;
	--only) [ $# -ge 2 ] || usage; only=$2; shift 2 ;;
	*) usage ;;
	esac
done
for number in "$loops" "$jobs"; do
	case $number in '' | *[!0-9]* | 0) usage ;; esac
done

build=${BUILD:-build}
limit=240
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# a test that dies of a signal on purpose must not leave a core
ulimit -c 0
# 4 s for a test are few on a busy machine; what hangs, hangs longer
export CK_VERBOSITY=normal CK_FORK=yes CK_TIMEOUT_MULTIPLIER=8
unset CK_RUN_SUITE CK_RUN_CASE CK_INCLUDE_TAGS CK_EXCLUDE_TAGS CK_DEFAULT_TIMEOUT

# fail NAME WHY
fail() {
	echo "not ok - units/$1 # $2"
	grep -aE ':[FES]:' "$work/$1.out" | head -n 16 | cut -c 1-300 | sed 's/^/# /'
	tail -n 6 "$work/$1.err" | cut -c 1-300 | sed 's/^/# stderr: /'
}

# run NAME WHERE
run() {
	local name=$1 where=$2 result checks

	# libcheck takes its tests along on SIGTERM, which it could not on SIGKILL; the braces
	# swallow bash's own line on a child that was killed
	{
		timeout -k 5 "$limit" "$build/tests/check_$name" >"$work/$1.out" 2>"$work/$1.err" </dev/null
		result=$?
	} 2>/dev/null
	checks=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: .*/\1/p' "$work/$1.out" | tail -n 1)
	if [ "$result" -eq 124 ] || [ "$result" -eq 137 ]; then
		fail "$name" "killed after $limit s$where"
	elif [ "$result" -ge 128 ]; then
		fail "$name" "died of signal $(kill -l $((result - 128)))$where"
	elif [ "$result" -ne 0 ]; then
		fail "$name" "$(sed -n 's/^[0-9]*%: Checks: //p' "$work/$1.out" | tail -n 1) failed of them$where"
	elif [ -z "$checks" ] || [ "$checks" -eq 0 ]; then
		fail "$name" "ran no check$where"
	else
		echo "$checks" >"$work/$name.checks"
		return 0
	fi
	return 1
}

# soak NAME: all its rounds, or up to the first that fails
soak() {
	local name=$1 round where

	for ((round = 1; round <= loops; round++)); do
		where=
		[ "$loops" -eq 1 ] || where=" (round $round of $loops)"
		run "$name" "$where" || return
	done
	echo "ok - units/$name ($(cat "$work/$name.checks") checks)"
}

names=()
for program in "$build"/tests/check_*; do
	name=${program##*/check_}
	# shellcheck disable=SC2254 # the option is a pattern
	case $name in *.*) continue ;; $only) ;; *) continue ;; esac
	[ -f "$program" ] && [ -x "$program" ] && names+=("$name")
done
if [ ${#names[@]} -eq 0 ]; then
	echo "not ok - units # no suite matches in $build/tests"
	exit 1
fi

for name in "${names[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	soak "$name" >"$work/$name.log" &
done
wait
status=0
for name in "${names[@]}"; do
	cat "$work/$name.log"
	grep -q '^not ok' "$work/$name.log" && status=1
done
exit $status
