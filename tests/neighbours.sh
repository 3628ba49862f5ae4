#!/bin/bash
# SPDX-License-Identifier: MIT
# Other preloaded libraries, in either order, and tracers: programs do beside them what they do
# natively.
#
# usage: tests/neighbours.sh
# environment: BUILD  the build folder (default build)

set -u

build=$(cd "${BUILD:-build}" 2>/dev/null && pwd) || {
	echo "not ok - neighbours # no build folder ${BUILD:-build}"
	exit 1
}
library=$build/libcopatch.so
copatch=$build/copatch
targets=$build/tests/targets
work=$(mktemp -d) || exit 2
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
ulimit -c 0
cd "$work" || exit 2
failures=0

fail() {
	echo "not ok - neighbours/$1 # $2"
	tail -n 6 "$work/out" "$work/err" 2>/dev/null | cut -c 1-200 | sed 's/^/# /'
	failures=$((failures + 1))
}

# verdict NAME EXPECTED SEEN
verdict() {
	if [ "$2" = "$3" ]; then
		echo "ok - neighbours/$1"
	else
		fail "$1" "expected '$2', got '$3'"
	fi
}

# try COMMAND...: leaves out, err and status
try() {
	timeout -s KILL 60 "$@" >out 2>err </dev/null
	status=$?
}

# find_library NAME: its path, or nothing
find_library() {
	find /usr/lib /lib -name "$1" -print -quit 2>/dev/null
}

# both_orders NAME LIBRARY TARGET... : as with the library alone, whichever is named first
both_orders() {
	local name=$1 other target

	other=$(find_library "$2")
	if [ -z "$other" ]; then
		echo "ok - neighbours/$name # SKIP no $2 here"
		return
	fi
	shift 2
	for target in "$@"; do
		try env LD_PRELOAD="$other" "$targets/$target"
		local native
		native="$status $(cat out)"
		try env LD_PRELOAD="$library:$other" "$targets/$target"
		verdict "$name-behind/$target" "$native" "$status $(cat out)"
		try env LD_PRELOAD="$other:$library" "$targets/$target"
		verdict "$name-before/$target" "$native" "$status $(cat out)"
	done
}

port_of() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Until something listens at the port.
wait_port() {
	for _ in $(seq 100); do
		python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" \
			2>/dev/null && return
		sleep 0.1
	done
}

faketime_tests() {
	local other date

	export FAKETIME='@2020-01-01 00:00:00'
	both_orders faketime libfaketime.so.1 wait_cond threads_join io_readers
	both_orders faketime-mt libfaketimeMT.so.1 wait_cond
	# sleeps of a clock that goes ten times as fast, and the date itself
	export FAKETIME='@2020-01-01 00:00:00 x10'
	other=$(find_library libfaketime.so.1)
	for preload in "$library:$other" "$other:$library"; do
		[ -n "$other" ] || break
		try env LD_PRELOAD="$preload" python3 -c '
import threading, time
begun = time.time()
threads = [threading.Thread(target=time.sleep, args=(20,)) for i in range(50)]
[t.start() for t in threads]
[t.join() for t in threads]
print(time.gmtime().tm_year, 20 <= time.time() - begun < 60)'
		date=faketime-date-behind
		[ "${preload%%:*}" = "$library" ] || date=faketime-date-before
		verdict "$date" '0 2020 True' "$status $(cat out)"
	done
	unset FAKETIME
}

proxychains_tests() {
	local other socks web name

	other=$(find_library 'libproxychains*.so*')
	if [ -z "$other" ] || ! type microsocks curl >/dev/null 2>&1; then
		echo "ok - neighbours/proxychains # SKIP no proxychains4, microsocks or curl here"
		return
	fi
	socks=$(port_of)
	web=$(port_of)
	microsocks -i 127.0.0.1 -p "$socks" >microsocks.log 2>&1 &
	pids+=($!)
	disown
	mkdir page
	echo 'by way of the proxy' >page/index.html
	(cd page && exec python3 -m http.server -b 127.0.0.1 "$web") >web.log 2>&1 &
	pids+=($!)
	disown
	wait_port "$socks"
	wait_port "$web"
	cat >proxychains.conf <<-EOF
		strict_chain
		[ProxyList]
		socks5 127.0.0.1 $socks
	EOF
	export PROXYCHAINS_CONF_FILE=$work/proxychains.conf
	for preload in "$other" "$library:$other" "$other:$library"; do
		case $preload in
		"$other") name=natively ;;
		"$library":*) name=behind ;;
		*) name=before ;;
		esac
		: >microsocks.log
		try env LD_PRELOAD="$preload" curl -s "http://127.0.0.1:$web/"
		verdict "proxychains-$name" '0 by way of the proxy 1' \
			"$status $(cat out) $(grep -c "connected to 127.0.0.1:$web" microsocks.log)"
		: >microsocks.log
		try env LD_PRELOAD="$preload" python3 -c "
