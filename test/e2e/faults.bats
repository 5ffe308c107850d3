#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever of ours is killed, or refused by the kernel, at whatever moment: no command after it hangs, and
# rm --force leaves nothing. See test/e2e/sweep for what each case does.

load helpers

setup_file() { file_setup; }
teardown_file() { file_teardown; }

sweeps() {
	run "$E2E_DIR/sweep" "$1" "$E2E_ROOT"
	echo "$output"
	[ "$status" -eq 0 ]
	echo "# $1: ${lines[0]}" >&3
}

@test "faults: every failpoint of start, run, exec, stop and rm, killed and failing" {
	sweeps points
}

@test "faults: the command, the keeper and the first process are killed at any moment" {
	sweeps kills
}

@test "faults: every kind of system call that a start is made of is refused once" {
	command -v strace >/dev/null || skip "no strace here"
	sweeps syscalls
}
