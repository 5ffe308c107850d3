# SPDX-License-Identifier: LGPL-2.1-or-later
# A short front door to meson. build/ is what is installed, build-test/ has the failpoints and the unit
# tests in it, build-asan/ the sanitizers as well, and build-lint/ is the linter's.

PREFIX  ?= /usr/local
DESTDIR ?=
APPARMOR ?= auto
MESON   ?= meson
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)

export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

all: build/build.ninja
	@ninja -C build -j $(JOBS)

test-build: build-test/build.ninja
	@ninja -C build-test -j $(JOBS)

build/build.ninja:
	$(MESON) setup build --prefix=$(PREFIX) -Dtests=false

build-test/build.ninja:
	$(MESON) setup build-test -Dfailpoints=true -Dtests=true

test: test-build
	@$(MESON) test -C build-test --no-rebuild --suite unit --print-errorlogs

build-asan/build.ninja:
	$(MESON) setup build-asan -Dfailpoints=true -Dtests=true -Dstatic=false \
		-Db_sanitize=address,undefined

# The unit tests again, with the sanitizers that find what a test passes over in silence.
sanitized-build: build-asan/build.ninja
	@ninja -C build-asan -j $(JOBS)

test-sanitized: sanitized-build
	@$(MESON) test -C build-asan --no-rebuild --suite unit --print-errorlogs

check:
	@./check

# In a Debian guest of its own, with systemd and that kernel: see test/guest/README.md. All of it takes an hour
# or two under emulation; PIECE=600 does ten minutes of it, and the next call what is left.
test-guest: test-build
	@tools/deps check guest
	@rm -rf build-test/guest && tools/guest run build-test/guest/guest && tools/tap-report build-test/guest

test-guest-full: test-build
	@tools/deps check guest
	@tools/guest run --full --continue $(if $(PIECE),--for $(PIECE)) build-test/guest-full/guest && tools/tap-report build-test/guest-full

# The machine is killed while it makes containers, and booted again: a minute and a half each time under emulation.
test-guest-crash: test-build
	@tools/deps check guest
	@rm -rf build-test/guest-crash && tools/guest crash --times $(or $(TIMES),20) build-test/guest-crash/crash && tools/tap-report build-test/guest-crash

guest-shell: test-build
	@tools/deps guest
	@tools/guest shell

lint:
	@tools/lint

format:
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i --style=file

bench: all
	@tools/deps bench
	@bench/run

install: all
	@tools/install --prefix '$(PREFIX)' --destdir '$(DESTDIR)' --apparmor '$(APPARMOR)'

uninstall:
	@tools/install --uninstall --prefix '$(PREFIX)' --destdir '$(DESTDIR)'

clean:
	rm -rf build build-test build-asan build-lint

help:
	@echo 'make            build the programs in build/'
	@echo 'make test       build in build-test/ and run the unit tests (no root needed)'
	@echo 'make test-sanitized  the same under address and undefined-behaviour sanitizers'
	@echo 'make check      every test, end-to-end ones included (root; same as ./check)'
	@echo 'make test-guest   the part of the tests that ./check runs in a Debian guest (QEMU), ten minutes'
	@echo 'make test-guest-full  all that can run there; with PIECE=SECONDS a part, and the rest by further calls'
	@echo 'make test-guest-crash  kills that guest TIMES=20 times under load, and looks at what is left'
	@echo 'make guest-shell  a terminal in that guest'
	@echo 'make lint       layers, formatting, warnings of gcc and clang, scripts, spelling, man pages'
	@echo 'make format     lay out the C files as the linter wants them'
	@echo 'make bench      measure against crun, runc, bubblewrap and podman (root)'
	@echo 'make install    install below PREFIX=$(PREFIX), staged in DESTDIR if given'
	@echo 'make uninstall  remove exactly what make install put there'
	@echo 'make clean      remove the build trees'
	@echo
	@echo 'Variables: PREFIX, DESTDIR, APPARMOR (yes, no: the profile in /etc/apparmor.d), JOBS, CC. What a build needs: tools/deps --list build'

.PHONY: all test-build test sanitized-build test-sanitized check test-guest test-guest-full test-guest-crash guest-shell lint format bench install uninstall clean help
