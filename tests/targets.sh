#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs every program of tests/targets natively and under copatch, and compares what they did.
#
# usage: tests/targets.sh [--loop N] [-j N] [--only PATTERN] [--native-only] [--long]
# --long: only those with a comment "LONG: ROUNDS SECONDS", with that many rounds and that limit
# environment: BUILD  the build folder (default build)

set -u

usage() {
	echo "usage: $0 [--loop N] [-j N] [--only PATTERN] [--native-only] [--long]" >&2
	exit 2
}

loops=1 jobs=2 only='*' native_only=0 long=0
while [ $# -gt 0 ]; do
	case $1 in
	--loop) [ $# -ge 2 ] || usage; loops=$2; shift 2 ;;
	-j) [ $# -ge 2 ] || usage; jobs=$2; shift 2 ;;
	--only) [ $# -ge 2 ] || usage; only=$2; shift 2 ;;
	--native-only) native_only=1; shift ;;
	--long) long=1; shift ;;
	*) usage ;;
	esac
done
for number in "$loops" "$jobs"; do
	case $number in '' | *[!0-9]* | 0) usage ;; esac
done

sources=$(cd "$(dirname "$0")" && pwd)/targets
build=$(cd "${BUILD:-build}" 2>/dev/null && pwd) || {
	echo "not ok - targets # no build folder ${BUILD:-build}"
	exit 1
}
library=$build/libcopatch.so
preload=$library${LD_PRELOAD:+:$LD_PRELOAD}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# a program that dies of a signal on purpose must not leave a core
ulimit -c 0

# words_of NAME WORD: what a program's comment "WORD: ..." says
words_of() {
	sed -n "s|^/\\* $2: \\([0-9 ]*\\) \\*/.*|\\1|p" "$sources/$1.c" "$sources/$1.cpp" 2>/dev/null |
		head -n 1
}

limit_of() {
	local limit

	if [ "$long" -eq 1 ]; then
		limit=$(words_of "$1" LONG)
		limit=${limit#* }
	else
		limit=$(words_of "$1" TIMEOUT)
	fi
	echo "${limit:-20}"
}

# run NAME RESULT-PREFIX LIMIT [ENVIRONMENT...]
# Leaves PREFIX.out, PREFIX.err and PREFIX.status, and removes the program's folder.
run() {
	local name=$1 prefix=$2 limit=$3 folder status began=$SECONDS

	shift 3
	folder=$(mktemp -d "$work/run.XXXXXX")
	# the braces swallow bash's own line on a child that was killed
	{
		(cd "$folder" && exec timeout -s KILL "$limit" env TMPDIR="$folder" "$@" \
			"$build/tests/targets/$name" >"$prefix.out" 2>"$prefix.err" </dev/null)
		status=$?
	} 2>/dev/null
	rm -rf "$folder"
	if [ "$status" -eq 137 ] && [ $((SECONDS - began)) -ge "$limit" ]; then
		status="none, killed after $limit s"
	elif [ "$status" -gt 128 ]; then
		status="$status (signal $(kill -l $((status - 128))))"
	fi
	echo "$status" >"$prefix.status"
}

details() {
	local native=$1 under=$2

	if ! cmp -s "$native.status" "$under.status"; then
		echo "# exit status natively: $(cat "$native.status")"
		echo "# exit status under copatch: $(cat "$under.status")"
	fi
	diff --label native --label copatch -U 1 -a "$native.out" "$under.out" |
		tail -n +3 | head -n 16 | cut -c 1-160 | sed 's/^/# /'
	tail -n 6 "$under.err" | cut -c 1-300 | sed 's/^/# stderr: /'
}

same() {
	cmp -s "$1.out" "$2.out" && cmp -s "$1.status" "$2.status"
}

# status 1 is a failed check: then there is nothing to compare with
failed_natively() {
	[ "$(cat "$1.native.status")" = 1 ] || grep -q ': NO$' "$1.native.out" ||
		grep -q '^none' "$1.native.status"
}

test_one() {
	local name=$1 base=$work/$1 limit round rounds shown=$1

	limit=$(limit_of "$name")
	if [ "$long" -eq 1 ]; then
		rounds=$(words_of "$name" LONG)
		export T_ROUNDS=${rounds% *}
		shown="$name, $T_ROUNDS rounds"
	fi
	# a busy machine may be too late for the native run, which is no fault of copatch's
	for round in 1 2 3; do
		run "$name" "$base.native" "$limit"
		failed_natively "$base" || break
	done
	if [ "$(cat "$base.native.status")" = 77 ]; then
		echo "ok - $shown # SKIP $(tail -n 1 "$base.native.out")"
		return
	fi
	if failed_natively "$base"; then
		echo "not ok - $shown # fails natively, status $(cat "$base.native.status")"
		grep ': NO$' "$base.native.out" | head -n 8 | sed 's/^/# /'
		tail -n 6 "$base.native.err" | sed 's/^/# stderr: /'
		return
	fi
	if [ "$native_only" -eq 1 ]; then
		echo "ok - $shown"
		return
	fi
	for ((round = 1; round <= loops; round++)); do
		run "$name" "$base.copatch" "$limit" "LD_PRELOAD=$preload"
		if ! same "$base.native" "$base.copatch"; then
			echo "not ok - $shown # differs under copatch (round $round of $loops)"
			details "$base.native" "$base.copatch"
			return
		fi
	done
	echo "ok - $shown"
}

names=()
for program in "$build"/tests/targets/*; do
	name=${program##*/}
	# shellcheck disable=SC2254 # the option is a pattern
	case $name in *.* | must_fail) continue ;; $only) ;; *) continue ;; esac
	[ "$long" -eq 0 ] || [ -n "$(words_of "$name" LONG)" ] || continue
	[ -f "$program" ] && [ -x "$program" ] && names+=("$name")
done

status=0
if [ ${#names[@]} -eq 0 ]; then
	echo "not ok - targets # no program matches in $build/tests/targets"
	exit 1
fi
if [ "$native_only" -eq 0 ] && [ ! -e "$library" ]; then
	echo "not ok - targets # $library is missing"
	exit 1
fi

# must_fail looks whether the library is mapped: a preload that ld.so ignored would make every
# program below pass, and is caught here
if [ "$native_only" -eq 0 ] && [ "$long" -eq 0 ]; then
	saved=$loops
	loops=1
	if test_one must_fail | grep -q '^not ok - must_fail # differs'; then
		echo "ok - runner notices a difference"
	else
		echo "not ok - runner notices a difference # must_fail was not reported"
		status=1
	fi
	loops=$saved
fi

printed=0
print_finished() {
	while [ "$printed" -lt "$started" ] && [ -e "$work/${names[printed]}.result" ]; do
		cat "$work/${names[printed]}.result"
		printed=$((printed + 1))
	done
}

started=0
for name in "${names[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	(
		test_one "$name" >"$work/$name.partial"
		mv "$work/$name.partial" "$work/$name.result"
	) &
	started=$((started + 1))
	print_finished
done
wait
print_finished
if [ "$printed" -lt "$started" ]; then
	echo "not ok - targets # only $printed of $started programs gave a result"
	status=1
fi
if grep -q '^not ok' "$work"/*.result; then
	status=1
fi
exit $status
