#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests copatch doctor: what it says against what ld.so, objdump and nm say, and its verdicts.
#
# usage: tests/doctor.sh
# environment: BUILD  the folder with copatch and libcopatch.so (default build)

set -u

tests=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${BUILD:-build}" 2>/dev/null && pwd) || {
	echo "not ok - doctor # no build folder ${BUILD:-build}"
	exit 1
}
copatch=$build/copatch
loader=/lib64/ld-linux-x86-64.so.2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 2
ulimit -c 0
unset LD_PRELOAD LD_LIBRARY_PATH
suite=doctor
# shellcheck source=tests/same.sh
. "$tests/same.sh"

# Runs the doctor on the arguments; leaves out, err and status.
see() {
	timeout -s KILL 60 "$copatch" doctor "$@" >out 2>err </dev/null
	status=$?
}

see_as_another() {
	setpriv --reuid=65534 --regid=65534 --clear-groups beside/copatch doctor "$1" >out 2>err
	status=$?
}

# says NAME STATUS PATTERN: the last line, of which there is one of its kind.
says() {
	local count

	count=$(grep -cE '^(runs$|runs, with these limits: |cannot run, because )' out)
	if [ "$status $count" = "$2 1" ] && tail -n 1 out | grep -Eq -- "^$3\$" && ! [ -s err ]; then
		echo "ok - doctor/$1"
	else
		echo "not ok - doctor/$1 # status $status, $count verdicts: $(tail -n 1 out) $(cat err)"
		failures=$((failures + 1))
	fi
}

# refuses NAME PATTERN ARGUMENT...: one line and 125.
refuses() {
	see "${@:3}"
	same "$1" "125 1 0" "$status $(grep -Ec "^copatch: .*$2" err) $(wc -c <out)"
}

# The libraries that the report names, and those that the loader lists.
named() {
	sed -n '/^the program/,/^the doors/s|^                \([^,]*\).*|\1|p' out |
		xargs -r -d '\n' realpath | sort
}

listed() {
	"$loader" --list "$1" | sed -n -e '/vdso/d' -e 's|^\t\(.* => \)\?\(.*\) (.*|\2|p' |
		xargs -r -d '\n' realpath | sort
}

# fact NAME: what stands behind it.
fact() {
	sed -n "s/^  $1 *//p" out
}

usage_tests() {
	refuses unknown-option "unknown option '--nonsense'" --nonsense
	refuses two-programs 'one program' true false
	see
	says machine 0 'runs'
	same machine-kernel "$(uname -sr), Syscall User Dispatch works" "$(fact kernel)"
	same machine-libc "$(getconf GNU_LIBC_VERSION)" "$(fact libc)"
	same machine-library "$build/libcopatch.so" "$(fact copatch)"
	same machine-files "$(ulimit -Sn), at most $(ulimit -Hn) (RLIMIT_NOFILE)" \
		"$(fact 'open files' | sed 's/no limit/unlimited/g')"
	same machine-mappings "$(cat /proc/sys/vm/max_map_count) (vm.max_map_count)" \
		"$(fact mappings | sed 's/:.*//')"
	if [ -e /dev/full ]; then
		"$copatch" doctor true >/dev/full 2>err
		same full-disk "125 copatch: cannot write to stdout" "$? $(cat err)"
	fi
	"$copatch" --help >out
	same help 1 "$(grep -c '^usage: copatch doctor' out)"
}

