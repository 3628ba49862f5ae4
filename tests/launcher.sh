#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests the copatch command: what it refuses and in which words, what it passes on, exit statuses.
#
# usage: tests/launcher.sh
# environment: BUILD  the folder with copatch and libcopatch.so (default build)

set -u

tests=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${BUILD:-build}" 2>/dev/null && pwd) || {
	echo "not ok - launcher # no build folder ${BUILD:-build}"
	exit 1
}
copatch=$build/copatch
library=$build/libcopatch.so
for file in "$copatch" "$library"; do
	if [ ! -e "$file" ]; then
		echo "not ok - launcher # $file is missing"
		exit 1
	fi
done
work=$(mktemp -d) || exit 2
# other users run the samples too
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 2
ulimit -c 0
for variable in ${!COPATCH_@}; do
	unset "$variable"
done
unset LD_PRELOAD
suite=launcher
# shellcheck source=tests/same.sh
. "$tests/same.sh"

pass() {
	echo "ok - launcher/$1"
}

fail() {
	echo "not ok - launcher/$1 # $2"
	failures=$((failures + 1))
}

skip() {
	echo "ok - launcher/$1 # SKIP $2"
}

# Runs COMMAND, which leaves out, err and status.
try() {
	"$@" >out 2>err </dev/null
	status=$?
}

# refuses NAME STATUS PATTERN COMMAND...: one line of copatch's on stderr and nothing else.
refuses() {
	local name=$1 expected=$2 pattern=$3

	shift 3
	try "$@"
	if [ "$status" -ne "$expected" ]; then
		fail "$name" "status $status and not $expected: $(head -n 1 err)"
	elif [ -s out ]; then
		fail "$name" "printed on stdout: $(head -n 1 out)"
	elif [ "$(wc -l <err)" -ne 1 ] || ! grep -q '^copatch: ' err; then
		fail "$name" "stderr is not one line of copatch's: $(head -n 3 err | tr '\n' '|')"
	elif ! grep -Eq -- "$pattern" err; then
		fail "$name" "no '$pattern' in: $(cat err)"
	else
		pass "$name"
	fi
}

# runs NAME EXPECTED COMMAND...: status 0, EXPECTED on stdout, nothing on stderr.
runs() {
	local name=$1 expected=$2

	shift 2
	try "$@"
	if [ "$status" -ne 0 ] || [ -s err ]; then
		fail "$name" "status $status, stderr: $(head -n 2 err | tr '\n' '|')"
	else
		same "$name" "$expected" "$(cat out)"
	fi
}

# compile FILE [OPTION...]: the smallest program. Says whether it could.
compile() {
	local file=$1

	shift
	echo 'int main(void) { return 0; }' |
		"${CC:-cc}" -x c - -o "$file" "$@" 2>/dev/null
}

# elf_header FILE CLASS DATA MACHINE-BYTES: 64 bytes of a header.
elf_header() {
	# shellcheck disable=SC2059 # the bytes are escapes
	{
		printf "\177ELF\\$2\\$3\\1\0\0\0\0\0\0\0\0\0\2\0$4\1\0\0\0"
		head -c 40 /dev/zero
	} >"$1"
	chmod +x "$1"
}

# script FILE LINE...
script() {
	local file=$1

	shift
	printf '%s\n' "$@" >"$file"
	chmod +x "$file"
}

as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

