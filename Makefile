# SPDX-License-Identifier: MIT
# `make run` and `make test` are all that a newcomer needs: they install what is missing.
# Overrides (CC, CFLAGS, PREFIX, ...) go into config.mak, not into this file. V=1 shows commands.

CC ?= gcc
CXX ?= g++
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
BUILD ?= build
PYTHON ?= /usr/bin/python3
VERSION := 0.1
SONAME := libcopatch.so.0
-include config.mak

ifneq ($(V),1)
Q := @
say = @printf '  %-5s %s\n' '$(1)' '$(2)'
endif

# What the project needs, by Debian package; `apt-get install` brings the ones that are missing.
PACKAGES := gcc g++ libc6-dev make pkg-config libev4 libev-dev \
	libzydis4.0 libzydis-dev check libdw-dev libncurses-dev
RUN_PACKAGES := python3 memcached wrk
DEB_PACKAGES := dpkg-dev binutils
BENCH_PACKAGES := gnuplot-nox sysbench
TEST_PACKAGES := python3 curl openssl stunnel4 microsocks tinyproxy memcached ripgrep xz-utils \
	zstd coreutils util-linux procps wrk libgomp1 man-db lintian mariadb-server-core \
	mariadb-client-core python3-pymysql apache2-bin redis-tools pigz graphicsmagick \
	python3-pyte \
	strace gdb libboost-context-dev libjemalloc2 libtcmalloc-minimal4 faketime proxychains4 \
	chromium chromium-driver python3-selenium \
	libcurl4-openssl-dev
# For test-long alone, since they are large.
LONG_PACKAGES := default-jdk-headless rustc

# Everything behind a door: no libc, no vector registers (they are the program's), no canary (it
# would be read through the program's TLS), no calls to memcpy made up by the compiler.
CORE := -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-builtin \
	$(if $(findstring clang,$(shell $(CC) --version)),,-fno-tree-loop-distribute-patterns)
WARN := -Wall -Wextra
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -MMD -MP -fPIC -fvisibility=hidden \
	-fno-strict-aliasing -I$(BUILD)

