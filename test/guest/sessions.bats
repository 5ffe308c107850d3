#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# An ordinary user's containers in scopes of the user's own service manager, wherever the user is.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash
load sessions.bash

setup() { sessions_setup; }
teardown() { sessions_teardown; }

@test "a container is in a scope of the user's manager, with its limit, and a service that made it may end" {
	create_in_the_manager
	group=$(sed -n 's/^0:://p' "/proc/$PID/cgroup")
	[[ $group == /user.slice/user-$USER_ID.slice/user@$USER_ID.service/*$UNIT* ]] || fail "$group"
	[ "$(cat "/sys/fs/cgroup$group/pids.max")" = 40 ]
	[ "$(as_user systemctl --user show --value --property Delegate "$UNIT")" = yes ]
}

@test "in a login session: verb by verb, in a scope of the user's manager" {
	in_a_login '
		$RUNTIME --systemd-cgroup create --bundle "'"$BUNDLE"'" one </dev/null && echo made
		$RUNTIME start one && echo started
		sed s/^/group:/ /proc/$($RUNTIME state one | jq .pid)/cgroup
		$RUNTIME exec one cat /proc/self/cgroup | sed s/^/exec:/
		$RUNTIME exec --detach one sleep 500 && echo second
		$RUNTIME ps --format json one | jq length | sed s/^/processes:/
		$RUNTIME update --pids-limit 20 one
		XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user show --property TasksMax '"$UNIT"'
		$RUNTIME pause one && $RUNTIME state one | jq -r .status | sed s/^/status:/
		$RUNTIME resume one
		$RUNTIME delete --force one && echo gone'
	said made
	said started
	said "group:0::/user.slice/user-$USER_ID.slice/user@$USER_ID.service/user.slice/$UNIT/container"
	said exec:0::/
	said second
	said processes:2
	said TasksMax=20
	said status:paused
	said gone
	has_no_unit
	[ "$(as_user systemctl --user show --value --property LoadState "$UNIT")" = not-found ]
}

@test "insula run in a login session: keeper and container in a scope of the user's manager" {
	local directory=$E2E_STATE/user
	cp -a "$E2E_ROOT" "$directory/image"
	chown -R "$USER_ID:$USER_ID" "$directory/image"
	in_a_login '
		export INSULA_ROOT='"$directory/lib INSULA_RUNROOT=$directory/engine"'
		export XDG_RUNTIME_DIR=/run/user/$(id -u)
		insula='"$INSULA_BIN/insula"'
		$insula run --detach --name mine --memory 64m --pids-limit 30 dir:'"$directory"'/image sleep 600 && echo made
		$insula ps --format json | jq .[0].pid | sed s/^/pid:/
		$insula inspect mine | jq -r ".[0].Id, .[0].CgroupName" | sed s/^/about:/
		$insula exec mine cat /proc/self/cgroup | sed s/^/exec:/'
	said made
	said exec:0::/
	pid=$(sed -n 's/^pid://p' "$directory/said")
	id=$(sed -n 's/^about://p' "$directory/said" | head -n 1)
	group=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
	[ "$group" = "/user.slice/user-$USER_ID.slice/user@$USER_ID.service/user.slice/insula-$id.scope/container" ] || fail "$group"
	said "about:${group#/}"
	[ "$(cat "/sys/fs/cgroup$group/memory.max")" = 67108864 ]
	[ "$(cat "/sys/fs/cgroup$group/pids.max")" = 30 ]
	[ "$(as_user systemctl --user show --value --property Delegate "insula-$id.scope")" = yes ]
	eventually 30 has_no_session
	[ -e "/proc/$pid" ] || fail "it ended with the session"
	INSULA_ROOT=$directory/lib INSULA_RUNROOT=$directory/engine ok as_user "$INSULA_BIN/insula" rm --force mine
	eventually 20 test ! -e "/sys/fs/cgroup$(dirname "$group")"
}
