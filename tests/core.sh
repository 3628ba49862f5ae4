#!/bin/bash
# SPDX-License-Identifier: MIT
# What runs behind a door calls nothing of libc's: its objects ask no other library for anything.
#
# usage: tests/core.sh
# environment: BUILD  the build folder (default build)

set -u

build=${BUILD:-build}
status=0
outside=$(nm -D --undefined-only "$build/libcopatch.so" | awk '{ sub(/@.*/, "", $2); print $2 }')
if [ -z "$outside" ]; then
	echo "not ok - core # nothing is known of $build/libcopatch.so"
	exit 1
fi
for object in "$build"/scheduler/*.o "$build"/shim/*.o; do
	name=${object#"$build"/}
	case $name in
	# ordinary C: start-up, and the program's side of the front door
	shim/init.o | shim/preloaded.o | shim/interpose.o) continue ;;
	# at start-up only: libev, Zydis, the size of a signal frame
	scheduler/libev.o | shim/patch_decode.o) allowed='dlmopen dlinfo dlsym' ;;
	shim/trap.o) allowed=getauxval ;;
	*) allowed= ;;
	esac
	calls=$(nm --undefined-only "$object" | awk '{ print $2 }' |
		grep -Fx "$outside" | grep -vFx "${allowed// /$'\n'}" | tr '\n' ' ')
	if [ -n "$calls" ]; then
		echo "not ok - core/$name # calls ${calls% }"
		status=1
	fi
done
[ "$status" -ne 0 ] || echo "ok - core/calls-nothing-of-libc"
exit $status
