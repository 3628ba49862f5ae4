# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For the suites in shell, which set $suite: results that are as expected, or not.
# shellcheck disable=SC2154

failures=0

# same NAME EXPECTED GOT
same() {
	if [ "$2" = "$3" ]; then
		echo "ok - $suite/$1"
	else
		echo "not ok - $suite/$1 # expected '${2//$'\n'/\\n}', got '${3//$'\n'/\\n}'"
		failures=$((failures + 1))
	fi
}
