#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What only a host with cgroup v2 alone has: device rules as a BPF program that an update replaces, and groups
# that belong to container root.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash

setup() { oci_setup; }
teardown() { oci_teardown; }

kmsg() {
	# Not with ":", which is a special built-in and would end the shell.
	runtime exec one sh -c '{ true >/dev/kmsg; } 2>/dev/null && echo allowed || echo denied'
}

@test "device rules of an update replace those of before, and at no moment is /dev/null denied" {
	bundle '.linux.resources = {devices: [{allow: false, access: "rwm"}]}
		| .linux.devices = [{path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 438}]
		| .process.args = ["sh", "-c", "while :; do { true >/dev/null; } 2>>/denied || echo denied >>/denied; echo x >>/tries; done"]'
	create one
	ok runtime start one
	eventually 20 test -s "$BUNDLE/rootfs/tries"
	[ "$(kmsg)" = denied ] || fail "before the update"
	for rule in true false true; do
		for _ in 1 2 3 4 5 6; do
			echo "{\"devices\": [{\"allow\": false, \"access\": \"rwm\"},
				{\"allow\": $rule, \"type\": \"c\", \"major\": 1, \"minor\": 11, \"access\": \"rwm\"}]}" |
				runtime update --resources - one
		done
		expected=denied
		[ $rule = false ] || expected=allowed
		[ "$(kmsg)" = $expected ] || fail "after $rule"
	done
	# Limits alone leave the rules as they are.
	runtime update --pids-limit 50 one
	[ "$(kmsg)" = allowed ] || fail "a limit changed the rules"
	[ ! -s "$BUNDLE/rootfs/denied" ] || fail "denied in $(wc -l <"$BUNDLE/rootfs/tries") tries: $(head -n 3 "$BUNDLE/rootfs/denied")"
	[ "$(wc -l <"$BUNDLE/rootfs/tries")" -gt 20 ] || fail "it hardly ran"
	refused_by 125 'devices' runtime update --resources <(echo '{"devices": [{"allow": true, "access": "rwq"}]}') one
	[ "$(kmsg)" = allowed ] || fail "a refused update changed something"
}

# placed PATH OPTION...: the bundle's container in that cgroupsPath; its group, as the kernel has it, is in $GROUP.
placed() {
	jq --arg path "$1" '.linux.cgroupsPath = $path' "$BUNDLE/config.json" >"$BUNDLE/one.json"
	shift
	runtime "$@" create --bundle "$BUNDLE" --config "$BUNDLE/one.json" one >"$OUT" 2>"$OUT.err" </dev/null 3>&- ||
		fail "create: $(cat "$OUT.err")"
	GROUP=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(runtime state one | jq .pid)/cgroup")
	[[ $GROUP == *$UNIQUE* ]] || fail "it is in $GROUP"
}

# enabled_above CONTROLLER: in every directory from the group's parent up to the top.
enabled_above() {
	local directory=$GROUP
	while [ "$directory" != /sys/fs/cgroup ]; do
		directory=$(dirname "$directory")
		grep -qw "$1" "$directory/cgroup.subtree_control" || fail "$1 is not enabled in $directory, for $GROUP"
	done
}

# Each limit alone, so that no controller is there for another's sake: controller, limit, file and its text.
limits() {
	echo 'cpu|cpu: {shares: 512}|cpu.weight|59'
	echo 'cpuset|cpu: {cpus: "0"}|cpuset.cpus|0'
	echo 'memory|memory: {limit: 67108864}|memory.max|67108864'
	echo 'pids|pids: {limit: 50}|pids.max|50'
	echo 'io|blockIO: {throttleReadBpsDevice: [{major: 254, minor: 0, rate: 1048576}]}|io.max|254:0 rbps=1048576 wbps=max riops=max wiops=max'
	echo 'hugetlb|hugepageLimits: [{pageSize: "2MB", limit: 4194304}]|hugetlb.2MB.max|4194304'
}

# all_limits PATH OPTION...
all_limits() {
	local controller limit file text
	while IFS='|' read -r controller limit file text; do
		bundle ".linux.resources = {$limit} | .process.args = [\"sleep\", \"600\"]"
		placed "$@"
		[ "$(cat "$GROUP/$file")" = "$text" ] || fail "$file of $GROUP is $(cat "$GROUP/$file")"
		enabled_above "$controller"
		ok runtime delete --force one
	done < <(limits)
}

@test "the controller of each limit is enabled above a group in a directory, and above one inside of a scope" {
	all_limits "/insula-$UNIQUE-top/one"
	[ ! -e "/sys/fs/cgroup/insula-$UNIQUE-top" ] || fail "the directory stays"
	all_limits ":insula:$UNIQUE" --systemd-cgroup
	[[ $GROUP == */insula-$UNIQUE.scope/* ]] || fail "it is in $GROUP"
}

@test "without a limit, what a container uses is counted all the same" {
	local controller
	bundle 'del(.linux.resources) | .process.args = ["sleep", "600"]'
	for driver in "/insula-$UNIQUE-top/one" ":insula:$UNIQUE --systemd-cgroup"; do
		# shellcheck disable=SC2086  # a path and perhaps an option
		placed $driver
		for controller in cpu cpuset io memory pids; do
			enabled_above $controller
		done
		[ "$(cat "$GROUP/memory.max")" = max ] || fail
		ok runtime events --stats one
		[ "$(jq '.data.memory.usage.usage > 0 and .data.pids.current > 0' <<<"$output")" = true ] || fail "$output"
		ok runtime delete --force one
	done
}

USERNS='.linux.namespaces += [{type: "user"}]
	| .linux.uidMappings = [{containerID: 0, hostID: 700000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings'

owner() {
	stat -c %u "/sys/fs/cgroup/insula-$UNIQUE-one/$1"
}

@test "a group that its user may write in is his, but its own limits are not" {
	bundle "$USERNS"' | (.mounts[] | select(.type == "cgroup").options) -= ["ro"]
		| .linux.resources = {pids: {limit: 100}}
		| .process.args = ["sh", "-c", "cd /sys/fs/cgroup && mkdir below && echo $$ >below/cgroup.procs && echo moved;
			echo +pids >cgroup.subtree_control && cat below/pids.max; echo max >pids.max || echo refused; exec sleep 600"]'
	create one
	ok runtime start one
	eventually 20 grep -q -e refused "$OUT" "$OUT.err"
	[ "$(grep -v denied "$OUT")" = "moved
max
refused" ] || fail "$(cat "$OUT" "$OUT.err")"
	[ "$(owner '')" = 700000 ] && [ "$(owner cgroup.procs)" = 700000 ] && [ "$(owner cgroup.subtree_control)" = 700000 ] || fail
	[ "$(owner pids.max)" = 0 ] && [ "$(owner memory.max)" = 0 ] || fail
	ok runtime exec one true
	ok runtime delete --force one
}

@test "a group stays root's where the container cannot write in it, or has none of its own" {
	for filter in '.' '(.mounts[] | select(.type == "cgroup").options) -= ["ro"] | .linux.namespaces |= map(select(.type != "cgroup"))'; do
		bundle "$USERNS | $filter"' | .process.args = ["sleep", "600"]'
		create one
		[ "$(owner '')" = 0 ] && [ "$(owner cgroup.procs)" = 0 ] || fail "$filter"
		ok runtime delete --force one
	done
	# The process's user, as config-linux.md has it.
	bundle "$USERNS"' | (.mounts[] | select(.type == "cgroup").options) -= ["ro"]
		| .process.user = {uid: 1000, gid: 1000} | .process.args = ["sleep", "600"]'
	create one
	[ "$(owner cgroup.procs)" = 701000 ] || fail
}