SCHEDULER := $(patsubst %.c,$(BUILD)/%.o,$(wildcard scheduler/*.c)) \
	$(patsubst %.S,$(BUILD)/%.o,$(wildcard scheduler/*.S))
API := $(patsubst %.c,$(BUILD)/%.o,$(wildcard shim/api/*.c)) \
	$(patsubst %.S,$(BUILD)/%.o,$(wildcard shim/api/*.S))
SHIM := $(patsubst %.c,$(BUILD)/%.o,$(wildcard shim/*.c)) \
	$(patsubst %.S,$(BUILD)/%.o,$(wildcard shim/*.S)) $(API)
LAUNCH := $(patsubst %.c,$(BUILD)/%.o,$(wildcard shim/launch/*.c)) \
	$(addprefix $(BUILD)/shim/,patch_decode.o patch_frames.o patch_plan.o)
EYES := $(patsubst %.c,$(BUILD)/%.o,$(wildcard shim/eyes/*.c)) $(BUILD)/shim/launch/say.o
UNITS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/check_*.c))
TARGETS := $(patsubst tests/targets/%.c,$(BUILD)/tests/targets/%,$(wildcard tests/targets/*.c)) \
	$(patsubst tests/targets/%.cpp,$(BUILD)/tests/targets/%,$(wildcard tests/targets/*.cpp))
EYES_TARGETS := $(patsubst tests/eyes/%.c,$(BUILD)/tests/eyes/%,$(wildcard tests/eyes/*.c))
BENCH := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))
DEMOS := $(patsubst demo/%.c,$(BUILD)/demo/%,$(wildcard demo/*.c))

# Words of a comment line /* NAME: ... */ in a source file.
comment = $(shell sed -n 's,^/\* $(2): \(.*\) \*/.*,\1,p' $(1))

.PHONY: all run test test-long bench soak install uninstall deb clean analyze format setup \
	deb-setup run-setup test-setup long-setup tests demos
all: $(BUILD)/libcopatch.so $(BUILD)/copatch $(BUILD)/copatch-eyes $(BUILD)/libcopatch.so-gdb.py
	@:

$(BUILD)/libcopatch.so: $(SCHEDULER) $(SHIM) shim/copatch.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(CFLAGS) -o $@ $(SCHEDULER) $(SHIM) -Wl,--version-script=shim/copatch.map \
		-Wl,-soname,$(SONAME) \
		-Wl,-z,defs,-z,now,-z,relro -Wl,-Bsymbolic -Wl,--no-undefined -ldl -lpthread
	$(Q)ln -sf $(@F) $(@D)/$(SONAME)

$(BUILD)/copatch: $(LAUNCH)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $(LAUNCH) -ldl

$(BUILD)/copatch-eyes: $(EYES)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $(EYES) $(shell pkg-config --libs libdw ncursesw)

# gdb loads it with the library that it lies beside, from a folder that it trusts.
$(BUILD)/libcopatch.so-gdb.py: shim/copatch-gdb.py
	$(Q)cp $< $@

# The files that are ordinary C: start-up, and the front door on the program's side.
# The front door calls libc twice for each call: not by way of a stub.
$(BUILD)/shim/init.o $(BUILD)/shim/preloaded.o $(BUILD)/shim/interpose.o: CORE := -fexceptions
$(BUILD)/shim/interpose.o: CORE += -fno-plt
$(BUILD)/shim/eyes/%.o: CORE :=
$(BUILD)/shim/launch/report_page.o: shim/launch/report.html
$(BUILD)/shim/launch/%.o: CORE := -DCOPATCH_VERSION='"$(VERSION)"'

# The public API is ordinary C too, and counts as the program's: see interpose.c for the section.
$(BUILD)/shim/api/%.o: shim/api/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fexceptions $(if $(findstring clang,$(shell $(CC) --version)),,-fno-reorder-functions) -c -o $@ $<
	$(Q)objcopy --rename-section .text=front_text $@

$(BUILD)/%.o: %.c | $(BUILD)/sys_names.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(CORE) -c -o $@ $<

$(BUILD)/%.o: %.S
	$(call say,AS,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The names of system calls, by number, for --stats.
$(BUILD)/sys_names.h:
	@mkdir -p $(@D)
	$(Q)printf '#include <asm/unistd.h>\n' | $(CC) -E -dM - | \
		sed -n 's,^#define __NR_\([a-z0-9_]*\) [0-9]*$$,[__NR_\1] = "\1"\,,p' | sort > $@

$(BUILD)/tests/targets/%: tests/targets/%.c tests/helpers.h tests/load.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g $(WARN) -pthread $< -o $@ $(LINK_API) $(call comment,$<,LIBS)

$(BUILD)/tests/targets/%: tests/targets/%.cpp tests/helpers.h tests/load.h
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -O1 -g $(WARN) -pthread $< -o $@ $(LINK_API) $(call comment,$<,LIBS)

# Programs that include copatch.h.
API_USERS := $(addprefix $(BUILD)/demo/,yield greenlet) $(filter $(BUILD)/tests/targets/api_%,$(TARGETS))
$(API_USERS): LINK_API = -Ishim -L$(BUILD) -lcopatch -Wl,-rpath,$(abspath $(BUILD))
$(API_USERS): $(BUILD)/libcopatch.so shim/copatch.h

$(BUILD)/tests/eyes/%: tests/eyes/%.c tests/helpers.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -fno-omit-frame-pointer $(WARN) -pthread $< -o $@

$(BUILD)/tests/bench/%: tests/bench/%.c tests/bench/bench.h tests/bench/echo.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) -pthread $< -o $@ $(call comment,$<,LIBS)

$(BUILD)/demo/%: demo/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) $< -o $@ $(LINK_API) $(call comment,$<,LIBS)

# A unit suite names the objects that it tests: /* OBJS: shim/fdtab.o SCHEDULER */
objects = $(addprefix $(BUILD)/,$(filter-out SCHEDULER,$(1))) $(if $(filter SCHEDULER,$(1)),$(SCHEDULER))
$(BUILD)/tests/check_%: tests/check_%.c tests/unit.h tests/tasks.h $(SCHEDULER) $(LAUNCH) $(SHIM) \
		$(EYES)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -g -O1 $< -o $@ \
		$(call objects,$(call comment,$<,OBJS)) $(shell pkg-config --cflags --libs check) -ldl

setup:
	@./tests/packages.sh $(PACKAGES)

deb-setup:
	@./tests/packages.sh $(PACKAGES) $(DEB_PACKAGES)

test-setup:
	@./tests/packages.sh $(PACKAGES) $(DEB_PACKAGES) $(TEST_PACKAGES)

run: run-setup
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/bench/echo_load $(BUILD)/tests/bench/echo_epoll
	$(Q)$(PYTHON) demo/show.py

run-setup:
	@./tests/packages.sh $(PACKAGES) $(RUN_PACKAGES)

demos: all $(DEMOS)

tests: demos $(UNITS) $(TARGETS) $(BENCH) $(EYES_TARGETS)

SUITES := tests/units.sh tests/core.sh tests/launcher.sh tests/doctor.sh tests/install.sh tests/demos.sh \
	tests/api.sh tests/targets.sh tests/neighbours.sh '$(PYTHON) tests/servers/run.py' \
	'$(PYTHON) tests/eyes/run.py'
LONG_SUITES := 'tests/targets.sh --long' '$(PYTHON) tests/servers/run.py --long'

# With LONG=1 the long ones too, in the same tally.
test: $(if $(LONG),long-setup,test-setup)
	$(Q)$(MAKE) --no-print-directory -j2 tests
	$(Q)./tests/run.sh $(SUITES) $(if $(LONG),$(LONG_SUITES))

long-setup: test-setup
	@./tests/packages.sh $(LONG_PACKAGES)

# What takes longer: faults a hundred times over, more servers, more languages.
test-long: long-setup
	$(Q)$(MAKE) --no-print-directory -j2 tests
	$(Q)./tests/run.sh $(LONG_SUITES)

# The same a hundred times over, for races: about an hour on two cores. Targets mostly sleep.
soak: test-setup
	$(Q)$(MAKE) --no-print-directory -j2 tests
	$(Q)SUITE_TIMEOUT=14400 ./tests/run.sh "tests/units.sh --loop 100 -j $$(nproc)" \
		"tests/targets.sh --loop 100 -j $$((3 * $$(nproc)))"

bench: test-setup
	$(Q)$(MAKE) --no-print-directory all $(BENCH)
	@./tests/packages.sh $(BENCH_PACKAGES)
	$(Q)$(PYTHON) tests/bench/bench.py
	$(Q)$(PYTHON) tests/bench/growth.py -n 1 --most 100000

DEST = $(DESTDIR)$(PREFIX)
# gdb looks there for the library's whole path, if PREFIX is gdb's own.
GDB_SCRIPT = $(DEST)/share/gdb/auto-load$(PREFIX)/lib/copatch/libcopatch.so-gdb.py
install: all
	install -D -m 755 $(BUILD)/copatch '$(DEST)/bin/copatch'
	install -D -m 644 $(BUILD)/libcopatch.so '$(DEST)/lib/copatch/libcopatch.so'
	install -D -m 755 $(BUILD)/copatch-eyes '$(DEST)/lib/copatch/copatch-eyes'
	install -D -m 644 shim/copatch.1 '$(DEST)/share/man/man1/copatch.1'
	install -D -m 644 shim/copatch-gdb.py '$(GDB_SCRIPT)'
	install -D -m 644 packaging/copatch.bash '$(DEST)/share/bash-completion/completions/copatch'
	ln -sf libcopatch.so '$(DEST)/lib/copatch/$(SONAME)'
	install -D -m 644 shim/copatch.h '$(DEST)/include/copatch.h'
	install -D -m 644 shim/copatch.3 '$(DEST)/share/man/man3/copatch.3'
	install -d '$(DEST)/share/pkgconfig'
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' packaging/copatch.pc.in \
		>'$(DEST)/share/pkgconfig/copatch.pc'
	chmod 644 '$(DEST)/share/pkgconfig/copatch.pc'

# Everything that install has put there.
uninstall:
	rm -f '$(GDB_SCRIPT)' '$(DEST)/bin/copatch' '$(DEST)/lib/copatch/libcopatch.so' \
		'$(DEST)/lib/copatch/copatch-eyes' '$(DEST)/share/man/man1/copatch.1' \
		'$(DEST)/share/bash-completion/completions/copatch' \
		'$(DEST)/lib/copatch/$(SONAME)' '$(DEST)/include/copatch.h' \
		'$(DEST)/share/man/man3/copatch.3' '$(DEST)/share/pkgconfig/copatch.pc'
	[ ! -d '$(DEST)/lib/copatch' ] || rmdir --ignore-fail-on-non-empty '$(DEST)/lib/copatch'

# A build of its own: the package's bytes depend neither on this folder nor on config.mak.
DEB = copatch_$(VERSION)_amd64.deb
deb: deb-setup
	$(Q)rm -rf $(BUILD)/deb/root
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/deb PREFIX=/usr DESTDIR=$(BUILD)/deb/root \
		CFLAGS='-O2 -g -ffile-prefix-map=$(CURDIR)=.' install >/dev/null
	$(Q)./packaging/deb.sh $(VERSION) $(BUILD)/deb/root $(DEB)
	@echo "made $(DEB): install it with apt-get install"

SOURCES = $(wildcard scheduler/*.c shim/*.c shim/api/*.c shim/launch/*.c shim/eyes/*.c)
analyze: $(BUILD)/sys_names.h
	cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
		--suppressions-list=tests/cppcheck.txt -D_GNU_SOURCE -D__x86_64__ "-DElfW(t)=Elf64_##t" -I$(BUILD) \
		$(SOURCES)
	for f in $(SOURCES); do clang-tidy --quiet --warnings-as-errors='*' $$f -- -std=gnu11 \
		-D_GNU_SOURCE -I$(BUILD) -DCOPATCH_VERSION='"$(VERSION)"' || exit 1; done
	clang-format --dry-run --Werror $(FORMATTED)
	shellcheck -x -S warning $(wildcard tests/*.sh packaging/*.sh) .ci/run
	pyflakes3 $(wildcard shim/*.py demo/*.py tests/*/*.py tests/*/*/*.py)

FORMATTED = $(SOURCES) $(wildcard scheduler/*.h shim/*.h shim/api/*.h shim/launch/*.h \
	shim/eyes/*.h tests/*.[ch] tests/*/*.[ch] demo/*.c)
format:
	clang-format -i $(FORMATTED)

clean:
	rm -rf $(BUILD) $(DEB)

-include $(SCHEDULER:.o=.d) $(SHIM:.o=.d) $(LAUNCH:.o=.d) $(EYES:.o=.d)
