#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# How long an ordinary user's containers live: with linger they outlive the session that started them, without
# it they end with the last one.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash
load sessions.bash

setup() { sessions_setup; }
teardown() { sessions_teardown; }

@test "without linger the manager ends after the last session, and the container with it" {
	create_in_the_manager
	loginctl disable-linger user
	eventually 60 test ! -e "/proc/$PID"
	eventually 30 has_no_unit
	eventually 60 test ! -e "/run/user/$USER_ID/bus"
	# Nobody knows the unit any more, and that is no reason to keep the container.
	ok as_user_runtime delete --force one
	[ -z "$(as_user_runtime list -q)" ]
}

@test "with linger a container outlives the session that started it, and without it ends after it" {
	start='$RUNTIME --systemd-cgroup run --detach --bundle "'"$BUNDLE"'" one </dev/null >/dev/null && echo made
		$RUNTIME state one | jq .pid | sed s/^/pid:/'
	in_a_login "$start"
	said made
	eventually 30 has_no_session
	[ "$(as_user_runtime state one | jq -r .status)" = running ]
	as_user_runtime delete --force one
	loginctl disable-linger user
	in_a_login "$start"
	said made
	pid=$(sed -n 's/^pid://p' "$E2E_STATE/user/said")
	eventually 60 test ! -e "/proc/$pid"
	eventually 30 has_no_unit
}
