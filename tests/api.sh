#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests copatch.h as others use it: its header, its manual, the installed files, and what is patched when.
#
# usage: tests/api.sh
# environment: BUILD  the build folder (default build)

set -u

top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${BUILD:-build}" 2>/dev/null && pwd) || {
	echo "not ok - api # no build folder ${BUILD:-build}"
	exit 1
}
library=$build/libcopatch.so
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 2
for variable in ${!COPATCH_@}; do
	unset "$variable"
done
unset LD_PRELOAD LD_LIBRARY_PATH MAKEFLAGS MAKELEVEL MFLAGS
suite=api
# shellcheck source=tests/same.sh
. "$top/tests/same.sh"

header_tests() {
	local compiler standard language

	printf '#include <copatch.h>\n#include <copatch.h>\nint main() { return copatch_self() != 0; }\n' >use
	for compiler in gcc clang g++ clang++; do
		if ! command -v $compiler >/dev/null; then
			echo "ok - api/header ($compiler) # SKIP no $compiler"
			continue
		fi
		case $compiler in
		*++) language=c++ standard='c++11 c++17 c++20' ;;
		*) language=c standard='c99 c11 gnu17' ;;
		esac
		for standard in $standard; do
			same "header ($compiler $standard)" "0 " "$($compiler -x $language -std=$standard -Wall \
				-Wextra -Wpedantic -Wconversion -Werror -I"$top/shim" -fsyntax-only use 2>&1 >out
				echo "$? $(cat out)")"
		done
	done
}

# The functions that the library has, that the header has, and that the manual has a section for.
names_tests() {
	local exported

	exported=$(nm -D --defined-only "$library" | sed -n 's/.* T \(copatch_.*\)/\1/p' | sort)
	same some-functions 1 "$(($(wc -l <<<"$exported") > 30))"
	same header-functions "$exported" \
		"$(gcc -E -P -I"$top/shim" -x c use | grep -o 'copatch_[a-z_]*(' | tr -d '(' | sort -u)"
	same manual-sections "$exported" "$(sed -n 's/^\.Ss \(copatch_\)/\1/p' "$top/shim/copatch.3" | sort)"
	same manual-synopses "$exported" \
		"$(sed -n 's/^\.F[no] \(copatch_[a-z_]*[a-z]\)\( .*\)*$/\1/p' "$top/shim/copatch.3" |
			sort -u)"
	same manual 0 "$(man --warnings -l "$top/shim/copatch.3" 2>&1 >/dev/null | wc -l)"
}

# The example of the manual, built as it says, against what is installed.
installed_tests() {
	local squares

	squares=$(for i in $(seq 0 9); do echo $((i * i)); done)
	make -s -C "$top" install BUILD="$build" PREFIX="$work/prefix" >/dev/null
	{
		printf '#include <copatch.h>\n#include <stdio.h>\n'
		sed -n '/^.Bd/,/^.Ed/ { /^\./d; s/\\e/\\/; p }' "$top/shim/copatch.3"
	} >example.c
	export PKG_CONFIG_PATH=$work/prefix/share/pkgconfig
	# shellcheck disable=SC2046 # a list of options
	gcc -Wall -Werror example.c -o example $(pkg-config --cflags --libs copatch) 2>&1
	same pkg-config 0 $?
	same pkg-config-version "$(sed -n 's/^VERSION := //p' "$top/Makefile")" "$(pkg-config --modversion copatch)"
	same example "$squares" "$(timeout -s KILL 60 ./example)"
	same example-under-copatch "$squares" "$(timeout -s KILL 60 "$work/prefix/bin/copatch" run ./example)"
	# one library, although it is preloaded by another name than it is needed by
	same loaded-once 1 "$(LD_TRACE_LOADED_OBJECTS=1 LD_PRELOAD=$work/prefix/lib/copatch/libcopatch.so ./example |
		grep -c libcopatch)"
	unset PKG_CONFIG_PATH
}

