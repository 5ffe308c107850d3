#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Configurations and command lines that somebody hostile wrote: each gets one clear error, soon and in
# little memory, and nothing is made: no container, no directory, no group, no mount, no process.

# shellcheck disable=SC2015,SC2030,SC2031,SC2154  # output and stderr are set by run, in each test

load helpers

SECONDS_MAX=10
MEMORY_MAX=262144 # KiB of address space

setup() {
	e2e_setup
	B=$E2E_STATE/bundle
	ID=attack-${E2E_STATE##*.}
	mkdir "$B"
	cp -a "$E2E_ROOT" "$B/rootfs"
	BASE='{
		"ociVersion": "1.3.0",
		"root": {"path": "rootfs"},
		"process": {"cwd": "/", "args": ["sh", "-c", "echo started"], "env": ["PATH=/bin"]},
		"mounts": [{"destination": "/proc", "type": "proc"}],
		"linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "uts"}, {"type": "ipc"},
			{"type": "network"}]}
	}'
}

# bounded COMMAND...: insula-runtime, in little time and memory.
bounded() {
	(
		ulimit -v "$MEMORY_MAX"
		exec timeout "$SECONDS_MAX" "$INSULA_BIN/insula-runtime" --root "$E2E_STATE/oci" \
			--runroot "$E2E_STATE/run" "$@" </dev/null
	)
}

# What could have been made.
traces() {
	find "$B" "$E2E_STATE/oci" "$E2E_STATE/run" -mindepth 1 2>/dev/null | sort
	grep -F "$E2E_STATE" /proc/self/mountinfo | grep -vF "$E2E_STATE/run/pad"
	# Groups of others come and go meanwhile.
	find /sys/fs/cgroup -maxdepth 3 -type d -name "*$ID*" 2>/dev/null || true
}

# refused TEXT VERB...: one error with that text, and nothing was made.
refused() {
	local before text=$1
	before=$(traces)
	run --separate-stderr bounded "${@:2}"
	[ "$status" -ne 0 ] || fail "accepted: ${*:2}"
	[ "$status" -ne 124 ] && [ "$status" -lt 128 ] || fail "it took too long or died: $status"
	[[ $stderr == *"$text"* ]] || fail "expected: $text"
	[ "$(grep -c '^insula-runtime: ' <<<"$stderr")" -eq 1 ] || fail "not one error"
	[ "$(grep -vc '^insula-runtime: \|^hint: ' <<<"$stderr")" -eq 0 ] || fail "more than an error and a hint"
	! grep -q '[[:cntrl:]]' <<<"$stderr" || fail "control characters"
	[ "${#stderr}" -lt 1300 ] || fail "a long story"
	[[ $output != *started* ]] || fail "something was started"
	[ "$(traces)" = "$before" ] || fail "something was made: $(diff <(echo "$before") <(traces))"
}

# Every verb that reads a bundle says the same.
refused_by_all() {
	refused "$1" run --bundle "$B" "$ID"
	[ -z "${ONE_VERB:-}" ] || return 0
	refused "$1" create --bundle "$B" "$ID"
	before=$(traces)
	run --separate-stderr bounded validate "$B"
	[ "$status" -eq 1 ] || [ "$status" -eq 125 ] || fail "validate says $status"
	[[ "$output$stderr" == *"${1##*: }"* ]] || fail "validate does not say: ${1##*: }"
	[ "$(traces)" = "$before" ] || fail "validate made something"
}

# attack TEXT FILTER: the base configuration, changed.
attack() {
	jq "$2" <<<"$BASE" >"$B/config.json"
	refused_by_all "$1"
}

# attack_raw TEXT DOCUMENT
attack_raw() {
	printf '%s' "$2" >"$B/config.json"
	refused_by_all "$1"
}

@test "what is attacked runs" {
	jq . <<<"$BASE" >"$B/config.json"
	ok bounded run --bundle "$B" "$ID"
	[ "$output" = started ]
}