import threading, urllib.request
pages = []
def get():
    pages.append(urllib.request.urlopen('http://127.0.0.1:$web/').read())
threads = [threading.Thread(target=get) for i in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print(pages.count(b'by way of the proxy\n'))"
		verdict "proxychains-threads-$name" '0 20 20' \
			"$status $(cat out) $(grep -c "connected to 127.0.0.1:$web" microsocks.log)"
	done
	unset PROXYCHAINS_CONF_FILE
}

# A program with threads that goes on until it is told to stop.
write_ticker() {
	cat >ticker.py <<-'EOF'
		import os, sys, threading, time
		stop = threading.Event()
		counts = [0] * 5
		def tick(i):
		    while not stop.wait(0.01):
		        counts[i] += 1
		threads = [threading.Thread(target=tick, args=(i,)) for i in range(5)]
		[t.start() for t in threads]
		open("pid", "w").write(str(os.getpid()))
		while not os.path.exists("attached"):
		    time.sleep(0.02)
		before = list(counts)
		time.sleep(0.5)
		stop.set()
		[t.join() for t in threads]
		print(all(a > b for a, b in zip(counts, before)))
	EOF
}

start_ticker() {
	rm -f pid attached
	timeout -s KILL 60 "$copatch" run python3 ticker.py >ticker.out 2>ticker.err &
	ticker=$!
	pids+=("$ticker")
	for _ in $(seq 200); do
		[ -s pid ] && break
		sleep 0.1
	done
}

end_ticker() {
	touch attached
	wait "$ticker"
	verdict "$1" '0 True' "$? $(cat ticker.out)"
}

strace_tests() {
	if ! type strace >/dev/null 2>&1 || ! strace -o /dev/null true 2>/dev/null; then
		echo "ok - neighbours/strace # SKIP no strace, or not allowed"
		return
	fi
	for target in wait_cond io_readers proc_fork_thread sig_info; do
		try "$targets/$target"
		local native
		native="$status $(cat out)"
		try strace -f -o trace "$copatch" run "$targets/$target"
		verdict "strace/$target" "$native" "$status $(cat out)"
	done
	start_ticker
	rm -f trace
	strace -f -o trace -p "$(cat pid)" 2>/dev/null &
	pids+=($!)
	for _ in $(seq 200); do
		[ -s trace ] && break
		sleep 0.1
	done
	sleep 0.5
	kill -INT "${pids[-1]}"
	wait "${pids[-1]}"
	verdict strace-attached-saw-calls 1 "$([ -s trace ] && echo 1)"
	end_ticker strace-attach
}

gdb_tests() {
	if ! type gdb >/dev/null 2>&1; then
		echo "ok - neighbours/gdb # SKIP no gdb"
		return
	fi
	start_ticker
	timeout -s KILL 60 gdb -batch -p "$(cat pid)" -ex 'set auto-load libthread-db off' \
		-ex bt -ex detach >gdb.out 2>&1
	verdict gdb-attach-sees-the-loop 1 "$(grep -c ' loop_run ' gdb.out)"
	end_ticker gdb-attach
	# breakpoints in threads of a program that gdb starts
	cat >commands.gdb <<-EOF
		set auto-load libthread-db off
		set startup-with-shell off
		set breakpoint pending on
		handle SIGSYS nostop noprint pass
		handle SIG33 nostop noprint pass
		set environment LD_PRELOAD $library
		break turns if (long)arg == 7
		run
		bt
		continue
	EOF
	try gdb -batch -x commands.gdb "$targets/wait_cond"
	verdict gdb-breakpoint '1 1 1' "$(grep -c '^Breakpoint 1, turns (arg=0x7)' out) $(
		grep -c '^#[12] .* clone3* (' out) $(grep -c 'exited normally' out)"
}

both_orders jemalloc 'libjemalloc.so.2' libc_malloc threads_many wait_cond
both_orders tcmalloc 'libtcmalloc_minimal.so.4' libc_malloc threads_many wait_cond
faketime_tests
proxychains_tests
write_ticker
strace_tests
gdb_tests
[ "$failures" -eq 0 ]
