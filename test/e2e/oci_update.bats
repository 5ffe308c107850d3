#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula-runtime update and events: limits of a container that runs, and what is told of it.

load helpers
load oci

# waiting FILTER: a container that waits, running as "one".
waiting() {
	bundle ".process.args = [\"sleep\", \"1000\"] | ${1:-.}"
	create one
	runtime start one
}

# in_force CONTROLLER V1FILE V2FILE
in_force() {
	local dir=/sys/fs/cgroup/$1/insula-$UNIQUE-one
	if [ -d "$dir" ]; then
		cat "$dir/$2"
	else
		cat "/sys/fs/cgroup/insula-$UNIQUE-one/$3"
	fi
}

on_v2() {
	[ ! -d "/sys/fs/cgroup/$1/insula-$UNIQUE-one" ]
}

@test "each flag changes its limit and no other" {
	waiting '.linux.resources.memory = {limit: 67108864, swap: 134217728} | .linux.resources.pids.limit = 100
		| .linux.resources.cpu = {shares: 1024, quota: 50000, period: 100000}'
	runtime update --pids-limit 50 one
	[ "$(in_force pids pids.max pids.max)" = 50 ]
	[ "$(in_force memory memory.limit_in_bytes memory.max)" = 67108864 ]
	runtime update --pids-limit -1 one
	[ "$(in_force pids pids.max pids.max)" = max ]
	runtime update --memory 32m --memory-swap 64m one
	[ "$(in_force memory memory.limit_in_bytes memory.max)" = 33554432 ]
	runtime update --memory-reservation 16777216 one
	[ "$(in_force memory memory.soft_limit_in_bytes memory.low)" = 16777216 ]
	runtime update --cpu-share 512 one
	on_v2 cpu || [ "$(in_force cpu cpu.shares -)" = 512 ]
	# A period alone leaves the quota, also where both are in one file.
	runtime update --cpu-period 200000 one
	if on_v2 cpu; then
		[ "$(in_force cpu - cpu.max)" = "50000 200000" ]
	else
		[ "$(in_force cpu cpu.cfs_quota_us -) $(in_force cpu cpu.cfs_period_us -)" = "50000 200000" ]
	fi
	runtime update --cpu-quota -1 one
	on_v2 cpu || [ "$(in_force cpu cpu.cfs_quota_us -)" = -1 ]
	runtime update --cpuset-cpus 0 one
	[ "$(in_force cpuset cpuset.cpus cpuset.cpus)" = 0 ]
	runtime update --cpuset-mems 0 one
}

@test "a limit of memory and swap alone is above the one in force" {
	waiting '.linux.resources.memory = {limit: 67108864, swap: 67108864}'
	runtime update --memory-swap 100m one
	on_v2 memory || [ "$(in_force memory memory.memsw.limit_in_bytes -)" = 104857600 ]
	refused_by 125 "linux.resources.memory.swap" runtime update --memory-swap 10m one
}

@test "resources come from a file or the standard input" {
	waiting
	echo '{"pids": {"limit": 12}, "memory": {"limit": 41943040}, "unknown": {"to": "us"}}' >"$E2E_STATE/r.json"
	runtime update --resources "$E2E_STATE/r.json" one
	[ "$(in_force pids pids.max pids.max)" = 12 ]
	[ "$(in_force memory memory.limit_in_bytes memory.max)" = 41943040 ]
	echo '{"pids": {"limit": 13}, "memory": {"limit": 0}}' | runtime update -r - one
	[ "$(in_force pids pids.max pids.max)" = 13 ]
	[ "$(in_force memory memory.limit_in_bytes memory.max)" = 41943040 ]
}

@test "device rules of an update replace those of before, and keep the default ones" {
	waiting '.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 10, minor: 200, access: "rwm"}]'
	[ -d /sys/fs/cgroup/devices ] || skip "devices are not on cgroup v1"
	in_force devices devices.list - | grep -q '^c 10:200 rwm'
	echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]}' |
		runtime update -r - one
	in_force devices devices.list - | grep -q '^c 10:229 rw'
	in_force devices devices.list - | grep -q '^c 1:3 rwm'
	run ! grep -q '10:200' "/sys/fs/cgroup/devices/insula-$UNIQUE-one/devices.list"
}

@test "what is refused changes nothing" {
	waiting '.linux.resources.memory.limit = 67108864 | .linux.resources.pids.limit = 100'
	refused_by 125 "--memory" runtime update --memory lots one
	refused_by 125 "--cpu-idle" runtime update --cpu-idle 2 one
	refused_by 125 "linux.resources.cpu.cpus" runtime update --pids-limit 7 --cpuset-cpus 4000 one
	refused_by 125 "linux.resources.cpu.shares" runtime update --pids-limit 7 --cpu-share 1 one
	echo '{"pids": {"limit": 7}, "blockIO": {"throttleReadBpsDevice": [{"major": 4001, "minor": 77, "rate": 5}]}}' >"$E2E_STATE/r.json"
	refused_by 125 "4001:77" runtime update -r "$E2E_STATE/r.json" one
	refused_by 125 "no other flag" runtime update -r "$E2E_STATE/r.json" --pids-limit 7 one
	for text in '' '[]' '{"pids": {"limit": "7"}}' '{"pids": {"limit": 7}' '{"pids": {"limit": -2}}' \
		'{"unified": {"../x": "1"}}' '{"unified": {"cgroup.procs": "1"}}'; do
		printf %s "$text" >"$E2E_STATE/r.json"
		refused_by 125 "" runtime update -r "$E2E_STATE/r.json" one
	done
	[ "$(in_force pids pids.max pids.max)" = 100 ]
	[ "$(in_force memory memory.limit_in_bytes memory.max)" = 67108864 ]
}

