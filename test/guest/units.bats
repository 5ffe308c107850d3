#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# On a host with systemd: a container is in a unit of its own, which outlives whoever started it, and no
# control group is made outside of one.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash

setup() { oci_setup; }
teardown() { oci_teardown; }

unit_of() {
	echo "insula-$(field "$1" id).scope"
}

not_running() {
	[ "$(field "$1" status)" != running ]
}

stopped() {
	[ "$(runtime state "$1" | jq -r .status)" = stopped ]
}

property() {
	systemctl show --value --property "$2" "$1"
}

# Groups that no unit is the name of, and whatever is called like a container.
groups_of_nobody() {
	find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d |
		grep -v -E '\.(slice|scope|service|mount|socket|swap)$' | grep -v -E '\.(scope|service)/'
	find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -name '*insula*'
}

# Scopes in which something of this test still runs; an empty one ends by itself. Other files run beside.
has_no_scope() {
	local environment
	# shellcheck disable=SC2013  # names without blanks
	for environment in $(grep -l -a -F "$E2E_STATE" /proc/[0-9]*/environ 2>/dev/null); do
		! grep -q 'insula-.*\.scope' "${environment%environ}cgroup" 2>/dev/null || return 1
	done
}

is_gone() {
	[ "$(property "$1" LoadState)" = not-found ] &&
		[ -z "$(find /sys/fs/cgroup -type d -name "*${1%.scope}*")" ]
}

@test "a container and its keeper are in a delegated scope, the limits on the container" {
	ok insula run -d --name one --memory 64m --pids-limit 30 "$E2E_IMAGE" sleep 600
	unit=$(unit_of one)
	[ "$(property "$unit" Delegate)" = yes ]
	[ "$(property "$unit" Slice)" = machine.slice ]
	[ "$(property "$unit" TasksMax)" = infinity ]
	group=$(detail one .CgroupName)
	[ "$group" = "machine.slice/$unit/container" ] || fail "$group"
	grep -qx "0::/$group" "/proc/$(field one pid)/cgroup"
	grep -qx "0::/machine.slice/$unit/keeper" "/proc/$(detail one .State.KeeperPid)/cgroup"
	[ "$(group_value one memory.max)" = 67108864 ]
	[ "$(group_value one pids.max)" = 30 ]
	[ -z "$(groups_of_nobody)" ] || fail "outside of any unit: $(groups_of_nobody)"
	# A further process is in it too, and what the container sees begins there.
	ok insula exec one cat /proc/self/cgroup
	shows 0::/
	ok insula rm -f one
	eventually 10 is_gone "$unit"
}

@test "a service that started a container ends, and the container goes on" {
	ok systemd-run --quiet --wait --service-type=oneshot --setenv=INSULA_ROOT="$INSULA_ROOT" \
		--setenv=INSULA_RUNROOT="$INSULA_RUNROOT" --property=KillMode=control-group \
		"$INSULA_BIN/insula" run -d --name kept "$E2E_IMAGE" sleep 600
	[ "$(field kept status)" = running ]
	ok insula exec kept echo lives
	shows lives
}

# A login session on a terminal, all of whose processes are killed at its end.
@test "a login session ends, and the container goes on" {
	cat >"$E2E_STATE/session" <<-SCRIPT
		export INSULA_ROOT=$INSULA_ROOT INSULA_RUNROOT=$INSULA_RUNROOT
		cat /proc/self/cgroup >"$E2E_STATE/group"
		"$INSULA_BIN/insula" run -d --name kept "$E2E_IMAGE" sleep 600
		sleep 600
	SCRIPT
	E2E_STATE=$E2E_STATE expect -c 'set timeout 120
		spawn login -f root
		expect -re {# $}
		send "sh $env(E2E_STATE)/session\r"
		expect eof' >"$E2E_STATE/out" 2>&1 3>&- &
	eventually 90 insula exec kept true || fail "the session says: $(cat "$E2E_STATE/out")"
	session=$(sed -n 's/.*session-\(.*\)\.scope.*/\1/p' "$E2E_STATE/group")
	[ -n "$session" ] || fail "no session: $(cat "$E2E_STATE/group")"
	ok loginctl kill-session --signal=KILL "$session"
	wait
	ok insula exec kept echo lives
	shows lives
}

@test "a start that fails leaves no unit" {
	exits 127 insula run --name none "$E2E_IMAGE" /no/such/command
	eventually 10 has_no_scope
}

@test "a keeper that is killed takes its container and the unit along" {
	ok insula run -d --name one "$E2E_IMAGE" sleep 600
	unit=$(unit_of one)
	pid=$(field one pid)
	kill -9 "$(detail one .State.KeeperPid)"
	eventually 20 test ! -e "/proc/$pid"
	eventually 20 is_gone "$unit"
	[ "$(field one status)" = dead ]
	ok insula rm one
}

@test "stopping the unit stops the container, and it is recorded" {
	ok insula run -d --name one --stop-timeout 1 "$E2E_IMAGE" sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	ok systemctl stop "$(unit_of one)"
	eventually 20 not_running one
	ok insula rm one
}

@test "without a service manager that answers nothing is made in its tree" {
	exits 125 unshare --mount sh -c 'for socket in /run/systemd/private /run/dbus/system_bus_socket; do
		mount --bind /dev/null $socket || exit; done
		"$INSULA_BIN/insula" run --rm "$E2E_IMAGE" true
		status=$?
		while mountpoint -q "$INSULA_RUNROOT/pad"; do umount "$INSULA_RUNROOT/pad" || exit; done
		rm "$INSULA_RUNROOT/pad" # the pin was in this namespace only
		exit $status'
	# shellcheck disable=SC2154  # set by ok
	[[ $stderr == *"systemd cannot be asked for the container's control group"*hint:* ]] || fail
	[ -z "$(insula ps -aq)" ]
	! find /sys/fs/cgroup -name 'insula-*' | grep -v '\.scope' || fail "a group of its own"
}

@test "insula-runtime --systemd-cgroup: a scope with the limits as properties, by the real manager" {
	bundle '.process.args = ["sleep", "600"] | .linux.cgroupsPath = "machine.slice:insula:\($ENV.UNIQUE)"
		| .linux.resources = {memory: {limit: 67108864}, pids: {limit: 40}, cpu: {shares: 512, quota: 50000, period: 100000}}'
	runtime --systemd-cgroup create --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	unit=insula-$UNIQUE.scope
	[ "$(property "$unit" ActiveState)" = active ]
	[ "$(property "$unit" Delegate)" = yes ]
	[ "$(property "$unit" MemoryMax)" = 67108864 ]
	[ "$(property "$unit" TasksMax)" = 40 ]
	[ "$(property "$unit" CPUQuotaPerSecUSec)" = 500ms ]
	pid=$(runtime state one | jq .pid)
	group=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
	[[ $group == /machine.slice/$unit* ]] || fail "$group"
	[ "$(cat "/sys/fs/cgroup$group/memory.max")" = 67108864 ]
	ok systemctl daemon-reload
	[ "$(cat "/sys/fs/cgroup$group/memory.max")" = 67108864 ]
	[ "$(cat "/sys/fs/cgroup$group/pids.max")" = 40 ]
	runtime start one
	runtime kill one KILL
	eventually 20 stopped one
	ok runtime delete --force one
	eventually 10 is_gone "$unit"
}