usage_tests() {
	runs version-prints 'copatch ' sh -c "'$copatch' --version | grep -o '^copatch '"
	for command in --help -h 'run --help' 'run -h'; do
		# shellcheck disable=SC2086 # the words of the command
		try "$copatch" $command
		if [ "$status" -eq 0 ] && grep -q 'copatch run \[options\]' out &&
			grep -q -- '--stats.*COPATCH_STATS' out && grep -q -- '--log' out &&
			! [ -s err ]; then
			pass "help (${command})"
		else
			fail "help (${command})" "status $status: $(head -n 1 out)"
		fi
	done
	for command in 'ps 1 --help' 'top -h' 'doctor true -h' 'report --help' 'run --stats --help'; do
		# shellcheck disable=SC2086 # the words of the command
		try "$copatch" $command
		same "help ($command)" "0 0 usage: copatch run [options] [--] PROGRAM [ARG...]" \
			"$status $(wc -c <err) $(grep '^usage' out | head -n 1)"
	done
	# all that there is can be found from here
	for word in run doctor ps top report --json -o --stats --slice --no-preempt --helpers --block-warn \
		--trace --trace-size --seed --no-patch --deadlock-abort --log 'info coroutines' \
		'coroutine ID bt' 'coroutine apply all bt' copatch.h LD_PRELOAD deadlock; do
		same "help-tells ($word)" yes \
			"$("$copatch" --help | grep -qw -e "$word" && echo yes)"
	done
	# shellcheck disable=SC2016 # the inner shell's own
	runs help-of-the-program --help "$copatch" run sh -c 'echo "$0"' --help
	refuses version-takes-nothing 125 "'x' is one too many" "$copatch" --version x
	refuses no-command 125 'no command given' "$copatch"
	refuses unknown-command 125 "unknown command 'ls'.*copatch run ls" "$copatch" ls
	refuses unknown-global-option 125 "unknown option '--nonsense'" "$copatch" --nonsense
	refuses no-program 125 'no program given' "$copatch" run
	refuses no-program-after-options 125 'no program given' "$copatch" run --stats --
	if [ -e /dev/full ]; then
		try sh -c "'$copatch' --help >/dev/full"
		same help-to-a-full-disk "125 copatch: cannot write to stdout" "$status $(cat err)"
	else
		skip help-to-a-full-disk "no /dev/full"
	fi
}

option_tests() {
	local variable=COPATCH_STATS

	refuses unknown-option 125 "unknown option '--nonsense'.*--help" \
		"$copatch" run --nonsense true
	refuses unknown-short-option 125 "unknown option '-s'" "$copatch" run -s true
	refuses abbreviated-option 125 "unknown option '--stat'" "$copatch" run --stat true
	refuses flag-with-value 125 '--stats takes no value' "$copatch" run --stats=1 true
	refuses log-without-value 125 '--log needs a value: one of error\|warn\|debug' \
		"$copatch" run --log
	refuses trace-without-value 125 '--trace needs a value: the name of a file' \
		"$copatch" run --trace
	refuses trace-empty-value 125 "--trace cannot be '': give the name of a file" \
		"$copatch" run --trace= true
	refuses log-bad-value 125 "--log cannot be 'loud'.*error\\|warn\\|debug" \
		"$copatch" run --log loud true
	refuses log-empty-value 125 "--log cannot be ''" "$copatch" run --log= true
	refuses unknown-variable 125 'unknown variable COPATCH_STAT: unset it.*COPATCH_STATS' \
		env COPATCH_STAT=1 "$copatch" run true
	refuses bad-flag-variable 125 "COPATCH_STATS cannot be 'yes'.*0\\|1" \
		env COPATCH_STATS=yes "$copatch" run true
	refuses bad-word-variable 125 "COPATCH_LOG cannot be 'loud'.*error\\|warn\\|debug" \
		env COPATCH_LOG=loud "$copatch" run true
	runs empty-variable '' env COPATCH_LOG= "$copatch" run true
	runs other-variable '' env COPATCHED=1 "$copatch" run true

	# what the library prints is not looked at here
	try "$copatch" run --stats printenv "$variable"
	same stats-sets-variable "0 1" "$status $(cat out)"
	try "$copatch" run --log=debug printenv COPATCH_LOG
	same log-sets-variable "0 debug" "$status $(cat out)"
	try env COPATCH_LOG=loud "$copatch" run --log error printenv COPATCH_LOG
	same option-overrides-variable "0 error" "$status $(cat out)"
	try env COPATCH_LOG=warn "$copatch" run printenv COPATCH_LOG
	same variable-passes "0 warn" "$status $(cat out)"
	runs two-dashes '--stats' "$copatch" run -- echo --stats
	runs options-of-the-program '--stats --log' "$copatch" run echo --stats --log

	try env COPATCH_STATS=1 LD_PRELOAD="$library" true
	if grep -q '^copatch: threads' err; then
		try "$copatch" run --stats true
		if [ "$status" -eq 0 ] && grep -Eq '^copatch: threads made [0-9]+, ' err; then
			pass stats-are-printed
		else
			fail stats-are-printed "status $status: $(head -n 1 err)"
		fi
		# a builtin, so that one process makes the call each time
		local often='for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $$; kill -0 $$; kill -0 $$; done'

		try "$copatch" run --stats sh -c "$often"
		if grep -Eq '^copatch: calls .* by the side door [1-9]' err; then
			pass side-door-is-used
		else
			fail side-door-is-used "$(grep door err)"
		fi
		try "$copatch" run --stats --no-patch sh -c "$often"
		if grep -Eq '^copatch: calls .* by the side door 0' err; then
			pass side-door-stays-shut
		else
			fail side-door-stays-shut "$(grep door err)"
		fi
	else
		skip stats-are-printed "the library prints no counters"
	fi
}

