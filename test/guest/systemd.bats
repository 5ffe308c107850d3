#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# On a host that systemd runs, with cgroup v2: scopes of containers under insula-runtime, scopes of keepers
# under insula, and what a reload or the end of a service leaves of them.

load ../e2e/helpers
load ../e2e/oci.bash

setup() {
	oci_setup
	UNIT=insula-$UNIQUE.scope
	PLACE=/sys/fs/cgroup/system.slice/$UNIT
}

teardown() {
	for id in $(runtime list -q); do
		runtime delete --force "$id" || true
	done
	[ -z "${STALE:-}" ] || systemctl stop "$STALE" 2>/dev/null || true
	systemctl reset-failed >/dev/null 2>&1 || true
	oci_teardown
}

scope_bundle() {
	bundle '.process.args = ["sh", "-c", "while :; do sleep 1; done"]'
	jq --arg path ":insula:$UNIQUE" ".linux.cgroupsPath = \$path | ${1:-.}" \
		"$BUNDLE/config.json" >"$BUNDLE/new" && mv "$BUNDLE/new" "$BUNDLE/config.json"
}

start_one() {
	runtime --systemd-cgroup create --bundle "$BUNDLE" one >"$OUT" 2>"$OUT.err" </dev/null 3>&- ||
		fail "create: $(cat "$OUT.err")"
	runtime start one
	pid=$(runtime state one | jq .pid)
}

unit_has() {
	local got
	got=$(systemctl show -p "${1%%=*}" "$UNIT")
	[ "$got" = "$1" ] || fail "the unit has $got, expected $1"
}

@test "a container is in a delegated scope, with its limits there and in its own directory" {
	scope_bundle '.linux.resources = {memory: {limit: 67108864, swap: 100663296}, cpu: {shares: 512, quota: 50000, period: 100000},
		pids: {limit: 100}} | .annotations = {"org.systemd.property.TimeoutStopUSec": "uint64 7000000"}'
	start_one
	[ "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")" = "/system.slice/$UNIT/container" ]
	unit_has ActiveState=active
	unit_has Delegate=yes
	unit_has MemoryMax=67108864
	unit_has MemorySwapMax=33554432
	unit_has CPUWeight=59
	unit_has CPUQuotaPerSecUSec=500ms
	unit_has TasksMax=100
	unit_has TimeoutStopUSec=7s
	[ "$(cat "$PLACE/container/memory.max")" = 67108864 ]
	[ "$(cat "$PLACE/container/memory.swap.max")" = 33554432 ]
	[ "$(cat "$PLACE/container/cpu.weight")" = 59 ]
	[ "$(cat "$PLACE/container/cpu.max")" = "50000 100000" ]
	[ "$(cat "$PLACE/container/pids.max")" = 100 ]
	grep -qx "$pid" "$PLACE/container/cgroup.procs"
	[ -z "$(cat "$PLACE/cgroup.procs")" ]
	runtime delete --force one
	[ ! -e "$PLACE" ]
	unit_has ActiveState=inactive
	unit_has LoadState=not-found
}

@test "a reload of systemd takes no limit and no device away" {
	scope_bundle '.process.args = ["sh", "-c", "while :; do { : >/dev/null && echo null; { : <>/dev/fuse; } 2>/dev/null && echo fuse; } >>/out; sleep 0.1; done"]
		| .linux.resources = {memory: {limit: 67108864}, pids: {limit: 50},
		devices: [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 10, minor: 229, access: "rwm"}]}
		| .linux.devices = [{path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 438}]'
	start_one
	systemctl daemon-reload
	sleep 1
	: >"$BUNDLE/rootfs/out"
	sleep 1
	grep -q null "$BUNDLE/rootfs/out"
	[ "$(cat "$PLACE/container/memory.max")" = 67108864 ]
	[ "$(cat "$PLACE/container/pids.max")" = 50 ]
	runtime delete --force one
}