@test "a limit below what is used is refused where that was asked to be checked" {
	waiting '.process.args = ["sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; echo full; sleep 1000"]
		| .linux.resources.memory.limit = 67108864'
	eventually 10 grep -q full "$OUT"
	echo '{"memory": {"limit": 1048576, "checkBeforeUpdate": true}}' >"$E2E_STATE/r.json"
	refused_by 125 "it uses" runtime update -r "$E2E_STATE/r.json" one
	[ "$(in_force memory memory.limit_in_bytes memory.max)" = 67108864 ]
}

@test "a stopped container has no limits to change, and one without a group none at all" {
	waiting
	runtime kill one KILL
	eventually 10 sh -c "[ \"\$('$INSULA_BIN/insula-runtime' --root '$OCI_ROOT' state one | jq -r .status)\" = stopped ]"
	refused_by 125 "not running" runtime update --pids-limit 5 one
	refused_by 125 "not running" runtime events --stats one
	refused_by 125 "does not exist" runtime update --pids-limit 5 two
	runtime delete one
	bundle '.process.args = ["sleep", "1000"] | del(.linux.resources.devices)'
	runtime --cgroup-manager disabled create --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&-
	refused_by 125 "no control group" runtime update --pids-limit 5 one
	runtime delete --force one
}

@test "without a group a limit is refused by its name" {
	bundle '.process.args = ["true"] | .linux.resources = {memory: {limit: 10000000}}'
	refused_by 125 "linux.resources.memory.limit" runtime --cgroup-manager disabled run --bundle "$BUNDLE" one
}

@test "statistics have the names and units that shims parse" {
	waiting '.linux.resources = {pids: {limit: 77}, memory: {limit: 67108864}}'
	runtime events --stats one >"$E2E_STATE/stats"
	[ "$(wc -l <"$E2E_STATE/stats")" -eq 1 ]
	jq -e '.type == "stats" and .id == "one"' "$E2E_STATE/stats"
	jq -e '.data | keys == ["blkio", "cpu", "cpuset", "hugetlb", "intel_rdt", "memory", "network_interfaces", "pids"]' "$E2E_STATE/stats"
	jq -e '.data.pids == {current: 1, limit: 77}' "$E2E_STATE/stats"
	jq -e '.data.memory.usage | .limit == 67108864 and .usage > 0 and .failcnt == 0' "$E2E_STATE/stats"
	jq -e '.data.memory | .swap.limit > 0 and (.raw | length) > 5 and (.kernelTCP | has("limit"))' "$E2E_STATE/stats"
	jq -e '.data.cpu.usage | .total > 0 and .kernel >= 0 and .user >= 0' "$E2E_STATE/stats"
	jq -e '.data.cpu.throttling | type == "object"' "$E2E_STATE/stats"
	jq -e '.data.cpuset | (.cpus | length) > 0 and has("sched_relax_domain_level") and has("mem_hardwall")' "$E2E_STATE/stats"
	jq -e '.data.network_interfaces == []' "$E2E_STATE/stats"
}

@test "interfaces of a container are counted, the host's are not" {
	bundle '.process.args = ["sleep", "1000"] | .linux.namespaces |= map(select(.type != "network"))'
	create one
	runtime start one
	runtime events --stats one | jq -e '.data.network_interfaces == null'
}

@test "events come again and again, until the container ends" {
	waiting
	runtime events --interval 100ms one >"$E2E_STATE/events" 3>&- &
	follower=$!
	eventually 10 sh -c "[ \$(wc -l <'$E2E_STATE/events') -ge 3 ]"
	kill -0 $follower
	runtime kill one KILL
	wait $follower
	jq -e 'select(.type == "stats") | .data.pids' "$E2E_STATE/events" >/dev/null
}

@test "events end when nobody reads them" {
	waiting
	timeout 20 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" events --interval 50ms one 3>&- | head -n 2 >"$OUT"
	[ "${PIPESTATUS[0]}" -eq 0 ]
	[ "$(wc -l <"$OUT")" -eq 2 ]
}

@test "a kill for want of memory is told" {
	bundle '.process.args = ["sh", "-c", "read line; dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; sleep 1000"]
		| .linux.resources.memory = {limit: 16777216, swap: 16777216}'
	mkfifo "$E2E_STATE/in"
	jq --arg group "/insula-$UNIQUE-one" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$BUNDLE/one.json"
	exec 7<>"$E2E_STATE/in"
	runtime create --bundle "$BUNDLE" --config "$BUNDLE/one.json" one <&7 >"$OUT" 2>&1 3>&- 7>&-
	runtime start one
	runtime events --interval 1h one >"$E2E_STATE/events" 3>&- 7>&- &
	follower=$!
	sleep 0.3
	echo go >&7
	exec 7>&-
	eventually 10 grep -q oom "$E2E_STATE/events"
	[ "$(head -n 1 "$E2E_STATE/events")" = '{"type":"oom","id":"one"}' ]
	runtime kill one KILL || true
	wait $follower
}

@test "an interval of nothing is refused" {
	waiting
	refused_by 125 "--interval" runtime events --interval 0s one
}

@test "delegation on cgroup v1 is refused, not ignored" {
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || skip "this host is on cgroup v2 alone"
	bundle '.annotations = {"run.oci.delegate-cgroup": "payload"} | .process.args = ["true"]'
	refused_by 125 "run.oci.delegate-cgroup" runtime run --bundle "$BUNDLE" one
}
