#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The systemd driver, against a service manager of the test's own on a bus of its own: what it is asked,
# where containers end up, and what happens when it fails.

# shellcheck disable=SC2030,SC2031  # each test has an OTHER of its own

load helpers
load oci

setup_file() {
	file_setup
	FAKE=$(realpath "$INSULA_BIN/../../test/fake_systemd")
	[ -x "$FAKE" ] || skip_file "built without libsystemd"
	command -v dbus-daemon >/dev/null || skip_file "there is no dbus-daemon"
	grep -q ':name=systemd:' /proc/self/cgroup || skip_file "this host has no hierarchy called systemd"
	[ ! -d /run/systemd/system ] || skip_file "this host has the real one"
	export FAKE
}

setup() {
	oci_setup
	BUS_DIR=$(mktemp -d /tmp/insula-bus.XXXXXX)
	LOG=$BUS_DIR/systemd.log
	BUS_PID=
	FAKE_PID=
	OTHER=
	export OCI_SETTLES=4
	UNIT=insula-$UNIQUE.scope
	SLICE=insulatest-${UNIQUE//-/_}.slice
}

teardown() {
	[ -n "${E2E_STATE:-}" ] || return 0
	[ -z "$OTHER" ] || kill "$OTHER"
	# A failed test may have a manager that does not answer: a real one for the end.
	manager ok || true
	oci_teardown
	status=$?
	stop_manager
	[ -z "$BUS_PID" ] || kill "$BUS_PID"
	rm -rf "${BUS_DIR:?}"
	# shellcheck disable=SC2046  # words on purpose
	rmdir $(find /sys/fs/cgroup -depth -type d -path "*${SLICE%-*}*" | grep "${UNIQUE//-/_}") 2>/dev/null || true
	rmdir /sys/fs/cgroup/*/insulatest.slice 2>/dev/null || true
	return $status
}

bus() {
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$BUS_DIR/bus
	cat >"$BUS_DIR/bus.conf" <<-CONF
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
		 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig><type>custom</type><listen>$DBUS_SYSTEM_BUS_ADDRESS</listen><auth>EXTERNAL</auth>
		<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow own="*"/>
		<allow eavesdrop="true"/></policy></busconfig>
	CONF
	dbus-daemon --config-file="$BUS_DIR/bus.conf" --nofork --print-address >"$BUS_DIR/bus.out" 2>&1 3>&- &
	BUS_PID=$!
	for _ in $(seq 100); do
		[ ! -s "$BUS_DIR/bus.out" ] || return 0
		sleep 0.05
	done
	fail "no bus: $(cat "$BUS_DIR/bus.out")"
}

# manager MODE: start the service manager, in place of one that runs.
manager() {
	[ -n "${BUS_PID:-}" ] || bus
	stop_manager
	"$FAKE" "$1" "$LOG" 2>"$BUS_DIR/fake.err" 3>&- &
	FAKE_PID=$!
	for _ in $(seq 100); do
		! grep -q ready "$LOG" 2>/dev/null || return 0
		sleep 0.05
	done
	fail "no manager: $(cat "$BUS_DIR/fake.err")"
}

stop_manager() {
	[ -n "${FAKE_PID:-}" ] || return 0
	kill "$FAKE_PID"
	wait "$FAKE_PID" || true
	rm -f "$LOG"
	FAKE_PID=
}

# A bundle whose container waits, in the scope of this test.
scope_bundle() {
	bundle '.process.args = ["sleep", "1000"]'
	jq --arg path "$SLICE:insula:$UNIQUE" ".linux.cgroupsPath = \$path | ${1:-.}" \
		"$BUNDLE/config.json" >"$BUNDLE/new" && mv "$BUNDLE/new" "$BUNDLE/config.json"
}

systemd_runtime() {
	runtime --systemd-cgroup "$@"
}

start_one() {
	systemd_runtime create --bundle "$BUNDLE" one >"$OUT" 2>"$OUT.err" </dev/null 3>&- ||
		fail "create: $(cat "$OUT.err")"
	runtime start one
	pid=$(runtime state one | jq .pid)
}

property() {
	sed -n "s/^\t$1 //p" "$LOG"
}

@test "a container is in its scope, with the limits as properties, and all of it goes" {
	manager ok
	scope_bundle '.linux.resources = {memory: {limit: 67108864, reservation: 33554432, swap: 134217728},
		cpu: {shares: 512, quota: 50000, period: 100000}, pids: {limit: 100}}'
	start_one
	[ "$(property Slice)" = "s '$SLICE'" ]
	[ "$(property Delegate)" = "b true" ]
	[ "$(property DefaultDependencies)" = "b false" ]
	[ "$(property CPUQuotaPerSecUSec)" = "t 500000" ]
	[ "$(property CPUQuotaPeriodUSec)" = "t 100000" ]
	[ "$(property TasksMax | tail -n 1)" = "t 100" ]
	[[ $(property 'Memory[LM][ia][mx]i*t*') == "t 67108864" ]]
	[ "$(property PIDs)" = "au [1]" ]
	path=$(sed -n 's/^.*:name=systemd://p' "/proc/$pid/cgroup")
	[ "$path" = "/insulatest.slice/$SLICE/$UNIT/container" ]
	[ "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")" = "$path" ]
	[ "$(cat /sys/fs/cgroup/memory"$path"/memory.limit_in_bytes)" = 67108864 ]
	[ "$(cat /sys/fs/cgroup/pids"$path"/pids.max)" = 100 ]
	# Nobody but the container is in it, nor anywhere in the scope.
	[ "$(cat /sys/fs/cgroup/systemd"$path"/cgroup.procs)" = "$pid" ]
	[ -z "$(cat /sys/fs/cgroup/systemd/insulatest.slice/"$SLICE/$UNIT"/cgroup.procs)" ]
	systemd_runtime delete --force one
	grep -q "^StopUnit $UNIT replace" "$LOG"
	[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ]
}

@test "annotations name a subgroup and properties" {
	manager ok
	scope_bundle '.annotations = {"run.oci.systemd.subgroup": "inner",
		"org.systemd.property.TimeoutStopUSec": "uint64 1234567",
		"org.systemd.property.CollectMode": "\u0027inactive-or-failed\u0027",
		"org.systemd.property.Documentation": "[\u0027man:a(1)\u0027, \u0027man:b(1)\u0027]",
		"org.systemd.property.RuntimeMaxSec": "1.5"}'
	start_one
	[ "$(property TimeoutStopUSec)" = "t 1234567" ]
	[ "$(property RuntimeMaxUSec)" = "t 1500000" ]
	[ "$(property CollectMode)" = "s 'inactive-or-failed'" ]
	[ "$(property Documentation)" = "as 'man:a(1)' 'man:b(1)'" ]
	[[ $(sed -n 's/^.*:name=systemd://p' "/proc/$pid/cgroup") == */"$UNIT"/inner ]]
	runtime delete --force one
	[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ]
}

