#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# ./run, as somebody runs it who has just cloned the project: with /run and /var/lib of its own, so that
# the machine's state is not touched, and with nothing of Insula in them.

load helpers

setup_file() {
	needs_root
	make -C "$E2E_DIR/../.." all >/dev/null 2>&1
}

setup() {
	top=$(cd "$E2E_DIR/../.." && pwd)
	unset INSULA_ROOT INSULA_RUNROOT
}

# afresh COMMAND...: in a mount namespace without state; then what is left there.
afresh() {
	unshare --mount sh -c 'mount -t tmpfs none /run && mount -t tmpfs none /var/lib || exit 99
		"$@"
		status=$?
		find /run/insula /var/lib/insula 2>/dev/null | sed "s/^/LEFT /"
		grep -c pad /proc/self/mountinfo | sed "s/^/MOUNTS /"
		exit $status' sh "$@"
}

# row LABEL: what the tour shows for it on the host, a bar, and in the container.
row() {
	grep "^  $1 " <<<"$output" | cut -c30- | sed 's/ *$//; s/   */|/'
}

@test "without a terminal: the host and the container side by side, measured and not made up" {
	run --separate-stderr afresh "$top/run" </dev/null
	[ "$status" -eq 0 ] || fail "the tour failed"
	[ "$(row kernel)" = "$(uname -r)|$(uname -r)" ] || fail "kernel"
	[[ $(row 'host name') == "$(uname -n)|"* ]] || fail "host name"
	[ "$(row 'CPUs it may use')" = "$(nproc)|1" ] || fail "CPUs"
	[ "$(row 'memory limit')" = "none|256 MiB" ] || fail "memory limit"
	[[ $(row 'which the host knows as') == "uid 0|uid "[1-9]* ]] || fail "user namespace"
	[[ $(row 'network interfaces') == *"|1: lo" ]] || fail "interfaces"
	[[ $(row 'password hashes (shadow)') == *"|absent" ]] || fail "shadow"
	[[ $(row 'set the clock') == *"|refused" ]] || fail "clock"
	[ "$(row 'entries in /root')" = "$(find /root -mindepth 1 -maxdepth 1 | wc -l)|0" ] || fail "root"
}

@test "it leaves no state and no mount behind" {
	run --separate-stderr afresh "$top/run" --tour
	[ "$status" -eq 0 ] || fail "the tour failed"
	lacks "LEFT "
	contains "MOUNTS 0"
}

@test "state that was there before stays" {
	run --separate-stderr afresh sh -c 'mkdir -m 700 /run/insula /var/lib/insula && touch /var/lib/insula/mine && "$1" --tour' sh "$top/run"
	[ "$status" -eq 0 ] || fail "the tour failed"
	contains "LEFT /var/lib/insula/mine"
	contains "LEFT /run/insula"
}

@test "on a terminal: a shell in a container, and its exit code" {
	run afresh "$E2E_DIR/pty" --timeout 60 --expect "exit' leaves it" --expect '# ' \
		--send 'echo "pid $$, $(nproc) CPU"\r' --expect 'pid 1, 1 CPU' --send 'exit 7\r' -- "$top/run"
	[ "$status" -eq 7 ] || fail "expected the shell's exit code"
	lacks "LEFT "
}

@test "an unknown argument is refused" {
	run "$top/run" --turbo
	[ "$status" -eq 2 ]
	[ "$output" = "usage: ./run [--tour]" ]
}