@test "config.json is cut off, wherever" {
	local text size cut
	text=$(jq -c . <<<"$BASE")
	size=${#text}
	for ((cut = 0; cut < size; cut += 37)); do
		printf '%s' "${text:0:cut}" >"$B/config.json"
		refused "config.json: " run --bundle "$B" "$ID"
	done
	attack_raw "config.json: " ''
	attack_raw "config.json: " "${text%\}}"
}

@test "config.json is 200,000 levels deep" {
	local bracket
	for bracket in '[' '{"a":'; do
		{
			printf '{"ociVersion":"1.0.0","annotations":'
			awk -v b="$bracket" 'BEGIN { for (i = 0; i < 200000; i++) printf "%s", b }'
		} >"$B/config.json"
		refused_by_all "levels"
	done
}

@test "config.json has 64 MB, or is endless" {
	{
		printf '{"ociVersion":"1.0.0","annotations":{"a":"'
		head -c 64000000 /dev/zero | tr '\0' x
		printf '"}}'
	} >"$B/config.json"
	refused_by_all "config.json"
	truncate -s 8T "$B/config.json"
	refused_by_all "config.json"
	rm "$B/config.json"
	ln -s /dev/zero "$B/config.json"
	refused_by_all "config.json"
	rm "$B/config.json"
	mkfifo "$B/config.json"
	refused_by_all "config.json"
	rm "$B/config.json"
	mkdir "$B/config.json"
	refused_by_all "config.json"
}

@test "config.json has very many small things" {
	{
		printf '{"ociVersion":"1.0.0","annotations":{'
		awk 'BEGIN { for (i = 0; i < 400000; i++) printf "%s\"k%d\":\"\"", i ? "," : "", i }'
		printf '}}'
	} >"$B/config.json"
	refused_by_all "annotations"
	{
		printf '{"ociVersion":"1.0.0","root":{"path":"rootfs"},"process":{"cwd":"/","args":['
		awk 'BEGIN { for (i = 0; i < 900000; i++) printf "%s1", i ? "," : "" }'
		printf ']}}'
	} >"$B/config.json"
	refused_by_all "process.args"
	# As many as a list may have: where the kernel has no room for them, that is said.
	jq '.process.env = [range(60000) | "K\(.)=" + ("x" * 40)] |
		.mounts += [{destination: "/dev", type: "tmpfs"}]' <<<"$BASE" >"$B/config.json"
	exits 126 bounded run --bundle "$B" "$ID"
	[[ $stderr == *"argument list too long"* ]] || fail "other words"
	[ -z "$(bounded list -q)" ] || fail "a container is left"
}

@test "keys that are there twice" {
	attack_raw 'ociVersion' '{"ociVersion":"1.0.0","ociVersion":"1.0.0"}'
	attack_raw 'process.args' '{"ociVersion":"1.0.0","process":{"args":["true"],"\u0061rgs":["sh"]}}'
	attack_raw 'root.path' '{"ociVersion":"1.0.0","root":{"path":"rootfs","readonly":true,"path":"/"}}'
	attack_raw 'annotations' '{"ociVersion":"1.0.0","annotations":{"a":"1","b":"2","a":"3"}}'
}

@test "numbers out of their range" {
	local number text
	text=$(jq -c '.linux.resources.memory.limit = 123456' <<<"$BASE")
	for number in 9223372036854775808 -9223372036854775809 18446744073709551616 1e400 -1e9 1.5 0x10 -0 NaN \
		Infinity 00 +1 1. .5 -2 123456789012345678901234567890; do
		attack_raw "config.json: " "${text/123456/$number}"
	done
	attack "process.user.uid: " '.process.user = {uid: 4294967295, gid: 0}'
	attack "process.user.uid: " '.process.user = {uid: 4294967296, gid: 0}'
	attack "process.user.gid: " '.process.user = {uid: 0, gid: -1}'
	attack "process.oomScoreAdj: " '.process.oomScoreAdj = 1001'
	attack "linux.seccomp.syscalls[0].args[0].index: " '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["read"], action: "SCMP_ACT_ERRNO", args: [{index: 6, value: 0, op: "SCMP_CMP_EQ"}]}]}'
	attack "linux.devices[0].major: " '.linux.devices = [{path: "/dev/x", type: "c", major: 4294967296, minor: 0}]'
}

@test "NUL, newline and other control characters" {
	local text
	text=$(jq -c '.hostname = "HERE"' <<<"$BASE")
	attack_raw "in hostname: " "${text/HERE/a\\u0000b}"
	for text in '\n' '\u001b[31m' '\u007f' '\u0085'; do
		[ "$text" = '\n' ] || ONE_VERB=1
		attack "hostname: " ".hostname = \"a${text}b\""
		attack "domainname: " ".domainname = \"a${text}b\""
		attack "process.env[0]" ".process.env = [\"A${text}B=1\"]"
		attack "process.cwd: " ".process.cwd = \"/a${text}b\""
		attack "root.path: " ".root.path = \"a${text}b\""
		attack "mounts[1].destination: " ".mounts += [{destination: \"/a${text}b\", type: \"tmpfs\"}]"
		attack "mounts[1].source: " ".mounts += [{destination: \"/a\", type: \"bind\", source: \"/a${text}b\", options: [\"bind\"]}]"
		attack "mounts[1].type: " ".mounts += [{destination: \"/a\", type: \"tmp${text}fs\"}]"
		attack "mounts[1].options: " ".mounts += [{destination: \"/a\", type: \"tmpfs\", options: [\"size=1${text}k\"]}]"
		attack "linux.sysctl" ".linux.sysctl = {\"net.core.somaxconn\": \"1${text}2\"}"
		attack "linux.sysctl" ".linux.sysctl = {\"net.core.some${text}thing\": \"1\"}"
		attack "linux.maskedPaths[0]: " ".linux.maskedPaths = [\"/proc/a${text}b\"]"
		attack "linux.devices[0].path: " ".linux.devices = [{path: \"/dev/a${text}b\", type: \"c\", major: 1, minor: 3}]"
		attack "linux.cgroupsPath: " ".linux.cgroupsPath = \"/a${text}b\""
		attack "process.apparmorProfile: " ".process.apparmorProfile = \"a${text}b\""
		attack "linux.mountLabel: " ".linux.mountLabel = \"a${text}b\""
		attack "annotations: " ".annotations = {\"a${text}b\": \"x\"}"
		attack "linux.resources.unified" ".linux.resources.unified = {\"memory.high\": \"1${text}2\"}"
		attack "linux.namespaces[4].path: " ".linux.namespaces[4].path = \"/a${text}b\""
	done
	# The value of a variable may be any text.
	jq '.process.env += ["A=b\nc"] | .process.args[2] = "echo \"$A\""' <<<"$BASE" >"$B/config.json"
	ok bounded run --bundle "$B" "$ID"
	[ "$output" = "b
c" ]
}

@test "sysctls that are not the container's" {
	local name
	for name in kernel.core_pattern kernel.panic kernel.modprobe vm.swappiness fs.file-max net..core \
		../kernel/panic kernel/../vm/swappiness .net net. 'net.ipv4.conf.+.forwarding' kernel.hostname \
		user.max_user_namespaces abi.x debug.x; do
		attack "linux.sysctl" ".linux.sysctl = {\"$name\": \"1\"}"
	done
	attack "linux.sysctl" '.linux.sysctl = {"kernel.shm_rmid_forced": "1+kernel.core_pattern=|/x"}'
	attack "linux.sysctl" '.linux.namespaces |= map(select(.type != "network")) | .linux.sysctl = {"net.core.somaxconn": "1"}'
}

@test "id maps that overlap, are huge, or too many" {
	local user='.linux.namespaces += [{type: "user"}] | .linux.gidMappings = [{containerID: 0, hostID: 1000, size: 1}] | .linux.uidMappings ='
	attack "linux.uidMappings[1].containerID: " "$user [{containerID: 0, hostID: 1000, size: 10}, {containerID: 9, hostID: 2000, size: 10}]"
	attack "linux.uidMappings[1].hostID: " "$user [{containerID: 0, hostID: 1000, size: 10}, {containerID: 100, hostID: 1009, size: 1}]"
	attack "linux.uidMappings[0].size: " "$user [{containerID: 0, hostID: 1000, size: 0}]"
	attack "linux.uidMappings[0].size: " "$user [{containerID: 0, hostID: 0, size: 4294967296}]"
	attack "linux.uidMappings[0].hostID: " "$user [{containerID: 0, hostID: 1, size: 4294967295}]"
	attack "linux.uidMappings[0].hostID: " "$user [{containerID: 0, hostID: 4294967295, size: 1}]"
	attack "linux.uidMappings[0].containerID: " "$user [{containerID: 4294967295, hostID: 0, size: 1}]"
	attack "linux.uidMappings: has 341 entries" "$user [range(341) | {containerID: ., hostID: (100000 + .), size: 1}]"
	attack "linux.uidMappings: has 60000 entries" "$user [range(60000) | {containerID: ., hostID: (100000 + .), size: 1}]"
	attack "linux.uidMappings" "$user [range(70000) | {containerID: ., hostID: (100000 + .), size: 1}]"
	attack "mounts[1].uidMappings[1].containerID: " '.mounts += [{destination: "/a", type: "bind", source: "/usr", options: ["bind", "idmap"],
		uidMappings: [{containerID: 0, hostID: 0, size: 5}, {containerID: 4, hostID: 10, size: 5}],
		gidMappings: [{containerID: 0, hostID: 0, size: 5}]}]'
}