machine_tests() {
	mkdir bad
	echo text >bad/libev.so.4
	LD_LIBRARY_PATH=$work/bad see true
	says no-libev 125 'cannot run, because libev.so.4 is missing: install libev4'
	mv bad/libev.so.4 bad/libZydis.so.4.0
	if [ -e "/usr/lib/x86_64-linux-gnu/libZydis.so.4.0" ]; then
		LD_LIBRARY_PATH=$work/bad see true
		says no-zydis 0 'runs, with these limits: the side door stays shut.*'
		same no-zydis-side shut "$(fact side)"
	fi
	mkdir alone
	cp "$copatch" alone
	alone/copatch doctor true >out 2>err
	same no-library '125 1 cannot run, because libcopatch.so cannot be used' \
		"$? $(wc -l <err) $(tail -n 1 out)"
	if "${CC:-cc}" "$tests/nodispatch.c" -o nodispatch 2>/dev/null &&
		./nodispatch 22 true >/dev/null; then
		./nodispatch 22 "$copatch" doctor true >out 2>err
		status=$?
		says no-dispatch 0 'runs, with these limits: without copatch, natively.*5.11 or newer.*'
		./nodispatch 1 "$copatch" doctor true >out 2>err
		status=$?
		says dispatch-refused 0 'runs, with these limits: without copatch, natively.*refused.*'
	else
		echo "ok - doctor/no-dispatch # SKIP no seccomp"
	fi
	timeout -s KILL 60 "$copatch" run "$copatch" doctor true >out 2>err
	status=$?
	says under-copatch 0 runs
}

# Real programs: what ld.so would load.
library_tests() {
	local wrong=0 seen=0 program

	for program in $(command -v stunnel4 memcached curl openssl rg xz zstd sort ps wrk man \
		/usr/bin/python3 microsocks tinyproxy bash make gcc ld perl); do
		see "$program"
		seen=$((seen + 1))
		if [ "$status" -ne 0 ] || [ "$(named)" != "$(listed "$program")" ]; then
			echo "# $program: $status"
			diff <(named) <(listed "$program") | sed 's/^/# /'
			wrong=$((wrong + 1))
		fi
	done
	[ "$seen" -ge 8 ] || wrong="$wrong, and only $seen programs are there"
	same libraries-of-real-programs 0 "$wrong"
}

# A program that needs liba, which needs libb, in folders that the options name.
make_chain() {
	mkdir -p "$1/x" "$1/y"
	echo 'int b(void) { return 0; }' | cc -x c - -shared -fPIC -o "$1/y/libb.so"
	# shellcheck disable=SC2086
	echo 'int b(void); int a(void) { return b(); }' |
		cc -x c - -shared -fPIC -L"$1/y" -lb -o "$1/x/liba.so" ${3-}
	# shellcheck disable=SC2086
	echo 'int a(void); int main(void) { return a(); }' |
		cc -x c - -o "$1/prog" -L"$1/x" -la -Wl,-rpath-link,"$1/y" $2
}

search_tests() {
	local old=-Wl,--disable-new-dtags new=-Wl,--enable-new-dtags origin="-Wl,-rpath,\$ORIGIN"

	make_chain runpath "$new $origin/x" "$new $origin/../y"
	see runpath/prog
	same search-runpath "$(listed runpath/prog)" "$(named)"
	make_chain rpath "$old $origin/x:$work/rpath/y" ''
	see rpath/prog
	same search-rpath-of-who-asks-first "$(listed rpath/prog)" "$(named)"
	# the newer kind does not hold for libraries of libraries
	make_chain newer "$new $origin/x:$work/newer/y" ''
	see newer/prog
	says search-not-found 127 \
		'cannot run, because libb.so, which .*/newer/x/liba.so needs, is not found: .*'
	timeout -s KILL 60 "$copatch" run newer/prog >/dev/null 2>&1
	same search-not-found-as-run 127 $?
	export LD_LIBRARY_PATH=nowhere:newer/y
	see newer/prog
	same search-environment "$(listed newer/prog)" "$(named)"
	unset LD_LIBRARY_PATH
	make_chain braces "$new -Wl,-rpath,\${ORIGIN}/x" "$new $origin/../y"
	see braces/prog
	same search-braces "$(listed braces/prog)" "$(named)"
	make_chain slash "" ""
	echo 'int main(void) { return 0; }' |
		cc -x c - -o slash/direct -x none -Wl,--no-as-needed slash/y/libb.so
	see slash/direct
	same search-with-a-slash "$(listed slash/direct)" "$(named)"
}

