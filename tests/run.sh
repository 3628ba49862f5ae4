#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs suites that print "ok - NAME" and "not ok - NAME" lines, and adds them up.
#
# usage: tests/run.sh [--loop N] SUITE...      each SUITE is one command line
# environment: SUITE_TIMEOUT  seconds that one suite may take (default 1800)

set -u

usage() {
	echo "usage: $0 [--loop N] 'SUITE COMMAND'..." >&2
	exit 2
}

loops=1
while [ $# -gt 0 ]; do
	case $1 in
	--loop) [ $# -ge 2 ] || usage; loops=$2; shift 2 ;;
	--) shift; break ;;
	-*) usage ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || usage
case $loops in '' | *[!0-9]* | 0) usage ;; esac

limit=${SUITE_TIMEOUT:-1800}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
: >"$work/failures"
: >"$work/skips"
passed=0 failed=0 skipped=0

fail_suite() {
	echo "not ok - $1 # $2"
	echo "$1 # $2" >>"$work/failures"
	failed=$((failed + 1))
}

run_suite() {
	local suite=$1 status good bad skip began=$SECONDS

	echo "# suite: $suite"
	# no stdin, since timeout makes a background process group, which a terminal would stop
	timeout -k 5 "$limit" bash -c "$suite" </dev/null | tee "$work/output"
	status=${PIPESTATUS[0]}

	skip=$(grep -c '^ok - .*# SKIP' "$work/output")
	good=$(grep -c '^ok - ' "$work/output")
	bad=$(grep -c '^not ok - ' "$work/output")
	sed -n 's/^not ok - //p' "$work/output" >>"$work/failures"
	sed -n 's/^ok - \(.*# SKIP.*\)/\1/p' "$work/output" >>"$work/skips"
	passed=$((passed + good - skip))
	skipped=$((skipped + skip))
	failed=$((failed + bad))

	if [ "$status" -ge 124 ] && [ $((SECONDS - began)) -ge "$limit" ]; then
		fail_suite "$suite" "killed by the time limit of $limit s"
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		fail_suite "$suite" "exit status $status without a failed test"
	elif [ $((good + bad)) -eq 0 ]; then
		fail_suite "$suite" "printed no result"
	fi
}

for ((round = 1; round <= loops; round++)); do
	[ "$loops" -eq 1 ] || echo "# round $round of $loops"
	for suite in "$@"; do
		run_suite "$suite"
	done
done

echo
echo "kernel $(uname -r), $(getconf GNU_LIBC_VERSION 2>/dev/null || echo 'unknown libc')"
if [ -s "$work/failures" ]; then
	echo "failed:"
	sed 's/^/  /' "$work/failures"
fi
if [ -s "$work/skips" ]; then
	echo "skipped:"
	sed 's/^/  /' "$work/skips"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
