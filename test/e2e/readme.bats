#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The README's commands print what it says that they print.

load helpers

setup_file() { needs_root; }

@test "every command that the README shows prints what it shows" {
	PATH=$INSULA_BIN:$PATH run "$E2E_DIR/../../tools/readme-check" "$E2E_DIR/../../README.md"
	[ "$status" -eq 0 ] || fail "the README is out of date"
}

@test "a difference is found, and an empty document is none that agrees" {
	printf '%s\n' '```console' '# echo one; echo two' 'one' '# echo 3' '3' '```' >"$BATS_TEST_TMPDIR/a.md"
	run "$E2E_DIR/../../tools/readme-check" "$BATS_TEST_TMPDIR/a.md"
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = "$BATS_TEST_TMPDIR/a.md:2: 'echo one; echo two' prints:" ]
	[ "${lines[-1]}" = "2 commands, 1 of them different" ]
	: >"$BATS_TEST_TMPDIR/empty.md"
	run "$E2E_DIR/../../tools/readme-check" "$BATS_TEST_TMPDIR/empty.md"
	[ "$status" -eq 1 ]
}