text_tests() {
	local count

	cat >own.c <<-'END'
		#include <unistd.h>

		int main(void)
		{
			long r = 39;
			/* the same bytes inside of an instruction are none */
			__asm__ volatile("mov $0x050f050f, %%ecx\n\tsyscall\n\tmov $39, %%eax\n\tsyscall"
				: "+a"(r) : : "rcx", "r11", "memory");
			sleep(0);
			return (int)read(0, &r, 0);
		}
	END
	cc -O1 own.c -o own
	see ./own
	same own-system-calls "$work/own, system calls: 2" "$(fact file)"
	same own-elsewhere '2 of 2 system calls elsewhere' "$(grep -o '2 of 2 .*' out)"
	same front-of-it-and-libc 'read, sleep' \
		"$(fact front | sed 's/.*: //' | tr -d ' ' | tr , '\n' | grep -xE 'read|sleep|fork' |
			paste -sd, | sed 's/,/, /')"
	cc -O2 -D_FORTIFY_SOURCE=2 -x c - -o fortified <<-'END'
		#include <unistd.h>
		char b[64];
		int main(int c, char **v) { (void)v; return (int)read(0, b, c - 1); }
	END
	see ./fortified
	same front-checked "$(nm -D fortified | grep -c -e __read_chk -e ' read@')" \
		"$(fact front | grep -cw read)"
	count=$(objdump -d /lib/x86_64-linux-gnu/libc.so.6 | grep -cE '	syscall *$')
	same libc-system-calls "$count" "$(sed -n 's/.*libc.so.6, system calls: //p' out)"
	if ldconfig -p | grep -q libgomp.so.1; then
		echo 'int main(void) { return 0; }' |
			cc -x c - -o openmp -Wl,--no-as-needed -l:libgomp.so.1
		see ./openmp
		count=$(objdump -d "$(named | grep libgomp)" | grep -cE '	syscall *$')
		same libgomp-system-calls "$count" \
			"$(sed -n 's/.*libgomp.so.1, system calls: //p' out)"
	fi
	cat >go.s <<-'END'
		.section .note.go.buildid, "a", @note
		.long 4, 4, 4
		.asciz "Go\0"
		.long 0
		.section .note.GNU-stack, "", @progbits
	END
	echo 'int main(void) { return 0; }' >empty.c
	cc empty.c go.s -o go
	see ./go
	says go 0 "runs, with these limits: Go's runtime .*"
	if cc -static empty.c go.s -o go_static 2>/dev/null; then
		see ./go_static
		says go-static 126 'cannot run, because .*go_static: statically linked.*'
		same go-static-seen yes "$(fact Go)"
	fi
	echo 'int io_uring_submit(void) { return 0; }' |
		cc -x c - -shared -fPIC -o librings.so -Wl,-soname,librings.so
	echo 'int io_uring_submit(void); int main(void) { return io_uring_submit(); }' |
		cc -x c - -o uring "-Wl,-rpath,$work" -L. -lrings
	see ./uring
	same io_uring 1 "$(fact io_uring | grep -c '^yes')"
	# known by their names alone
	echo 'int named(void) { return 0; }' |
		cc -x c - -shared -fPIC -o liburing.so.2 -Wl,-soname,liburing.so.2
	cc empty.c -o named -Wl,--no-as-needed ./liburing.so.2 "-Wl,-rpath,$work"
	see ./named
	same io_uring-by-its-library 1 "$(fact io_uring | grep -c '^yes')"
	echo 'int named(void) { return 0; }' |
		cc -x c - -shared -fPIC -o libasan.so.8 -Wl,-soname,libasan.so.8
	cc empty.c -o checked -Wl,--no-as-needed ./libasan.so.8 "-Wl,-rpath,$work"
	see ./checked
	says sanitizer 0 'runs, with these limits: LeakSanitizer reports .*'
	cc -x c - -o tracer <<-'END'
		#include <sys/ptrace.h>
		int main(void) { return (int)ptrace(PTRACE_DETACH, 0, 0, 0); }
	END
	see ./tracer
	says tracer 0 'runs, with these limits: it can trace.*'
	see true
	says plain 0 runs
	same plain-go no "$(fact Go)"
}