@test "no subgroup: the scope itself is the container's" {
	manager ok
	scope_bundle '.annotations = {"run.oci.systemd.subgroup": ""} | .linux.resources = {pids: {limit: 7}}'
	start_one
	[[ $(sed -n 's/^.*:name=systemd://p' "/proc/$pid/cgroup") == */"$UNIT" ]]
	[ "$(cat /sys/fs/cgroup/pids/insulatest.slice/"$SLICE/$UNIT"/pids.max)" = 7 ]
	runtime delete --force one
	[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ]
}

@test "an annotation that cannot be read is refused before anything is made" {
	manager ok
	for value in 'uint64 -1' 'nonsense' "'open" '[1, true]' 'uint32 4294967296' 'byte 1'; do
		scope_bundle ".annotations = {\"org.systemd.property.Foo\": \"$value\"}"
		refused_by 125 'org.systemd.property.Foo' systemd_runtime create --bundle "$BUNDLE" one
	done
	run ! grep -q StartTransientUnit "$LOG"
}

@test "a path that is no unit is refused" {
	manager ok
	scope_bundle
	for path in /a/b plain a.slice:b 'a.slice:b:../x' '-x.slice:a:b'; do
		jq --arg path "$path" '.linux.cgroupsPath = $path' "$BUNDLE/config.json" >"$BUNDLE/bad.json"
		refused_by 125 'linux.cgroupsPath' systemd_runtime create --bundle "$BUNDLE" --config "$BUNDLE/bad.json" one
	done
}

@test "a scope that only failed once is made again" {
	manager remembered
	scope_bundle
	start_one
	grep -q "^ResetFailedUnit $UNIT" "$LOG"
	runtime delete --force one
}

@test "a scope of the same name that is active is an error" {
	manager active
	scope_bundle
	refused_by 125 "already exists" systemd_runtime create --bundle "$BUNDLE" one
	# shellcheck disable=SC2154  # set by exits
	[[ $stderr == *"systemctl status $UNIT"* ]]
}

@test "a job that fails leaves nothing" {
	manager failed
	scope_bundle
	refused_by 125 "ended as 'failed'" systemd_runtime create --bundle "$BUNDLE" one
	[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ]
}

@test "without a bus the error says so" {
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$BUS_DIR/no-such-bus
	scope_bundle
	refused_by 125 "cannot reach the service manager" systemd_runtime create --bundle "$BUNDLE" one
	[[ $stderr == *"--cgroup-manager=cgroupfs"* ]]
}