@test "update changes the unit and the directory" {
	scope_bundle '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 50}, cpu: {quota: 20000, period: 100000}}'
	start_one
	runtime update --memory 33554432 --pids-limit 20 one
	unit_has MemoryMax=33554432
	unit_has TasksMax=20
	[ "$(cat "$PLACE/container/memory.max")" = 33554432 ]
	[ "$(cat "$PLACE/container/pids.max")" = 20 ]
	runtime update --cpu-period 50000 one
	[ "$(cat "$PLACE/container/cpu.max")" = "20000 50000" ]
	unit_has CPUQuotaPerSecUSec=400ms
	[ "$(cat "$PLACE/cpu.max")" = "20000 50000" ]
	runtime update --pids-limit -1 one
	unit_has TasksMax=infinity
	runtime delete --force one
}

@test "a limit of one process, and of none, lets the first one start" {
	for limit in 1 0; do
		scope_bundle ".ociVersion = \"1.3.0\" | .linux.resources = {pids: {limit: $limit}} | .process.args = [\"sleep\", \"1000\"]"
		start_one
		[ "$(cat "$PLACE/container/pids.max")" = $limit ]
		[ "$(cat "$PLACE/container/pids.current")" = 1 ]
		runtime delete --force one
	done
}

@test "a second container of the same scope is refused, the first one stays" {
	scope_bundle
	start_one
	refused_by 125 "already" runtime --systemd-cgroup create --bundle "$BUNDLE" two
	unit_has ActiveState=active
	[ "$(runtime state one | jq -r .status)" = running ]
}

@test "a slice in a slice, and systemd's own stop ends the container" {
	scope_bundle ".linux.cgroupsPath = \"insulatest-a.slice:insula:$UNIQUE\""
	start_one
	[ "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")" = "/insulatest.slice/insulatest-a.slice/$UNIT/container" ]
	systemctl stop "$UNIT"
	eventually 10 sh -c "[ \"\$('$INSULA_BIN/insula-runtime' --root '$OCI_ROOT' state one | jq -r .status)\" = stopped ]"
	runtime delete one
	systemctl stop insulatest.slice
}

@test "what a failed start leaves is nothing" {
	scope_bundle '.process.args = ["/no/such/command"]'
	refused_by 127 "no/such/command" runtime --systemd-cgroup run --bundle "$BUNDLE" one
	unit_has LoadState=not-found
	scope_bundle
	for point in start.cgroup start.clone start.pivot; do
		INSULA_FAIL=$point=kill runtime --systemd-cgroup create --bundle "$BUNDLE" one </dev/null >"$OUT" 2>&1 3>&- || true
		runtime delete --force one
		eventually 10 sh -c "[ ! -e $PLACE ]"
		unit_has LoadState=not-found
	done
}

# empty_scope UNIT: as where a keeper was killed while systemd put it there. Of a process that has ended and not been
# reaped the kernel takes the number, and moves nothing.
empty_scope() {
	STALE=$1
	python3 -c 'import os, time
pid = os.fork()
if pid == 0: os._exit(0)
time.sleep(0.3)
print(pid, flush=True)
time.sleep(600)' >"$E2E_STATE/zombie" 3>&- &
	ZOMBIES=$!
	eventually 20 test -s "$E2E_STATE/zombie"
	busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartTransientUnit \
		'ssa(sv)a(sa(sv))' "$1" fail 3 Slice s machine.slice Delegate b true PIDs au 1 "$(cat "$E2E_STATE/zombie")" 0 >/dev/null
	eventually 20 systemctl is-active --quiet "$1"
	kill "$ZOMBIES"
	wait "$ZOMBIES" || true
	sleep 1
	systemctl is-active --quiet "$1" || skip "this systemd sees that it is empty"
	[ -z "$(cat "/sys/fs/cgroup/machine.slice/$1/cgroup.procs")" ] || fail
}

@test "a scope that systemd holds to be running, with nobody in it, is in no start's way, and goes with its container" {
	local id unit
	ok insula create --name one "$E2E_IMAGE" sleep 1000
	id=$(field one id)
	unit=insula-$id.scope
	empty_scope "$unit"
	ok insula start one
	[ "$(sed -n 's/^0:://p' "/proc/$(detail one .State.Pid)/cgroup")" = "/machine.slice/$unit/container" ] || fail
	ok insula stop --time 0 one
	eventually 10 test ! -e "/sys/fs/cgroup/machine.slice/$unit"
	empty_scope "$unit"
	ok insula rm one
	[ ! -e "/sys/fs/cgroup/machine.slice/$unit" ] || fail
	[ "$(systemctl show -p LoadState "$unit")" = LoadState=not-found ] || fail
}