# function_of NAME INSTRUCTION...: with what the unwinder knows of it
function_of() {
	printf '.type %s, @function\n%s: .cfi_startproc\n' "$1" "$1"
	printf '%s\n' "${@:2}"
	printf '.cfi_endproc\n.size %s, . - %s\n' "$1" "$1"
}

# A jump out of it takes five bytes, none of them where somebody jumps to.
movable_tests() {
	local short='push $39; pop %rax'

	{
		echo .text
		function_of goes_before 'mov $39, %eax' syscall ret
		function_of goes_behind "$short" syscall 'mov $1, %ecx' ret
		function_of stays_short "$short" syscall ret
		function_of stays_reached "$short" syscall '1: mov $1, %ecx' 'jz 1b' ret
		function_of stays_unknown "$short" syscall 'mov $1, %ecx' 'jmp *%rcx'
		echo '.section .note.GNU-stack, "", @progbits'
	} >sites.s
	cc empty.c sites.s -o sites
	see ./sites
	same movable '2 of 5 system calls elsewhere' "$(grep -o '[0-9]* of .* elsewhere' out)"
}

# The same words and the same status as copatch run has.
verdict_tests() {
	local program want

	printf '#!/no/such/thing\n' >broken
	printf '\0\1\2' >garbage
	printf '#!%s/own\n' "$work" >script
	head -c 200 own >piece
	echo text >text
	chmod +x broken garbage piece script
	mkfifo fifo
	chmod +x fifo
	for program in nosuchprogram ./nosuch ./broken ./garbage ./piece ./text ./fifo / \
		/lib/x86_64-linux-gnu/libm.so.6 '' $'a\e]0;b\n'; do
		want="$("$copatch" run "$program" 2>&1 >/dev/null | sed 's/^copatch: //')"
		"$copatch" run "$program" >/dev/null 2>&1
		want="$? cannot run, because $want"
		see "$program"
		same "as-run (${program//[^a-zA-Z.\/]/})" "$want" "$status $(tail -n 1 out)"
	done
	see ./script
	same script "./script, run by the file below" "$(fact script)"
	same script-interpreter "$work/own" "$(fact file | sed 's/,.*//')"
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
		# the build folder may be where nobody else may look
		chmod 755 .
		mkdir beside
		cp "$copatch" "$build/libcopatch.so" beside
		cp own setuid
		chmod 4755 setuid
		see_as_another ./setuid
		if [ -u setuid ] && ! findmnt -n -o OPTIONS -T . | grep -q nosuid; then
			says setuid 126 'cannot run, because ./setuid: setuid, .*'
		fi
		cp own unreadable
		chmod 711 unreadable
		see_as_another ./unreadable
		says unreadable 0 'runs, with these limits: .*unreadable could not be looked at: .*'
	fi
}

# Bytes of every kind: a verdict, and no signal.
hostile_tests() {
	local size wrong=0 i

	size=$(wc -c <own)
	for i in $(seq 1 40); do
		head -c $((size * i / 40 - 1)) own >hostile
		chmod +x hostile
		see ./hostile
		case $status in 0 | 126 | 127) ;; *) wrong=$((wrong + 1)) ;; esac
	done
	same hostile-cut 0 "$wrong"
	for i in $(seq 1 60); do
		cp own hostile
		# the headers, and the dynamic section further down
		for at in $((16 + i)) $((64 + i * 13 % 700)) $((size - 1 - i * 97 % 8000)); do
			printf '\377' | dd of=hostile bs=1 seek="$at" conv=notrunc status=none
		done
		see ./hostile
		case $status in 0 | 126 | 127) ;; *) wrong=$((wrong + 1)) ;; esac
	done
	same hostile-bytes 0 "$wrong"
	# a name that a terminal would obey
	echo 'int b(void) { return 0; }' | cc -x c - -shared -fPIC -o libb.so -Wl,-soname,$'evil\e[2J'
	cc empty.c -o obeys -Wl,--no-as-needed ./libb.so
	see ./obeys
	same hostile-name "127 0" "$status $(grep -c $'\e' out)"
}

usage_tests
machine_tests
library_tests
search_tests
text_tests
movable_tests
verdict_tests
hostile_tests
[ "$failures" -eq 0 ]
