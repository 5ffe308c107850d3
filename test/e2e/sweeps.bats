#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever of ours is killed, or refused by the kernel, at whatever moment: no command after it hangs, rm --force
# leaves nothing, and neither system check nor doctor finds anything. See test/e2e/sweep for what each case does;
# a sample of them, INSULA_FULL=1 takes all.

# shellcheck disable=SC2154  # status and lines are set by run

load helpers

sweeps() {
	run "$E2E_DIR/sweep" "$1" "$E2E_ROOT"
	echo "$output"
	[ "$status" -eq 0 ]
	echo "# $1: ${lines[0]}" >&3
}

@test "sweeps: the failpoints of every verb, killed and failing" {
	sweeps points
}

@test "sweeps: the command, the keeper and the first process are killed at any moment" {
	sweeps kills
}

@test "sweeps: every verb is killed at any moment" {
	sweeps moments
}

@test "sweeps: every kind of system call that a verb is made of is refused once" {
	command -v strace >/dev/null || skip "no strace here"
	sweeps syscalls
}