@test "a start that fails later stops the scope" {
	manager ok
	scope_bundle '.process.args = ["/no/such/command"]'
	refused_by 127 "no/such/command" systemd_runtime run --bundle "$BUNDLE" one
	grep -q "^StopUnit $UNIT" "$LOG"
	[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ]
}

@test "a runtime that is killed while it starts leaves no scope, wherever that is" {
	manager ok
	scope_bundle
	for point in start.cgroup start.pad start.clone start.pivot start.release; do
		INSULA_FAIL=$point=kill systemd_runtime create --bundle "$BUNDLE" one </dev/null >"$OUT" 2>&1 3>&- || true
		for _ in $(seq 100); do
			[ -n "$(pgrep -f "insula-place|$BUNDLE/rootfs" || true)" ] || break
			sleep 0.05
		done
		systemd_runtime delete --force one
		[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ] || fail "left at $point"
	done
}

# Of an ordinary user in a login session: the kernel refuses him the birth in the scope's group.
# The log of failpoints tells the order: nothing of the container's own before the manager is done.
attached_late() {
	local points=$E2E_STATE/points
	manager ok
	scope_bundle '.process.oomScoreAdj = 100 | .process.args = ["sh", "-c", "grep ^0:: /proc/self/cgroup; sleep 1000"] | '"$1"
	INSULA_FAIL=start.cgroup-birth=error:EACCES INSULA_FAIL_LOG=$points start_one
	grep -q "^AttachProcessesToUnit $UNIT /container" "$LOG" || fail "it was born there"
	[ "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")" = "/insulatest.slice/$SLICE/$UNIT/container" ] || fail "not in its group"
	eventually 10 grep -qx 0::/ "$OUT"
	[ "$(grep -o -E 'start.attached|init.oom' "$points" | head -n 1)" = start.attached ] || fail "$(cat "$points")"
	systemd_runtime delete --force one
	[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ]
}

@test "what may not be born in its group is moved there by the manager, before it makes anything of that" {
	attached_late .
}

@test "and so is what joins a user namespace" {
	unshare -U sleep 300 3>&- &
	OTHER=$!
	eventually 10 is_apart
	echo 0 600000 65536 >"/proc/$OTHER/uid_map"
	echo 0 600000 65536 >"/proc/$OTHER/gid_map"
	attached_late ".linux.namespaces += [{type: \"user\", path: \"/proc/$OTHER/ns/user\"}]"
}

is_apart() {
	[ "$(readlink "/proc/$OTHER/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

# Speak to the helper itself: the deadline is the request's.
ask_helper() {
	python3 - "$INSULA_BIN/insula-systemd" "$1" <<-'PYTHON'
		import os, socket, struct, subprocess, sys, time
		ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		began = time.monotonic()
		helper = subprocess.Popen([sys.argv[1]], stdin=theirs)
		theirs.close()
		ours.send(sys.argv[2].encode())
		reply = ours.recv(4096)
		version, failed = struct.unpack_from("=Ii", reply)
		text = reply.decode("ascii", "replace").replace("\0", "")
		helper.wait(20)
		print("failed" if failed else "done", "%.1f" % (time.monotonic() - began), text)
	PYTHON
}

@test "a manager that never finishes is given up at the deadline" {
	manager silent
	output=$(ask_helper "{\"verb\":\"start\",\"unit\":\"$UNIT\",\"slice\":\"$SLICE\",\"timeoutMs\":500,\"properties\":[]}")
	[[ $output == failed\ * ]]
	[[ $output == *"did not finish within 500 ms"* ]]
	took=${output#failed }
	[ "${took%%.*}" -lt 10 ]
	[ -z "$(find /sys/fs/cgroup -type d -name "$UNIT")" ]
}

@test "the helper refuses what is no request" {
	manager ok
	for text in '' 'x' '{}' '{"verb":"start"}' '{"verb":"dance","unit":"a","timeoutMs":1}' \
		'{"verb":"start","unit":"a.scope","timeoutMs":0}' \
		'{"verb":"stop","unit":"a.scope","timeoutMs":5,"extra":1}' \
		'{"verb":"set","unit":"a.scope","timeoutMs":500,"properties":[{"name":"X","type":"zz","values":["1"]}]}' \
		'{"verb":"set","unit":"a.scope","timeoutMs":500,"properties":[{"name":"X","type":"t","values":["-1"]}]}'; do
		output=$(ask_helper "$text")
		[[ $output == failed* ]] || fail "taken: $text"
	done
	run ! grep -q -e Start -e Set -e Stop "$LOG"
	"$INSULA_BIN/insula-systemd" </dev/null >"$OUT" 2>&1 && fail "run by hand"
	grep -q "not run by hand" "$OUT"
}
