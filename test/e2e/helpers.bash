# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The frame of every end-to-end file: `load helpers`, and the four functions of bats are there. A file that wants more has
# functions of its own, which call file_setup, file_teardown, e2e_setup and e2e_teardown.
#
# Each test has state directories of its own, short because sockets live in them. After it every
# container is removed, and then nothing may be left: no process, mount or control group that belongs
# to these directories; the test fails if there is. Needs root.

bats_require_minimum_version 1.5.0

E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${INSULA_BIN:=$E2E_DIR/../../build-test/src/programs}"
export INSULA_BIN E2E_DIR

insula() {
	"$INSULA_BIN/insula" "$@"
}

# in_box FLAG... -- COMMAND: run in a container from the busybox root that is removed at its end.
in_box() {
	local flags=()
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	insula run --rm "${flags[@]}" "$E2E_IMAGE" "$@"
}

pty() {
	"$E2E_DIR/pty" "$@"
}

# skip_file REASON: for setup_file, where bats up to 1.8 takes a skip for a failure. Each test of the file
# skips instead, in its setup.
skip_file() {
	SKIP_FILE=$1
	export SKIP_FILE
}

heed_skip_file() {
	[ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"
}

needs_root() {
	[ "$(id -u)" -eq 0 ] || {
		echo "these tests need root"
		return 1
	}
}

needs_failpoints() {
	grep -q INSULA_FAIL_LOG "$INSULA_BIN/insula" || skip "built without failpoints"
}

file_setup() {
	needs_root
	[ -x "$INSULA_BIN/insula" ] || {
		echo "there is no $INSULA_BIN/insula; build it first: make test-build"
		return 1
	}
	E2E_ROOT=$BATS_FILE_TMPDIR/root
	busybox_root "$E2E_ROOT"
	E2E_IMAGE=dir:$E2E_ROOT
	export E2E_ROOT E2E_IMAGE
}

file_teardown() {
	rm -rf "${BATS_FILE_TMPDIR:?}/root"
}

e2e_setup() {
	heed_skip_file
	E2E_STATE=$(mktemp -d /tmp/insula-e2e.XXXXXX)
	export INSULA_ROOT=$E2E_STATE/lib INSULA_RUNROOT=$E2E_STATE/run
}

e2e_teardown() {
	local ids problems
	[ -n "${E2E_STATE:-}" ] || return 0
	ids=$(known_ids)
	# shellcheck disable=SC2086  # ids are hex words
	[ -z "$ids" ] || insula rm --force $ids >/dev/null || true
	problems=$(diagnosis "$ids")
	unpin_pad
	problems+=$(left_behind "$ids")
	if [ -n "$problems" ]; then
		echo "left behind:"
		echo "$problems"
		return 1
	fi
	rm -rf "${E2E_STATE:?}"
}

setup_file() { file_setup; }
teardown_file() { file_teardown; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }

# ---- what is there ----

# Ids of every container that these directories know.
known_ids() {
	local directory
	for directory in "$INSULA_ROOT"/containers/* "$INSULA_RUNROOT"/containers/*; do
		[ -d "$directory" ] && echo "${directory##*/}"
	done | sort -u
}

# What doctor finds of these containers and directories. It looks at the whole host, where another test
# or another user's container may be half made or half gone at this moment.
diagnosis() {
	[ -d "$INSULA_RUNROOT" ] || return 0
	# shellcheck disable=SC2086  # ids are hex words
	insula doctor 2>&1 | grep '^ *found' | grep -F -f <(printf '%s\n' "$E2E_STATE" $1) |
		sed 's/^/doctor: /'
}

# The launch pad's pin stays by design; the tests' own is taken away, with the private mount below it
# where the host's mounts are shared.
unpin_pad() {
	while mountpoint -q "$INSULA_RUNROOT/pad" 2>/dev/null; do
		umount "$INSULA_RUNROOT/pad" || break
	done
}

# One line for each trace of the given containers and of this test's directories.
left_behind() {
	local end=$((SECONDS + 4))
	known_ids | sed 's/^/container: /'
	# A service manager removes the group of a keeper that has just gone when it hears of it.
	while [ -n "$(own_processes "$1")$(own_groups "$1")" ] && [ $SECONDS -lt $end ]; do sleep 0.1; done
	own_processes "$1" | sed 's/^/process: /'
	find "$INSULA_ROOT/removed" -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/files: /'
	grep -h -F "$E2E_STATE" /proc/self/mountinfo | sed 's/^/mount: /' || true
	own_groups "$1" | sed 's/^/cgroup: /'
	find "$INSULA_RUNROOT" -type s 2>/dev/null | sed 's/^/socket: /'
	find "$INSULA_RUNROOT/ids" "$INSULA_ROOT/names" -type f 2>/dev/null | sed 's/^/file: /'
}

own_groups() {
	[ -n "$1" ] || return 0
	# shellcheck disable=SC2086  # ids are hex words
	find /sys/fs/cgroup -maxdepth 3 -type d -name '*insula-*' 2>/dev/null |
		grep -F -f <(printf 'insula-%s\n' $1) || true
}

# Processes that work in these directories or belong to these containers. The patterns come by
# descriptor, so that the search does not find itself.
own_processes() {
	local pid
	{
		grep -l -a -F -f <(echo "$E2E_STATE") /proc/[0-9]*/cmdline
		# shellcheck disable=SC2086  # ids are hex words
		[ -z "$1" ] || grep -l -F -f <(printf 'insula-%s\n' $1) /proc/[0-9]*/cgroup
	} 2>/dev/null | cut -d/ -f3 | sort -u | while read -r pid; do
		echo "$pid $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
	done
}