@test "an empty scope of no container is the doctor's" {
	local id unit
	id=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
	unit=insula-$id.scope
	empty_scope "$unit"
	sleep 11 # what is young may be somebody's
	run --separate-stderr insula doctor
	[ "$status" -eq 1 ] || fail
	[[ $output == *"found  scope $unit"* ]] || fail
	ok insula doctor --repair
	[ ! -e "/sys/fs/cgroup/machine.slice/$unit" ] || fail
	ok insula doctor
}

@test "a keeper has a scope of its own, and outlives the service that started it" {
	cat >"$E2E_STATE/go" <<-SCRIPT
		#!/bin/sh
		export INSULA_ROOT=$INSULA_ROOT INSULA_RUNROOT=$INSULA_RUNROOT
		$INSULA_BIN/insula run -d --name kept --memory 64m $E2E_IMAGE sleep 1000
	SCRIPT
	chmod +x "$E2E_STATE/go"
	systemd-run --quiet --wait --unit "insula-test-$UNIQUE" "$E2E_STATE/go"
	id=$(insula ps -q --no-trunc)
	[ -n "$id" ]
	place=/sys/fs/cgroup/machine.slice/insula-$id.scope
	[ "$(wc -l <"$place/keeper/cgroup.procs")" -ge 1 ]
	[ "$(cat "$place/container/memory.max")" = 67108864 ]
	[ -z "$(cat "$place/cgroup.procs")" ]
	[ -z "$(find /sys/fs/cgroup -maxdepth 1 -name "insula-$id*")" ]
	[ "$(insula inspect kept | jq -r '.[0].CgroupName')" = "machine.slice/insula-$id.scope/container" ]
	insula exec kept true
	insula rm --force kept
	eventually 10 sh -c "[ ! -e $place ]"
	[ "$(systemctl show -p LoadState "insula-$id.scope")" = LoadState=not-found ]
}

@test "a manager that stops the scope of a container gives it its time, and leaves it to be started again" {
	insula run -d --name kept --restart always --stop-timeout 100 --stop-signal USR1 "$E2E_IMAGE" \
		sh -c 'trap "" TERM; trap "sleep 2; exit 3" USR1; echo up; while :; do sleep 0.2; done'
	id=$(insula ps -q --no-trunc)
	eventually 60 said kept up
	[ "$(systemctl show -p TimeoutStopUSec "insula-$id.scope")" = "TimeoutStopUSec=1min 50s" ]
	[ "$(systemctl show -p RequiresMountsFor "insula-$id.scope")" = "RequiresMountsFor=$INSULA_ROOT" ]
	systemctl stop "insula-$id.scope"
	eventually 10 sh -c "[ ! -e /sys/fs/cgroup/machine.slice/insula-$id.scope ]"
	[ "$(field kept status) $(field kept exit_code)" = "exited 3" ] || fail
	ok insula up
	[ "$(field kept status)" = running ] || fail
	insula rm --force kept
}

@test "a keeper that is killed takes its scope along" {
	insula run -d --name kept "$E2E_IMAGE" sleep 1000
	id=$(insula ps -q --no-trunc)
	place=/sys/fs/cgroup/machine.slice/insula-$id.scope
	kill -9 "$(head -n 1 "$place/keeper/cgroup.procs")"
	eventually 10 sh -c "[ ! -e $place ]"
	insula rm kept
}

@test "a delegated directory is the container's to fill, below the one with the limits" {
	scope_bundle '.annotations = {"run.oci.delegate-cgroup": "payload"} | .linux.resources = {pids: {limit: 50}}
		| .process.args = ["sh", "-c", "cat /proc/self/cgroup >/out; while :; do sleep 1; done"]'
	start_one
	[ "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")" = "/system.slice/$UNIT/container/payload" ]
	[ "$(cat "$PLACE/container/pids.max")" = 50 ]
	[ "$(cat "$PLACE/container/payload/pids.max" 2>/dev/null || echo max)" = max ]
	eventually 10 grep -q . "$BUNDLE/rootfs/out"
	# As seen inside, the group with the limits is the top.
	[ "$(cat "$BUNDLE/rootfs/out")" = 0::/payload ]
	runtime exec one true
	runtime delete --force one
	[ ! -e "$PLACE" ]
}