# Says what copatch_patch_all has made of it, and whether a thread is the kernel's before and after.
probe() {
	cat <<-'END'
		#include <pthread.h>
		#include <semaphore.h>
		#include <stdio.h>
		#include <string.h>
		#include <unistd.h>
		#ifdef LINKED
		#include <copatch.h>
		#else
		#include <dlfcn.h>
		#endif

		static sem_t counted;

		static void *sleeps(void *arg)
		{
			sem_wait(&counted);
			return arg;
		}

		static int threads(void)
		{
			FILE *f = fopen("/proc/self/status", "r");
			char line[256];
			int n = 0;

			while (fgets(line, sizeof(line), f))
				sscanf(line, "Threads: %d", &n);
			fclose(f);
			return n;
		}

		static const char *look(void)
		{
			int before = threads(), after;
			pthread_t thread;

			pthread_create(&thread, NULL, sleeps, NULL);
			after = threads();
			sem_post(&counted);
			pthread_join(thread, NULL);
			return after > before ? "native" : "patched";
		}

		int main(int argc, char **argv)
		{
			const char *before;

		#ifndef LINKED
			if (argc > 1)
				dlopen(argv[1], RTLD_NOW);
			puts(look());
		#else
			(void)argv;
			before = look();
			printf("%s %d", before, argc > 1 ? 0 : copatch_patch_all());
			printf(" %s\n", look());
		#endif
			return 0;
		}
	END
}

runs() {
	timeout -s KILL 60 env "$@" 2>err
}

patching_tests() {
	local alone='native 0 patched' already='patched 0 patched'

	probe >probe.c
	gcc -Wall -DLINKED probe.c -o linked -I"$top/shim" -L"$build" -lcopatch -Wl,-rpath,"$build" &&
		gcc -w probe.c -o plain -ldl
	same builds 0 $?
	mkdir sub
	ln -s "$library" sub/other-name.so
	same linked "$alone" "$(runs ./linked)"
	same linked-says-nothing "0" "$(wc -c <err)"
	same linked-unasked 'native 0 native' "$(runs ./linked no)"
	same preloaded "$already" "$(runs LD_PRELOAD="$library" ./linked)"
	same preloaded-by-a-link "$already" "$(runs LD_PRELOAD="$work/sub/other-name.so" ./linked)"
	same preloaded-among-others "$already" \
		"$(runs LD_PRELOAD="libm.so.6:$library libdl.so.2" ./linked)"
	same preloaded-by-name "$already" \
		"$(runs LD_LIBRARY_PATH="$build" LD_PRELOAD=libcopatch.so ./linked)"
	same preloaded-another "$alone" "$(runs LD_PRELOAD=libm.so.6 ./linked)"
	same preloaded-by-ld.so patched \
		"$(runs /lib64/ld-linux-x86-64.so.2 --preload "$library" ./plain)"
	same preloaded-into-others patched "$(runs LD_PRELOAD="$library" ./plain)"
	same opened-by-dlopen native "$(runs ./plain "$library")"
	same not-there native "$(runs ./plain)"
	same copatch-run "$already" "$(runs "$build/copatch" run ./linked)"
	# its variables are looked at when it begins, and the program goes on
	same bad-variable 'native -22 native' "$(runs COPATCH_SLICE=x ./linked)"
	same bad-variable-told 1 "$(grep -c '^copatch: bad environment variable COPATCH_SLICE' err)"
	same bad-variable-unasked 'native 0 native' "$(runs COPATCH_SLICE=x ./linked no)"
	same stats 1 "$(runs COPATCH_STATS=1 ./linked >/dev/null; grep -c '^copatch: .*threads' err)"
}

# In a program that is not patched the front door hands its calls to libc: a read can be cancelled.
unpatched_tests() {
	cat >cancel.c <<-'END'
		#include <copatch.h>
		#include <pthread.h>
		#include <stdio.h>
		#include <unistd.h>

		static void *reads(void *arg)
		{
			char byte;

			return read(*(int *)arg, &byte, 1) ? arg : NULL;
		}

		int main(void)
		{
			int ends[2];
			pthread_t thread;
			void *result;

			if (pipe(ends) || !copatch_greenlet_current())
				return 1;
			pthread_create(&thread, NULL, reads, ends);
			usleep(100000);
			pthread_cancel(thread);
			pthread_join(thread, &result);
			puts(result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
		}
	END
	gcc -Wall cancel.c -o cancel -I"$top/shim" -L"$build" -lcopatch -Wl,-rpath,"$build"
	same unpatched-cancel cancelled "$(runs ./cancel)"
	same patched-cancel cancelled "$(runs LD_PRELOAD="$library" ./cancel)"
}

header_tests
names_tests
installed_tests
patching_tests
unpatched_tests
[ "$failures" -eq 0 ]