# What a refused command could have made in these directories, as text to compare. Processes, mounts and
# groups are looked for after the test, and on the whole host after all of them (tools/host-snapshot).
state() {
	known_ids
	find "$INSULA_RUNROOT/ids" "$INSULA_ROOT/names" -type f 2>/dev/null || true
}

# ---- assertions: say what was there instead ----


fail() {
	echo "$*"
	echo "status: ${status:-}"
	echo "output: ${output:-}"
	echo "stderr: ${stderr:-}"
	return 1
}

# ok COMMAND...: it succeeds; its output is in $output, and its errors in $stderr.
ok() {
	run --separate-stderr "$@"
	[ "$status" -eq 0 ] || fail "failed: $*"
}

# exits CODE COMMAND...
exits() {
	local code=$1
	shift
	run "-$code" --separate-stderr "$@" || fail "expected exit status $code: $*"
}

# shows TEXT: all of the last command's output.
shows() {
	[ "$output" = "$1" ] || fail "expected output: $1"
}

contains() {
	[[ $output == *"$1"* ]] || fail "expected in the output: $1"
}

lacks() {
	[[ $output != *"$1"* ]] || fail "not expected in the output: $1"
}

# refused CODE TEXT COMMAND...: ends with that code and one error that has the text, perhaps with a
# hint below it; prints nothing else and makes nothing.
refused() {
	local code=$1 text=$2 before errors
	shift 2
	before=$(state)
	exits "$code" "$@" || return
	[ -z "$output" ] || fail "output beside the error: $*" || return
	[[ $stderr == *"$text"* ]] || fail "expected in the error: $text" || return
	errors=$(grep -v -c '^hint: ' <<<"$stderr")
	[ "$errors" -eq 1 ] || fail "$errors lines of errors: $*" || return
	[[ $stderr != *$'\e'* ]] || fail "the error has an escape sequence" || return
	[ "$(state)" = "$before" ] || fail "something was made: $(state)"
}

# eventually SECONDS COMMAND...: it succeeds within that time, of which a busy machine has four times as much, and
# the guest what it needs: only a failure waits so long.
eventually() {
	local end=$((SECONDS + $1 * 4 * ${INSULA_TEST_SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "did not happen: $*" || return
		sleep 0.05
	done
}

# said REF WORD: has it printed that? A program that traps signals says so first.
said() {
	insula logs "$1" 2>&1 | grep -q "$2"
}

# field REF KEY: one value of what ps says about a container: id, name, status, pid, exit_code, ...
field() {
	insula ps --all --no-trunc --format json |
		jq -r --arg ref "$1" ".[] | select(.name == \$ref or .id == \$ref) | .$2"
}

# detail REF FILTER: one value of what inspect says, by jq.
detail() {
	insula inspect "$1" | jq -r ".[0] | $2"
}

# A value from a control group file of a container, wherever this host has the controller. The first
# of the files that exists is taken: group_value REF memory.max memory/memory.limit_in_bytes
group_value() {
	local group file base path
	group=$(detail "$1" .CgroupName)
	shift
	for file in "$@"; do
		for base in /sys/fs/cgroup /sys/fs/cgroup/unified; do
			case $file in
			*/*) path=$base/${file%%/*}/$group/${file#*/} ;;
			*) path=$base/$group/$file ;;
			esac
			if [ -e "$path" ]; then
				cat "$path"
				return
			fi
		done
	done
	echo "no such file of the group $group"
	return 1
}

# ---- images ----

# busybox_root DIRECTORY: the smallest root file system with a shell and the usual commands.
busybox_root() {
	local root=$1 busybox
	busybox=$(command -v busybox)
	mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,root,home,srv,usr/bin,var/log,run}
	mkdir -m 1777 "$root/tmp" "$root/var/tmp"
	cp "$busybox" "$root/bin/busybox"
	# Not with ln, hundreds of times: in the emulated guest that is ten seconds for each file.
	"$root/bin/busybox" --list | grep -vx busybox |
		perl -e 'while (<STDIN>) { chomp; symlink "busybox", "$ARGV[0]/$_" or die }' "$root/bin"
	printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1::/:/bin/false \
		user:x:1000:1000::/home:/bin/sh nobody:x:65534:65534::/:/bin/false >"$root/etc/passwd"
	printf '%s\n' root:x:0: daemon:x:1: wheel:x:10:user user:x:1000: extra:x:2000:user,root \
		nogroup:x:65534: >"$root/etc/group"
	printf 'NAME=pad\nID=e2e\n' >"$root/etc/os-release"
	chmod 755 "$root"
}

# copy_of_root NAME: a root of one's own to spoil; its path.
copy_of_root() {
	local copy=$BATS_TEST_TMPDIR/$1
	cp -a "$E2E_ROOT" "$copy"
	echo "$copy"
}

# static_program SOURCE OUTPUT: C for running inside a root without libraries. Where there is no
# compiler, E2E_PROGRAMS has them ready.
static_program() {
	local built
	built=${E2E_PROGRAMS:-}/$(basename "$1" .c)
	if [ -n "${E2E_PROGRAMS:-}" ]; then
		cp "$built" "$2"
		return
	fi
	cc -D_GNU_SOURCE -static -O1 -Wall -o "$2" "$1"
}