@test "ids that are no names" {
	local id verb
	jq . <<<"$BASE" >"$B/config.json"
	for id in -- ../x .. . a/b /etc '' "$(printf 'a\nb')" "$(printf 'a\033[31mb')" 'a b' 'ä' 'a;b' \
		"$(head -c 2000 /dev/zero | tr '\0' a)" "$(head -c 256 /dev/zero | tr '\0' a)"; do
		for verb in "run --bundle $B --" "create --bundle $B --" "state --" "delete --force --" "kill --"; do
			# shellcheck disable=SC2086  # the verb's words
			refused "" $verb "$id"
		done
	done
	# What looks like an option is none of ours, or is no name behind "--".
	refused "option" run --bundle "$B" -rf
	refused "option" create --bundle "$B" -rf
	# -r and -f are options of delete.
	refused "an argument is missing" delete -rf
	refused "an argument is missing" delete --force -rf
	refused "is not a container id" delete --force -- -rf
	refused "is not a container id" run --bundle "$B" -- -rf
	[ -d "$B/rootfs/bin" ] || fail "it was removed"
}

@test "options that carry others" {
	# Each option goes to the kernel by itself: a comma is part of a value, and no value has one.
	attack_start '.mounts += [{destination: "/m", type: "tmpfs", options: ["size=64k,mode=0777"]}]'
	attack_start '.mounts += [{destination: "/m", type: "tmpfs", options: ["mode=0700,uid=1"]}]'
	mkdir -p "$E2E_STATE/ovl/"{a,b,canary,work}
	attack_start ".mounts += [{destination: \"/m\", type: \"overlay\", options:
		[\"lowerdir=$E2E_STATE/ovl/a,upperdir=$E2E_STATE/ovl/canary,workdir=$E2E_STATE/ovl/work\"]}]"
	[ -z "$(ls "$E2E_STATE/ovl/canary")" ] || fail "the canary was touched"
	jq '.mounts += [{destination: "/m", type: "bind", source: "/usr", options: ["bind", "upperdir=/x"]}]' \
		<<<"$BASE" >"$B/config.json"
	refused "upperdir=/x" run --strict --bundle "$B" "$ID"
	attack "mounts[1].type: " '.mounts += [{destination: "/m", type: "../tmpfs"}]'
	attack "linux.resources.unified" '.linux.resources.unified = {"../cgroup.procs": "1"}'
	attack "linux.resources.unified" '.linux.resources.unified = {"cgroup.procs": "1"}'
	attack "linux.resources.unified" '.linux.resources.unified = {"cgroup.subtree_control": "+pids"}'
	attack "linux.cgroupsPath: " '.linux.cgroupsPath = "/../../x"'
	attack "linux.resources.rdma" '.linux.resources.rdma = {"mlx hca_handle=9": {hcaHandles: 1}}'
	attack "linux.resources.network.priorities[0]" '.linux.resources.network.priorities = [{name: "lo 9\n", priority: 1}]'
	attack "linux.intelRdt" '.linux.intelRdt = {closID: "../x"}'
	attack "linux.intelRdt" '.linux.intelRdt = {closID: "x", l3CacheSchema: "L3:0=f\nMB:0=1"}'
	attack "linux.netDevices" '.linux.netDevices = {"../x": {}}'
	attack "linux.rootfsPropagation: " '.linux.rootfsPropagation = "shared,private"'
}

# The same for what only the kernel can refuse, in the middle of a start.
attack_start() {
	jq "$1" <<<"$BASE" >"$B/config.json"
	run --separate-stderr bounded run --bundle "$B" "$ID"
	[ "$status" -ne 0 ] || fail "accepted: $1"
	[[ $stderr == *"/m"* ]] || fail "the mount is not named"
	[[ $output != *started* ]] || fail "something was started"
	[ -z "$(bounded list -q 2>/dev/null)" ] || fail "a container is left"
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -type d -name "*$ID*")" ] || fail "a group is left"
}

@test "paths out of the root" {
	attack "mounts[1].destination: " '.mounts += [{destination: "/a/../../etc", type: "tmpfs"}]'
	attack "mounts[1].destination: " '.mounts += [{destination: "/", type: "tmpfs"}]'
	attack "process.cwd: " '.process.cwd = "/../../etc"'
	attack "process.cwd: " ".process.cwd = \"/$(head -c 5000 /dev/zero | tr '\0' a)\""
	attack "linux.maskedPaths[0]: " '.linux.maskedPaths = ["/proc/../../etc"]'
	attack "linux.readonlyPaths[0]: " '.linux.readonlyPaths = ["../etc"]'
	attack "linux.devices[0].path: " '.linux.devices = [{path: "/dev/../etc/x", type: "c", major: 1, minor: 3}]'
	attack "root.path: " '.root.path = "/"'
	attack "root.path: " '.root.path = "/.//"'
}