status_tests() {
	local ended

	for expected in 0 1 3 125 126 127 255; do
		try "$copatch" run sh -c "exit $expected"
		same "status-$expected" "$expected" "$status"
	done
	# in a shell of its own, which would report the signal
	for signal in TERM KILL SEGV; do
		# shellcheck disable=SC2016 # the inner shell's own number
		try sh -c '"$1" run sh -c "kill -$2 \$\$"; exit $?' sh "$copatch" "$signal"
		ended=$((128 + $(kill -l "$signal")))
		same "signal-$signal" "$ended" "$status"
	done
	runs same-process same sh -c \
		"'$copatch' run sh -c '[ \$\$ = \$PPID ] || echo \$\$' >pid & wait \$!
		[ \"\$(cat pid)\" = \$! ] && echo same"
}

passing_tests() {
	local words=('' ' ' 'a b' $'line\nfeed' "quo'te" '*' '--' '-x' $'\377')

	printf '[%s]\n' "${words[@]}" >expected
	runs arguments "$(cat expected)" "$copatch" run printf '[%s]\n' "${words[@]}"
	try env -i A=1 'B= x ' PATH="$PATH" env
	grep -v '^_=' out | sort >expected
	try env -i A=1 'B= x ' PATH="$PATH" "$copatch" run env
	grep -v -e '^_=' -e '^LD_PRELOAD=' out | sort >got
	same environment "$(cat expected)" "$(cat got)"
	mkdir -p 'some folder'
	runs working-folder "$work/some folder" sh -c "cd 'some folder' && '$copatch' run pwd"
	runs stdin hello sh -c "echo hello | '$copatch' run cat"
	printf 'first\nsecond\n' >input
	runs stdin-offset 'first second' sh -c \
		"{ read -r line; '$copatch' run sh -c \"read -r next; echo \$line \\\$next\"; } <input"
	# shellcheck disable=SC2016 # the inner shell's own words
	cat >open_files <<-'EOF'
		for fd in 0 1 2 3 4 5 6 7 8 9; do
			[ -e /proc/$$/fd/$fd ] && printf '%s ' $fd
		done
		echo
	EOF
	runs descriptors "$(sh open_files <input 3<input 7<input)" \
		sh -c "'$copatch' run sh open_files <input 3<input 7<input"
	runs closed-descriptors "$(sh open_files 2>&- <&-)" \
		sh -c "'$copatch' run sh open_files 2>&- <&-"
	# shellcheck disable=SC2016 # the inner shell's own words
	try sh -c 'trap "" INT; "$1" run sh -c "kill -INT \$\$; echo alive"' sh "$copatch"
	same ignored-signal "0 alive" "$status $(cat out)"
}

preload_tests() {
	# shellcheck disable=SC2016 # the inner shell's own words
	local preload='echo "$LD_PRELOAD"' other

	other=$work/other.so
	runs preload-set "$library" "$copatch" run sh -c "$preload"
	if ! compile "$other" -shared -fPIC; then
		skip preload-kept "cc makes no shared library"
		return
	fi
	runs preload-kept "$library:$other" \
		env LD_PRELOAD="$other" "$copatch" run sh -c "$preload"
	runs preload-parted-by-blanks "$library:$other:$other" \
		env LD_PRELOAD=" $other  $other" "$copatch" run sh -c "$preload"
	try env LD_PRELOAD="$other:$library" "$copatch" run sh -c "$preload"
	same preload-not-twice "0 $library:$other" "$status $(cat out)"
	try "$copatch" run "$copatch" run sh -c "$preload"
	same copatch-in-copatch "0 $library" "$status $(cat out)"
	same copatch-in-copatch-is-silent '' "$(cat err)"
}

library_tests() {
	# shellcheck disable=SC2016 # a dollar in a name
	local folder bad=('a b' a:b 'a$b')

	mkdir -p alone installed/bin installed/lib/copatch both/bin both/lib/copatch "${bad[@]}"
	cp "$copatch" alone
	refuses library-missing 125 "neither $work/alone/libcopatch.so nor $work/lib/copatch/" \
		alone/copatch run true
	cp "$copatch" installed/bin
	cp "$library" installed/lib/copatch
	runs library-installed "$work/installed/lib/copatch/libcopatch.so" \
		installed/bin/copatch run printenv LD_PRELOAD
	ln -s ../installed/bin/copatch alone/link
	runs library-through-a-link "$work/installed/lib/copatch/libcopatch.so" \
		alone/link run printenv LD_PRELOAD
	cp "$copatch" "$library" both/bin
	cp "$library" both/lib/copatch
	runs library-beside-comes-first "$work/both/bin/libcopatch.so" \
		both/bin/copatch run printenv LD_PRELOAD
	for folder in "${bad[@]}"; do
		cp "$copatch" "$library" "$folder"
		refuses "library-in-a-bad-folder ($folder)" 125 'LD_PRELOAD cannot hold' \
			"$folder/copatch" run true
	done
	echo text >alone/libcopatch.so
	refuses library-damaged 125 'not a shared library for this machine' \
		alone/copatch run true
	rm alone/libcopatch.so
	mkdir alone/libcopatch.so
	refuses library-is-a-folder 125 'libcopatch.so: ' alone/copatch run true
}

missing_tests() {
	local long

	refuses missing-in-path 127 'nosuchprogram: not found in PATH' \
		"$copatch" run nosuchprogram
	refuses missing-file 127 './nosuch: no such file' "$copatch" run ./nosuch
	refuses empty-name 127 "'': the program's name is empty" "$copatch" run ''
	ln -s nowhere dangling
	refuses dangling-link 127 './dangling: a symbolic link to nothing' \
		"$copatch" run ./dangling
	ln -s circle circle
	refuses circular-link 126 './circle: ' "$copatch" run ./circle
	echo text >text
	refuses below-a-file 126 './text/x: ' "$copatch" run ./text/x
	long=$(printf '%05000d' 0)
	refuses long-path 126 'name too long' "$copatch" run "./$long"
	refuses long-name 126 'name too long' "$copatch" run "${long:0:300}"
	refuses control-characters 127 'copatch: a\?b\?: not found' \
		"$copatch" run $'a\nb\e'
	refuses folder 126 './alone: a folder' "$copatch" run ./alone
	refuses not-executable 126 './text: not executable' "$copatch" run ./text
	mkfifo fifo
	chmod +x fifo
	refuses fifo 126 './fifo: not a regular file' timeout 10 "$copatch" run ./fifo
	refuses device 126 '/dev/null: not a regular file' "$copatch" run /dev/null
	mkdir -p path/first path/second path/folder/name
	echo text >path/first/name
	script path/second/name '#!/bin/sh' 'echo second'
	runs path-skips-what-cannot-run second \
		env PATH="$work/path/first:$work/path/folder:$work/path/second:$PATH" \
		"$copatch" run name
	refuses path-only-not-executable 126 "path/first/name: not executable" \
		env PATH="$work/path/first:$work/nowhere" "$copatch" run name
	runs path-with-an-empty-part second \
		sh -c "cd path/second && PATH=/nowhere: '$copatch' run name"
	runs path-unset /bin/sh env -u PATH "$copatch" run sh -c 'echo /bin/sh'
}

elf_tests() {
	elf_header i386 1 1 '\3\0'
	refuses elf-i386 126 './i386: for another machine \(i386, 32 bits\)' "$copatch" run ./i386
	elf_header arm64 2 1 '\267\0'
	refuses elf-aarch64 126 './arm64: for another machine \(AArch64, 64 bits\)' \
		"$copatch" run ./arm64
	elf_header x32 1 1 '\76\0'
	refuses elf-x32 126 './x32: for another machine \(x86-64, 32 bits\)' "$copatch" run ./x32
	elf_header s390 2 2 '\0\26'
	refuses elf-other-machine 126 './s390: for another machine' "$copatch" run ./s390
	elf_header empty_elf 2 1 '\76\0'
	refuses elf-without-headers 126 './empty_elf: a damaged ELF file' "$copatch" run ./empty_elf
	printf '\177ELF' >short_elf
	chmod +x short_elf
	refuses elf-cut-in-header 126 './short_elf: a damaged ELF file: it ends inside' \
		"$copatch" run ./short_elf
	head -c 200 "$(type -P true)" >cut_elf
	chmod +x cut_elf
	refuses elf-cut-in-program-headers 126 './cut_elf: a damaged ELF file' \
		"$copatch" run ./cut_elf
	refuses elf-library 126 'a shared library or the loader itself' "$copatch" run "$library"
	printf '\0\1\2\3' >garbage
	chmod +x garbage
	refuses garbage 126 './garbage: neither an ELF program nor a script' "$copatch" run ./garbage
}

compiled_tests() {
	if ! compile dynamic; then
		skip compiled-samples "no working cc"
		return
	fi
	runs dynamic '' "$copatch" run ./dynamic
	compile no_pie -no-pie && runs dynamic-no-pie '' "$copatch" run ./no_pie
	for kind in -static -static-pie; do
		if compile "sample$kind" "$kind"; then
			refuses "elf$kind" 126 'statically linked.*link it dynamically' \
				"$copatch" run "./sample$kind"
		else
			skip "elf$kind" "cc has no $kind"
		fi
	done
	compile musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1
	refuses elf-musl 126 './musl: linked with musl .*needs glibc' "$copatch" run ./musl
	compile no_loader -Wl,--dynamic-linker=/no/such/ld-linux-x86-64.so.2
	refuses elf-loader-missing 126 'loader /no/such/ld-linux-x86-64.so.2 is missing' \
		"$copatch" run ./no_loader
	compile odd_loader -Wl,--dynamic-linker=/bin/true
	refuses elf-other-loader 126 "its loader /bin/true is not glibc's" \
		"$copatch" run ./odd_loader
	compile object -c && chmod +x object
	refuses elf-object 126 './object: an object file or a core' "$copatch" run ./object
	script static_interpreter "#!$work/sample-static"
	if [ -e sample-static ]; then
		refuses script-static-interpreter 126 \
			"./static_interpreter: its interpreter $work/sample-static: statically" \
			"$copatch" run ./static_interpreter
		script env_static "#!/usr/bin/env sample-static"
		refuses script-env-static 126 \
			"./env_static: its interpreter $work/sample-static: statically" \
			env PATH="$work:$PATH" "$copatch" run ./env_static
	else
		skip script-static-interpreter "cc has no -static"
	fi
}

script_tests() {
	local number

	script hello '#!/bin/sh' 'echo "hello $*"'
	runs script 'hello a b' "$copatch" run ./hello a b
	script with_argument '#! /bin/sh  -e ' 'false' 'echo not reached'
	try "$copatch" run ./with_argument
	same script-with-argument "1 " "$status $(cat out)"
	script bad_interpreter '#!/no/such/interpreter'
	refuses script-interpreter-missing 127 \
		'./bad_interpreter: its interpreter /no/such/interpreter: no such file' \
		"$copatch" run ./bad_interpreter
	script text_interpreter "#!$work/text"
	refuses script-interpreter-not-executable 126 \
		"./text_interpreter: its interpreter $work/text: not executable" \
		"$copatch" run ./text_interpreter
	script folder_interpreter "#!$work"
	refuses script-interpreter-a-folder 126 'its interpreter .*: a folder' \
		"$copatch" run ./folder_interpreter
	script foreign_interpreter "#!$work/i386"
	refuses script-interpreter-foreign 126 "its interpreter $work/i386: for another machine" \
		"$copatch" run ./foreign_interpreter
	script empty_line '#!' 'echo by sh'
	runs script-empty-first-line 'by sh' "$copatch" run ./empty_line
	printf '#!' >no_name
	chmod +x no_name
	refuses script-no-name 126 'its #! line names no interpreter' "$copatch" run ./no_name

	ln -s "$(type -P echo)" level0
	for number in 1 2 3 4 5 6; do
		script "level$number" "#!$work/level$((number - 1))"
	done
	runs script-five-levels \
		"$work/level1 $work/level2 $work/level3 $work/level4 ./level5" "$copatch" run ./level5
	refuses script-six-levels 126 'more than 5 scripts' "$copatch" run ./level6
	script self "#!$work/self"
	refuses script-its-own-interpreter 126 'more than 5 scripts' "$copatch" run ./self

	script no_line 'echo "text $*"'
	runs text-by-sh 'text a' "$copatch" run ./no_line a
	: >empty
	chmod +x empty
	runs empty-by-sh '' "$copatch" run ./empty
	script by_text "#!$work/no_line" 'echo "outer $*"'
	runs script-of-text-by-sh 'outer a' "$copatch" run ./by_text a
}

env_tests() {
	if [ ! -x /usr/bin/env ]; then
		skip env-scripts "no /usr/bin/env"
		return
	fi
	script env_sh '#!/usr/bin/env sh' 'echo "by env $*"'
	runs env 'by env a' "$copatch" run ./env_sh a
	script env_missing '#!/usr/bin/env nosuchprogram'
	refuses env-missing 127 \
		'./env_missing: its interpreter nosuchprogram: not found in PATH' \
		"$copatch" run ./env_missing
	script env_words '#!/usr/bin/env sh -e'
	refuses env-without-split 127 'its interpreter sh -e: not found' "$copatch" run ./env_words
	# shellcheck disable=SC2016 # the script's own words
	script env_split '#!/usr/bin/env -S A=1 sh -e' 'echo "split $A"'
	runs env-split 'split 1' "$copatch" run ./env_split
	script env_split_missing '#!/usr/bin/env -S nosuchprogram -e'
	refuses env-split-missing 127 'its interpreter nosuchprogram: not found' \
		"$copatch" run ./env_split_missing
	script env_clears '#!/usr/bin/env -S -i /bin/sh'
	refuses env-clears 126 'takes LD_PRELOAD out of the environment' "$copatch" run ./env_clears
	script env_foreign "#!/usr/bin/env i386"
	refuses env-foreign 126 "its interpreter $work/i386: for another machine" \
		env PATH="$work:$PATH" "$copatch" run ./env_foreign
	script env_circle '#!/usr/bin/env env_circle'
	refuses env-circle 126 'scripts that are each other' \
		env PATH="$work:$PATH" "$copatch" run ./env_circle
}

secure_tests() {
	if [ "$(id -u)" -ne 0 ]; then
		for file in /usr/bin/su /usr/bin/passwd /bin/su; do
			[ -u "$file" ] || continue
			refuses setuid 126 "$file: setuid, so the dynamic loader drops LD_PRELOAD" \
				"$copatch" run "$file"
			return
		done
		skip setuid "no setuid program here"
		return
	fi
	if ! as_nobody test -x "$copatch" -a -r "$library" 2>/dev/null; then
		# the build is in a closed folder
		mkdir open
		cp "$copatch" "$library" open
		copatch=$work/open/copatch
	fi
	if ! as_nobody "$copatch" run true 2>/dev/null; then
		skip setuid "cannot run it as another user"
		return
	fi
	if [ "$(findmnt -n -o OPTIONS -T "$work" | tr , '\n' | grep -c '^nosuid$')" -ne 0 ]; then
		skip setuid "$work is mounted nosuid"
		return
	fi
	cp "$(type -P true)" setuid_root
	chmod 4755 setuid_root
	cp "$(type -P true)" setuid_nobody
	chown 65534 setuid_nobody
	chmod 4755 setuid_nobody
	cp "$(type -P true)" setgid_root
	chmod 2755 setgid_root
	refuses setuid 126 './setuid_root: setuid, so the dynamic loader drops LD_PRELOAD' \
		as_nobody "$copatch" run ./setuid_root
	refuses setuid-by-root 126 './setuid_nobody: setuid' "$copatch" run ./setuid_nobody
	runs setuid-to-oneself '' "$copatch" run ./setuid_root
	runs setuid-to-oneself-not-root '' as_nobody "$copatch" run ./setuid_nobody
	refuses setgid 126 './setgid_root: setgid' as_nobody "$copatch" run ./setgid_root
	runs setgid-to-oneself '' "$copatch" run ./setgid_root
	chmod 2745 setgid_root
	runs setgid-without-execute '' as_nobody "$copatch" run ./setgid_root
	chmod 4711 setuid_root
	refuses setuid-unreadable 126 './setuid_root: setuid' as_nobody "$copatch" run ./setuid_root
	runs setuid-no-new-privileges '' \
		setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
		"$copatch" run ./setuid_root
	cp "$(type -P true)" unreadable
	chmod 711 unreadable
	runs unreadable-program '' as_nobody "$copatch" run ./unreadable
	script by_setuid "#!$work/setuid_root"
	refuses script-setuid-interpreter 126 "its interpreter $work/setuid_root: setuid" \
		as_nobody "$copatch" run ./by_setuid
	mkdir -m 700 closed
	cp "$(type -P true)" closed
	refuses closed-folder 126 'a folder on its way is closed to you' \
		as_nobody "$copatch" run ./closed/true
	cp "$(type -P true)" capable
	if setcap cap_net_raw=ep capable 2>/dev/null; then
		refuses capabilities 126 './capable: given file capabilities' \
			as_nobody "$copatch" run ./capable
		runs capabilities-by-root '' "$copatch" run ./capable
	else
		skip capabilities "setcap does not work here"
	fi
	refuses other-real-user 126 'run with a real user' \
		setpriv --ruid=65534 "$copatch" run true
}

kernel_tests() {
	cat >prctl.c <<-'EOF'
		#define _GNU_SOURCE
		#include <errno.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		int prctl(int option, unsigned long a, unsigned long b, unsigned long c,
			  unsigned long d)
		{
			if (option != 59)
				return (int)syscall(SYS_prctl, option, a, b, c, d);
			errno = ERROR;
			return -1;
		}
	EOF
	if ! "${CC:-cc}" -shared -fPIC -DERROR=EINVAL prctl.c -o einval.so 2>/dev/null ||
		! "${CC:-cc}" -shared -fPIC -DERROR=EPERM prctl.c -o eperm.so 2>/dev/null; then
		skip no-dispatch "no working cc"
		return
	fi
	try env LD_PRELOAD="$work/einval.so" "$copatch" run echo hello
	same no-dispatch-goes-on "0 hello" "$status $(cat out)"
	same no-dispatch-warns 1 "$(grep -c \
		'^copatch: this kernel has no Syscall User Dispatch .*5.11.*running echo without' err)"
	try env LD_PRELOAD="$work/eperm.so" "$copatch" run echo hello
	same refused-dispatch-goes-on "0 hello" "$status $(cat out)"
	same refused-dispatch-warns 1 "$(grep -c \
		'^copatch: Syscall User Dispatch is refused here (Operation not permitted' err)"
	# the same for the library alone, in a process that the kernel really refuses
	if ! "${CC:-cc}" "$tests/nodispatch.c" -o nodispatch 2>/dev/null ||
		! ./nodispatch 22 true >/dev/null; then
		skip preload-without-dispatch "no cc, or no seccomp"
		return
	fi
	try ./nodispatch 22 env LD_PRELOAD="$library" echo hello
	same preload-without-dispatch "0 hello 1" "$status $(cat out) $(grep -c \
		'^copatch: this kernel has no Syscall User Dispatch .*runs natively' err)"
	try ./nodispatch 1 env LD_PRELOAD="$library" echo hello
	same preload-with-dispatch-refused "0 hello 1" "$status $(cat out) $(grep -c \
		'^copatch: Syscall User Dispatch is switched off here.*runs natively' err)"
	try ./nodispatch 22 "$copatch" run echo hello
	same run-without-dispatch "0 hello 1" "$status $(cat out) $(wc -l <err)"
}

usage_tests
option_tests
status_tests
passing_tests
preload_tests
library_tests
missing_tests
elf_tests
compiled_tests
script_tests
env_tests
secure_tests
kernel_tests
[ "$failures" -eq 0 ]
