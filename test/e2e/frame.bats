#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The frame of the other files must be able to fail: what it looks for after each test is planted here.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

@test "nothing was left: nothing is said" {
	run left_behind ""
	shows ''
}

@test "a mount that was left is named" {
	mkdir "$E2E_STATE/here"
	mount -t tmpfs planted "$E2E_STATE/here"
	run left_behind ""
	umount "$E2E_STATE/here"
	contains "mount: "
	contains "$E2E_STATE/here"
}

@test "a process that was left is named" {
	tail -f /dev/null "$E2E_STATE" 2>/dev/null &
	local left=$!
	run left_behind ""
	kill $left
	wait $left 2>/dev/null || true
	contains "process: $left tail"
}

@test "a group that was left is named" {
	local id group
	id=$(printf '%064d' $$)
	group=$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d | head -n 1)/insula-$id
	mkdir "$group"
	run left_behind "$id"
	rmdir "$group"
	contains "cgroup: $group"
}

@test "a container, a name and an id range that were left are named" {
	mkdir -p "$INSULA_RUNROOT/containers/abc" "$INSULA_RUNROOT/ids" "$INSULA_ROOT/names"
	touch "$INSULA_RUNROOT/ids/7" "$INSULA_ROOT/names/one"
	run left_behind ""
	rm -r "$INSULA_RUNROOT" "$INSULA_ROOT"
	contains "container: abc"
	contains "/ids/7"
	contains "/names/one"
}

@test "an error that is none, two errors, and an error beside output are not taken for one" {
	run refused 125 text true
	[ "$status" -ne 0 ]
	run refused 125 text sh -c 'echo text >&2; echo text >&2; exit 125'
	[ "$status" -ne 0 ]
	run refused 125 text sh -c 'echo text >&2; echo more; exit 125'
	[ "$status" -ne 0 ]
	run refused 125 other sh -c 'echo text >&2; exit 125'
	[ "$status" -ne 0 ]
	refused 125 text sh -c 'echo text >&2; echo "hint: do" >&2; exit 125'
}

@test "pty: waits, types, and passes the exit status on" {
	run pty --expect go --send 'yes\r' --expect 'got yes' -- sh -c 'echo go; read -r word; echo "got $word"; exit 6'
	[ "$status" -eq 6 ]
	run pty --timeout 1 --expect never -- sh -c 'echo now; sleep 20'
	[ "$status" -eq 124 ]
}
