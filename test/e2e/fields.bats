#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Members of runtime-spec that few configurations have: each is looked for in the running container, the
# way a program would find it.

# shellcheck disable=SC2154  # output and stderr are set by run
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers
load oci

# shows TEXT FILTER: the container of that configuration prints TEXT and ends well.
shows() {
	bundle "$2"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = "$1" ] || fail "expected: $1"
}

# with_userns FILTER: the same with a user namespace.
with_userns() {
	echo ".linux.namespaces += [{\"type\": \"user\"}] |
		.linux.uidMappings = [{\"containerID\": 0, \"hostID\": 700000, \"size\": 65536}] |
		.linux.gidMappings = .linux.uidMappings | $1"
}

# run_refused CODE TEXT FILTER
run_refused() {
	bundle "$3"
	refused_by "$1" "$2" runtime run --bundle "$BUNDLE" one
}

# Field N of stat(5), of a program that prints its own: 18 priority, 19 nice, 41 policy.
stat_of_self() {
	echo ".process.args = [\"sh\", \"-c\", \"exec cat /proc/self/stat\"] | $1"
}

@test "fields: process.scheduler SCHED_BATCH with a negative nice value, in a user namespace" {
	bundle "$(with_userns "$(stat_of_self '
		.process.scheduler = {"policy": "SCHED_BATCH", "nice": -7}')")"
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cut -d' ' -f19,41 <<<"$output")" = "-7 3" ] || fail
}

@test "fields: process.scheduler SCHED_IDLE and SCHED_OTHER" {
	bundle "$(stat_of_self '.process.scheduler = {"policy": "SCHED_IDLE"}')"
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cut -d' ' -f41 <<<"$output")" = 5 ] || fail
	bundle "$(stat_of_self '.process.scheduler = {"policy": "SCHED_OTHER", "nice": 11}')"
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cut -d' ' -f19,41 <<<"$output")" = "11 0" ] || fail
}

@test "fields: process.scheduler SCHED_DEADLINE, whose children are ordinary" {
	bundle '.process.args = ["sh", "-c", "cat /proc/$$/stat; cat /proc/self/stat; true"] |
		.process.scheduler = {"policy": "SCHED_DEADLINE", "runtime": 5000000, "deadline": 20000000,
			"period": 20000000, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}'
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cut -d' ' -f41 <<<"$output" | paste -sd' ')" = "6 0" ] || fail
}

@test "fields: hooks of a container with SCHED_DEADLINE, and below small limits" {
	local deadline='.process.scheduler = {"policy": "SCHED_DEADLINE", "runtime": 5000000, "deadline": 20000000,
			"period": 20000000} | .process.args = ["cat", "/proc/self/stat"] |
		.hooks.startContainer = [{"path": "/bin/touch", "args": ["touch", "/tmp/hook"]}]'
	run_refused 125 'process.scheduler.flags: a process with SCHED_DEADLINE cannot start hooks.startContainer' "$deadline"
	[[ $stderr == *"add SCHED_FLAG_RESET_ON_FORK"* ]] || fail
	bundle "$deadline"' | .process.scheduler.flags = ["SCHED_FLAG_RESET_ON_FORK"]'
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cut -d' ' -f41 <<<"$output")" = 6 ] || fail
	[ -e "$BUNDLE/rootfs/tmp/hook" ] || fail "the hook was not run"
	# What we need ourselves is not of the container's descriptors.
	for hooks in 16 4; do
		bundle '.process.args = ["sh", "-c", "ulimit -n"] | .process.rlimits = [{"type": "RLIMIT_NOFILE",
			"hard": '$hooks', "soft": '$hooks'}]'
		[ $hooks = 4 ] || bundle "$(jq . "$BUNDLE/config.json") | .hooks.startContainer = [{\"path\": \"/bin/true\"}]"
		ok runtime run --bundle "$BUNDLE" one
		[ "$output" = $hooks ] || fail
	done
	# Nor where a profile refuses to lower it, and whoever creates it does not start it.
	local privileges
	for privileges in true false; do
		bundle '.process.args = ["sh", "-c", "ulimit -n"] | .process.noNewPrivileges = '$privileges' |
			.process.rlimits = [{"type": "RLIMIT_NOFILE", "hard": 5, "soft": 4}] |
			.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{action: "SCMP_ACT_ERRNO",
			names: ["setrlimit"]}, {action: "SCMP_ACT_ERRNO", names: ["prlimit64"],
			args: [{index: 2, value: 0, op: "SCMP_CMP_NE"}]}]}'
		create one
		ok runtime start one
		eventually 5 grep -qx 4 "$OUT"
		ok runtime delete --force one
		ok runtime run --bundle "$BUNDLE" one </dev/null
		[ "$output" = 4 ] || fail
	done
	run_refused 125 "process.rlimits, too" '.process.user.uid = 1000 | .process.rlimits = [{"type": "RLIMIT_NPROC",
		"hard": 0, "soft": 0}] | .hooks.startContainer = [{"path": "/bin/true"}]'
}

# A group of cgroup v1 has real-time time only where it is given some; of v2 there is nothing to give.
@test "fields: process.scheduler SCHED_FIFO and SCHED_RR, and why they are refused" {
	local share='.'
	if [ -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ]; then
		run_refused 125 'process.scheduler: SCHED_FIFO: cannot set the scheduling policy' \
			'.process.scheduler = {"policy": "SCHED_FIFO", "priority": 42}'
		[[ $stderr == *realtimeRuntime* ]] || fail
		share='.linux.resources.cpu = {"realtimeRuntime": 1000, "realtimePeriod": 1000000}'
	fi
	bundle "$(stat_of_self "$share"' | .process.scheduler = {"policy": "SCHED_FIFO", "priority": 42}')"
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cut -d' ' -f18,41 <<<"$output")" = "-43 1" ] || fail
	bundle "$(stat_of_self "$share"' | .process.scheduler = {"policy": "SCHED_RR", "priority": 1}')"
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cut -d' ' -f18,41 <<<"$output")" = "-2 2" ] || fail
}

@test "fields: a scheduling flag that this kernel cannot do is named with what it lacks" {
	bundle '.process.args = ["true"] |
		.process.scheduler = {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_UTIL_CLAMP_MAX"]}'
	run --separate-stderr runtime run --bundle "$BUNDLE" one
	[ "$status" -ne 0 ] || skip "this kernel has CONFIG_UCLAMP_TASK"
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *"process.scheduler: SCHED_OTHER"*CONFIG_UCLAMP_TASK* ]] || fail
}

@test "fields: process.ioPriority, of every process of the container" {
	shows "realtime: prio 3
realtime: prio 3" "$(with_userns '.process.args = ["sh", "-c", "ionice -p 1; ionice"] |
		.process.ioPriority = {"class": "IOPRIO_CLASS_RT", "priority": 3}')"
	shows "idle" '.process.args = ["ionice"] |
		.process.ioPriority = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}'
	shows "best-effort: prio 6" '.process.args = ["ionice"] |
		.process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 6}'
}

@test "fields: process.user.umask" {
	shows "0027" '.process.args = ["sh", "-c", "umask"] | .process.user.umask = 23'
	shows "0000" '.process.args = ["sh", "-c", "umask"] | .process.user.umask = 0'
}

@test "fields: process.consoleSize, and that it means nothing without a terminal" {
	receive_fd "$E2E_STATE/console" >"$E2E_STATE/shown" 3>&- &
	eventually 10 test -S "$E2E_STATE/console"
	bundle '.process.terminal = true | .process.consoleSize = {"height": 33, "width": 111} |
		.process.args = ["sh", "-c", "read line; stty size"]'
	ok runtime create --bundle "$BUNDLE" --console-socket "$E2E_STATE/console" one
	ok runtime start one
	eventually 10 grep -q '^33 111' "$E2E_STATE/shown"
	bundle '.process.consoleSize = {"height": 33, "width": 111} | .process.args = ["echo", "plain"]'
	ok runtime run --bundle "$BUNDLE" two
	[ "$output" = plain ] || fail
}

@test "fields: linux.personality" {
	[ "$(uname -m)" = x86_64 ] || skip "the machine's 32-bit name is not known here"
	shows "i686" '.process.args = ["uname", "-m"] | .linux.personality = {"domain": "LINUX32"}'
	shows "x86_64" '.process.args = ["uname", "-m"] | .linux.personality = {"domain": "LINUX", "flags": []}'
}

@test "fields: linux.memoryPolicy" {
	[ -e /proc/self/numa_maps ] || skip "this kernel has no CONFIG_NUMA"
	bundle "$(with_userns '.process.args = ["head", "-n1", "/proc/self/numa_maps"] |
		.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}')"
	ok runtime run --bundle "$BUNDLE" one
	[[ $output == *" bind=static:0 "* ]] || fail
	bundle '.process.args = ["sh", "-c", "head -n1 /proc/self/numa_maps"] |
		.linux.memoryPolicy = {"mode": "MPOL_INTERLEAVE", "nodes": "0"}'
	ok runtime run --bundle "$BUNDLE" one
	[[ $output == *" interleave:0 "* ]] || fail
	run_refused 125 "linux.memoryPolicy: MPOL_BIND: cannot set the memory policy for nodes '1000'" \
		'.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "1000"}'
}

@test "fields: linux.timeOffsets" {
	shows "monotonic 86400 500
boottime -10 0" '.process.args = ["sh", "-c", "tr -s \" \" </proc/self/timens_offsets"] |
		.linux.namespaces += [{"type": "time"}] |
		.linux.timeOffsets = {"monotonic": {"secs": 86400, "nanosecs": 500}, "boottime": {"secs": -10}}'
}

@test "fields: linux.intelRdt where there is no resctrl file system" {
	[ ! -e /sys/fs/resctrl/schemata ] || skip "there is one here"
	run_refused 125 "linux.intelRdt: no resctrl file system is mounted on '/sys/fs/resctrl'" \
		'.linux.intelRdt = {"closID": "gold"}'
	[[ $stderr == *"mount -t resctrl"* ]] || fail
}

# ---- network devices, in a network namespace that stands for the host's ----

# on_host SCRIPT: with veth pairs va-vb and vc-vd, va with addresses of all kinds.
on_host() {
	unshare -n bash -ec '
		ip link set lo up
		ip link add va index 77 type veth peer name vb
		ip link add vc type veth peer name vd
		ip link set vb up
		ip addr add 10.9.0.2/24 dev va
		ip addr add 10.9.0.3/24 dev va
		ip addr add 10.8.0.1/16 brd 10.8.9.9 dev va label va:x
		ip addr add 169.254.3.3/16 dev va scope link
		ip addr add fd00::5/64 dev va nodad
		ip link set va mtu 1400 address 02:00:00:00:00:77 up
		runtime() { "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" "$@"; }
		'"$1"
}

@test "fields: linux.netDevices moves a device with its attributes and global addresses" {
	bundle "$(with_userns '.process.args = ["sh", "-c", "ip addr show inside; ip link show vc"] |
		.linux.netDevices = {"va": {"name": "inside"}, "vc": {}}')"
	ok on_host 'runtime run --bundle "$BUNDLE" one; ip -o link show va && exit 1 || true'
	[[ $output == *"77: inside"*"UP"*"mtu 1400"*"02:00:00:00:00:77"* ]] || fail
	[[ $output == *"inet 10.9.0.2/24 scope global inside"* ]] || fail
	[[ $output == *"inet 10.9.0.3/24 scope global secondary inside"* ]] || fail
	[[ $output == *"inet 10.8.0.1/16 brd 10.8.9.9 scope global inside:x"* ]] || fail
	[[ $output == *"inet6 fd00::5/64 scope global"* ]] || fail
	[[ $output != *169.254.3.3* ]] || fail "an address of link scope was taken along"
	[[ $output == *": vc@"*UP* ]] || fail "a device that was down must be up inside"
}

@test "fields: linux.netDevices lets the kernel number a template" {
	bundle '.process.args = ["sh", "-c", "ls /sys/class/net"] |
		.linux.netDevices = {"va": {"name": "eth%d"}, "vc": {"name": "eth%d"}}'
	ok on_host 'runtime run --bundle "$BUNDLE" one'
	[ "$output" = "eth0
eth1
lo" ] || fail
}

@test "fields: linux.netDevices into a network namespace that is joined" {
	bundle '.process.args = ["cat", "/sys/class/net/in/address"] |
		.linux.namespaces |= map(select(.type != "network")) |
		.linux.namespaces += [{"type": "network", "path": "/proc/OTHER/ns/net"}] |
		.linux.netDevices = {"va": {"name": "in"}}'
	ok on_host 'unshare -n sleep 60 3>&- & other=$!
		until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
		sed -i "s/OTHER/$other/" "$BUNDLE/config.json"
		runtime run --bundle "$BUNDLE" one
		nsenter -t $other -n ip -br addr show in
		kill $other'
	[[ $output == *02:00:00:00:00:77* && $output == *10.9.0.2/24* ]] || fail
}

@test "fields: a start that fails gives the network devices back as they were" {
	bundle '.process.args = ["/nowhere"] | .linux.netDevices = {"va": {"name": "in"}, "vc": {"name": "x%d"}}'
	ok on_host 'ip addr show va >"$OUT.before"; ip -br link | sort >>"$OUT.before"
		runtime run --bundle "$BUNDLE" one 2>/dev/null && exit 1
		ip addr show va >"$OUT.after"; ip -br link | sort >>"$OUT.after"'
	# What nobody set, the kernel sets anew.
	diff <(sed '/169.254\|fe80/,+1d' "$OUT.before") <(sed '/169.254\|fe80/,+1d' "$OUT.after") || fail
}

@test "fields: whatever fails after the network devices have moved, they come back" {
	bundle '.process.args = ["true"] | .process.noNewPrivileges = true |
		.process.scheduler = {"policy": "SCHED_BATCH"} | .process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 1} |
		.linux.memoryPolicy = {"mode": "MPOL_LOCAL"} | .linux.netDevices = {"va": {"name": "in"}}'
	ok on_host 'for point in start.mount start.scheduler start.io-priority start.release init.report init.memory-policy \
			init.ready init.filter init.exec; do
			code=0
			INSULA_FAIL=$point=error:EIO runtime run --bundle "$BUNDLE" one 2>"$OUT.err" || code=$?
			[ $code = 125 ] && grep -q "failpoint $point" "$OUT.err" || echo "$point: $code"
			ip -br addr show va | grep -q "UP.*10.9.0.2/24.*10.8.0.1/16.*10.9.0.3/24.*fd00::5/64" ||
				echo "$point: $(ip -br addr show va)"
		done'
	[ -z "$output" ] || fail
	[ -z "$(runtime list -q)" ]
}

# The kernel's doing, default_device_exit_net(): only a device of hardware outlives its namespace, and there is none
# here to be tried.
@test "fields: a virtual network device ends with the container, however that ends" {
	bundle '.process.args = ["sleep", "600"] |
		.linux.netDevices = {"va": {"name": "in"}, "mv": {}, "tap": {}}'
	ok on_host 'there() { ip link show "$1" >/dev/null 2>&1; }
		for signal in KILL TERM; do
			there va || ip link add va type veth peer name vb
			ip link add link vc name mv type macvlan
			ip tuntap add tap mode tap
			runtime run --detach --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&-
			runtime exec one ls /sys/class/net | paste -sd" "
			[ $signal = TERM ] || kill -9 "$(runtime state one | jq .pid)"
			runtime delete --force one
			# The kernel clears a namespace up a little later.
			for try in $(seq 100); do
				there vb || break
				sleep 0.05
			done
			ip -br link show type veth | cut -d@ -f1 | sort | paste -sd" "
			there mv || there tap || echo gone
		done'
	[ "$output" = "in lo mv tap
vc vd
gone
in lo mv tap
vc vd
gone" ] || fail
}

@test "fields: linux.netDevices says which device, and why not" {
	bundle '.linux.netDevices = {"nope": {}}'
	exits 125 on_host 'runtime run --bundle "$BUNDLE" one'
	[[ $stderr == *"linux.netDevices: there is no network device 'nope'"* ]] || fail
	bundle '.linux.netDevices = {"va": {"name": "lo"}}'
	exits 125 on_host 'runtime run --bundle "$BUNDLE" one'
	[[ $stderr == *"linux.netDevices: the container has a network device 'lo' already"* ]] || fail
	bundle '.linux.netDevices = {"va": {}, "lo": {"name": "other"}}'
	ok on_host '! runtime run --bundle "$BUNDLE" one 2>"$OUT.err"; ip -br addr show va'
	[[ $output == va*10.9.0.2/24* ]] || fail "the device that had moved is not back"
	grep -q "cannot move network device 'lo' into the container as 'other'" "$OUT.err"
	[ -z "$(runtime list -q)" ]
}

# ---- namespaces by path ----

# other_namespaces OPTION...: a process in namespaces of its own; its number in $other.
other_namespaces() {
	unshare --kill-child -f "$@" sleep 300 3>&- &
	eventually 10 started $!
	other=$(pgrep -P $!)
}

started() {
	[ "$(cat "/proc/$(pgrep -P "$1")/comm" 2>/dev/null)" = sleep ]
}

# joined TYPE FILE: a jq filter that joins a namespace of $other.
joined() {
	echo ".linux.namespaces |= map(select(.type != \"$1\")) |
		.linux.namespaces += [{\"type\": \"$1\", \"path\": \"/proc/$other/ns/$2\"}]"
}

@test "fields: namespaces of every kind are joined by path" {
	other_namespaces -p -n -i -u -C -T -m
	bundle "$(joined pid pid) | $(joined network net) | $(joined ipc ipc) | $(joined uts uts) |
		$(joined cgroup cgroup) | $(joined time time) | del(.hostname) | .linux.maskedPaths = [] |
		.process.args = [\"sh\", \"-c\", \"for n in pid net ipc uts cgroup time; do readlink /proc/self/ns/\$n; done\"]"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = "$(for n in pid net ipc uts cgroup time; do readlink "/proc/$other/ns/$n"; done)" ] || fail
	# As on cgroup v2 under systemd: nobody may be made outside of the cgroup namespace that he is in.
	if grep -q INSULA_FAIL_LOG "$INSULA_BIN/insula-runtime"; then
		export INSULA_FAIL=start.cgroup-birth=error:ENOENT
	fi
	bundle "$(joined cgroup cgroup) | .process.args = [\"sleep\", \"600\"]"
	create one
	unset INSULA_FAIL
	grep -q "/insula-$UNIQUE-one$" "/proc/$(runtime state one | jq .pid)/cgroup" || fail "it is not in its group"
	[ "$(readlink "/proc/$(runtime state one | jq .pid)/ns/cgroup")" = "$(readlink "/proc/$other/ns/cgroup")" ] || fail
	ok runtime delete --force one
	kill -9 "$other" # process 1 of a pid namespace hears no other signal
}

@test "fields: /proc of a pid namespace that is joined shows that one, not the host's" {
	other_namespaces -p
	bundle "$(joined pid pid) | .process.args = [\"sh\", \"-c\", \"cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l\"]"
	ok runtime run --bundle "$BUNDLE" one
	[ "${lines[0]}" = sleep ] || fail
	[ "${lines[1]}" -lt 8 ] || fail
	kill -9 "$other"
}

# other_userns: with ids of 600000 and up.
other_userns() {
	unshare -U sleep 300 3>&- &
	other=$!
	eventually 10 apart "$other" user
	echo 0 600000 65536 >"/proc/$other/uid_map"
	echo 0 610000 65536 >"/proc/$other/gid_map"
}

apart() {
	[ "$(readlink "/proc/$1/ns/$2")" != "$(readlink "/proc/self/ns/$2")" ]
}

@test "fields: a user namespace that is joined owns the container's other namespaces" {
	other_userns
	bundle "$(joined user user) | .hostname = \"inner\" |
		.process.capabilities.bounding += [\"CAP_SYS_ADMIN\"] |
		.process.capabilities.effective += [\"CAP_SYS_ADMIN\"] |
		.process.capabilities.permitted += [\"CAP_SYS_ADMIN\"] |
		.process.args = [\"sh\", \"-c\", \"readlink /proc/self/ns/user; tr -s \\\" \\\" </proc/self/uid_map; id -u; \" +
			\"stat -c %u /dev/null; hostname; hostname other && hostname; mount -t tmpfs x /srv && echo mounted\"]"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = "$(readlink "/proc/$other/ns/user")
 0 600000 65536
0
0
inner
other
mounted" ] || fail
	bundle "$(joined user user) | .process.args = [\"sleep\", \"600\"]"
	create two
	pid=$(runtime state two | jq .pid)
	[ "$(stat -c '%u %g' "/proc/$pid")" = "600000 610000" ] || fail
	kill -9 "$other"
}

@test "fields: maps beside a user namespace that is joined must be its own" {
	other_userns
	shows 0 "$(joined user user) | .process.args = [\"id\", \"-u\"] |
		.linux.uidMappings = [{\"containerID\": 0, \"hostID\": 600000, \"size\": 65536}]"
	run_refused 125 'linux.gidMappings: the user namespace that is joined has others' \
		"$(joined user user) | .linux.gidMappings = [{\"containerID\": 0, \"hostID\": 600000, \"size\": 65536}]"
	kill -9 "$other"
}

@test "fields: a namespace that cannot be joined" {
	run_refused 125 "'/proc/self/ns/uts' is not a mnt namespace" \
		'.linux.namespaces |= map(if .type == "mount" then .path = "/proc/self/ns/uts" else . end)'
	run_refused 125 "'/proc/self/ns/uts' is not a net namespace" \
		'.linux.namespaces |= map(if .type == "network" then .path = "/proc/self/ns/uts" else . end)'
	run_refused 125 "'/etc/passwd' is not a net namespace" \
		'.linux.namespaces |= map(if .type == "network" then .path = "/etc/passwd" else . end)'
	run_refused 125 "cannot open namespace '/nowhere'" \
		'.linux.namespaces |= map(if .type == "ipc" then .path = "/nowhere" else . end)'
	run_refused 125 'the user namespace to be joined is our own already' \
		'.linux.namespaces += [{"type": "user", "path": "/proc/self/ns/user"}]'
}

@test "fields: without namespaces of its own but the mount namespace" {
	shows "$(readlink /proc/self/ns/pid) $(readlink /proc/self/ns/net) $(readlink /proc/self/ns/uts)" \
		'del(.hostname) | .linux.namespaces = [{"type": "mount"}] | .linux.maskedPaths = [] |
		.mounts |= map(select(.type != "sysfs" and .type != "cgroup" and .type != "mqueue")) |
		.process.args = ["sh", "-c", "echo $(readlink /proc/self/ns/pid) $(readlink /proc/self/ns/net) $(readlink /proc/self/ns/uts)"]'
}

# ---- seccomp ----

# agent ERRNO-RULE...: an agent in the background; $AGENT has its files.
agent() {
	AGENT=$E2E_STATE/agent
	rm -rf "$AGENT"
	mkdir "$AGENT"
	"$E2E_DIR/seccomp-agent" "$AGENT/sock" "$AGENT" "$@" >"$AGENT/out" 2>&1 3>&- &
	eventually 10 test -e "$AGENT/ready"
}

asked() {
	grep -q " $1\$" "$AGENT/calls" 2>/dev/null
}

with_agent() {
	echo ".linux.seccomp.listenerPath = \"$AGENT/sock\" | $1"
}

x86_only() {
	[ "$(uname -m)" = x86_64 ] || skip "the numbers of calls are those of x86_64"
}

@test "fields: a call of the container is answered by the seccomp agent, who is told of whom" {
	x86_only
	agent 83=13 258=13
	bundle "$(with_agent '.annotations = {"org.example": "x"} |
		.linux.seccomp += {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "meta \"data\"",
			"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]} |
		.process.args = ["sh", "-c", "mkdir /tmp/new; echo after"]')"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = after ] || fail
	[[ $stderr == *"Permission denied"* ]] || fail "the agent's answer did not count"
	[ "$(jq -r '.ociVersion, .fds[0], .metadata, .state.id, .state.status, .state.bundle,
		.state.annotations["org.example"], (.pid == .state.pid)' "$AGENT/state")" = \
		"1.3.0
seccompFd
meta \"data\"
one
creating
$BUNDLE
x
true" ] || fail "$(cat "$AGENT/state")"
	asked 83 || fail
}

@test "fields: every call may be notified, execve of the command included" {
	x86_only
	agent
	bundle "$(with_agent '.linux.seccomp += {"defaultAction": "SCMP_ACT_NOTIFY"} |
		.process.noNewPrivileges = true | .process.args = ["/bin/true"]')"
	ok runtime run --bundle "$BUNDLE" one
	# Nothing of ours is asked about but the one call.
	[ "$(head -n1 "$AGENT/calls" | cut -d' ' -f2)" = 59 ] || fail "$(head "$AGENT/calls")"
	agent
	bundle "$(with_userns "$(with_agent '.linux.seccomp += {"defaultAction": "SCMP_ACT_NOTIFY"} |
		.process.noNewPrivileges = false | .process.args = ["/bin/true"]')")"
	ok runtime run --bundle "$BUNDLE" one
	asked 59 || fail
}

@test "fields: with no_new_privs a profile need not allow what we do" {
	bundle '.process.noNewPrivileges = true | .process.args = ["/bin/true"] |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_KILL_PROCESS",
			"names": ["close_range", "rt_sigprocmask", "setgroups", "setresuid", "capset", "chdir", "sendmsg",
				"recvmsg", "memfd_create", "ftruncate", "fcntl"]}]}'
	ok runtime run --bundle "$BUNDLE" one
}

@test "fields: the agent is told at creation, and answers after the start" {
	x86_only
	agent 83=28 258=28
	bundle "$(with_agent '.linux.seccomp += {"defaultAction": "SCMP_ACT_ALLOW",
			"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]} |
		.process.noNewPrivileges = true |
		.process.args = ["sh", "-c", "mkdir /tmp/new 2>&1; sleep 600"]')"
	create one
	eventually 10 test -e "$AGENT/state"
	[ "$(jq -r .state.status "$AGENT/state")" = creating ] || fail
	ok runtime start one
	eventually 10 grep -q 'No space left' "$OUT"
}

@test "fields: nobody listens, or he goes away" {
	bundle ".linux.seccomp = {\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"$E2E_STATE/nobody\",
		\"syscalls\": [{\"names\": [\"mkdir\"], \"action\": \"SCMP_ACT_NOTIFY\"}]}"
	refused_by 125 "linux.seccomp.listenerPath: cannot connect to '$E2E_STATE/nobody'" \
		runtime run --bundle "$BUNDLE" one
	# Where nothing notifies, the path means nothing.
	bundle ".process.args = [\"true\"] |
		.linux.seccomp = {\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"$E2E_STATE/nobody\"}"
	ok runtime run --bundle "$BUNDLE" one
}

@test "fields: run.oci.seccomp.receiver is an agent too, and plugins are none" {
	x86_only
	agent 83=13 258=13
	bundle ".annotations = {\"run.oci.seccomp.receiver\": \"$AGENT/sock\"} |
		.linux.seccomp = {\"defaultAction\": \"SCMP_ACT_ALLOW\",
			\"syscalls\": [{\"names\": [\"mkdir\", \"mkdirat\"], \"action\": \"SCMP_ACT_NOTIFY\"}]} |
		.process.args = [\"mkdir\", \"/tmp/new\"]"
	exits 1 runtime run --bundle "$BUNDLE" one
	[[ $stderr == *"Permission denied"* ]] || fail
	# crun's variable, for a configuration without one.
	agent 83=28 258=28
	bundle '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
			"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]} |
		.process.args = ["mkdir", "/tmp/new"]'
	refused_by 125 'SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath' runtime run --bundle "$BUNDLE" one
	export RUN_OCI_SECCOMP_RECEIVER=relative
	refused_by 125 'RUN_OCI_SECCOMP_RECEIVER' runtime run --bundle "$BUNDLE" one
	RUN_OCI_SECCOMP_RECEIVER=$AGENT/sock
	exits 1 runtime run --bundle "$BUNDLE" one
	[[ $stderr == *"No space left"* ]] || fail
	unset RUN_OCI_SECCOMP_RECEIVER
	run_refused 125 'annotations["run.oci.seccomp.plugins"]: no code is loaded into this runtime' \
		'.annotations = {"run.oci.seccomp.plugins": "/lib/x.so"}'
}

@test "fields: run.oci.seccomp_bpf_data takes the profile's place" {
	x86_only
	# mkdir(2) is EXDEV: ld nr; jeq 83: ret ERRNO|18; ret ALLOW
	program=$(printf '%s' 2000000000000000 1500000153000000 0600000012000500 060000000000ff7f |
		python3 -c 'import base64, sys; print(base64.b64encode(bytes.fromhex(sys.stdin.read())).decode())')
	bundle ".annotations = {\"run.oci.seccomp_bpf_data\": \"$program\"} |
		.linux.seccomp = {\"defaultAction\": \"SCMP_ACT_KILL_PROCESS\"} |
		.process.args = [\"mkdir\", \"/tmp/new\"]"
	exits 1 runtime run --bundle "$BUNDLE" one
	[[ $stderr == *"Invalid cross-device link"* || $stderr == *"Cross-device link"* ]] || fail
	run_refused 125 'annotations["run.oci.seccomp_bpf_data"]: is not base64' \
		'.annotations = {"run.oci.seccomp_bpf_data": "$$$$"}'
	run_refused 125 'cannot install the seccomp filter' '.annotations = {"run.oci.seccomp_bpf_data": "AAAAAAAAAAA="}'
}

@test "fields: names of system calls that nobody knows" {
	bundle '.process.args = ["true"] | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
		"syscalls": [{"names": ["frobnicate"], "action": "SCMP_ACT_ERRNO"}]}'
	ok runtime run --bundle "$BUNDLE" one
	run_refused 125 "linux.seccomp: seccomp profile: no system call is known by the name 'frobnicate'" \
		'.annotations = {"run.oci.seccomp_fail_unknown_syscall": "1"} |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
			"syscalls": [{"names": ["frobnicate"], "action": "SCMP_ACT_ERRNO"}]}'
}

@test "fields: every action, flag, operator and architecture of a profile" {
	x86_only
	bundle '.process.args = ["sh", "-c", "mkdir /tmp/a; rmdir /tmp/b; grep Seccomp: /proc/self/status; exec kill -s WINCH 1"] |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_TSYNC",
			"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
		"architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64",
			"SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
			"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390",
			"SCMP_ARCH_S390X", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64",
			"SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"],
		"syscalls": [
			{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
			{"names": ["rmdir"], "action": "SCMP_ACT_TRACE", "errnoRet": 1},
			{"names": ["getppid"], "action": "SCMP_ACT_LOG"},
			{"names": ["swapon"], "action": "SCMP_ACT_TRAP"},
			{"names": ["swapoff"], "action": "SCMP_ACT_KILL"},
			{"names": ["reboot"], "action": "SCMP_ACT_KILL_THREAD"},
			{"names": ["kill"], "action": "SCMP_ACT_KILL_PROCESS", "args": [
				{"index": 1, "value": 28, "op": "SCMP_CMP_EQ"}]},
			{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [
				{"index": 0, "value": 1, "op": "SCMP_CMP_NE"}, {"index": 1, "value": 2, "op": "SCMP_CMP_LT"},
				{"index": 2, "value": 3, "op": "SCMP_CMP_LE"}, {"index": 3, "value": 4, "op": "SCMP_CMP_GE"},
				{"index": 4, "value": 5, "op": "SCMP_CMP_GT"},
				{"index": 5, "value": 6, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]}]}'
	exits 159 runtime run --bundle "$BUNDLE" one
	[[ $stderr == *"No space left"* && $stderr == *"Function not implemented"* ]] || fail
	[[ $output == *"Seccomp:	2"* ]] || fail
}

# ---- annotations of crun ----

@test "fields: run.oci.keep_original_groups" {
	bundle '.process.args = ["id", "-G"] | .annotations = {"run.oci.keep_original_groups": "1"} |
		.process.user.additionalGids = [7]'
	ok setpriv --groups 11,22 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --bundle "$BUNDLE" one
	[ "$output" = "0 11 22" ] || fail
	bundle '.process.args = ["id", "-G"] | .process.user.additionalGids = [7]'
	ok setpriv --groups 11,22 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --bundle "$BUNDLE" one
	[ "$output" = "0 7" ] || fail
}

@test "fields: run.oci.pidfd_receiver" {
	receive_pidfd "$E2E_STATE/pidfd" >"$E2E_STATE/pid" 3>&- &
	eventually 10 test -S "$E2E_STATE/pidfd"
	bundle ".process.args = [\"sleep\", \"600\"] | .annotations = {\"run.oci.pidfd_receiver\": \"$E2E_STATE/pidfd\"}"
	create one
	eventually 10 test -s "$E2E_STATE/pid"
	[ "$(cat "$E2E_STATE/pid")" = "$(runtime state one | jq .pid)" ] || fail
}

# ---- further processes ----

# process FILTER: a process document for exec, from the bundle's.
process() {
	jq ".process | $1" "$BUNDLE/config.json" >"$E2E_STATE/process.json"
}

exec_process() {
	runtime exec --process "$E2E_STATE/process.json" one
}

@test "fields: execCPUAffinity, scheduler, ioPriority and umask of a further process" {
	[ "$(nproc)" -gt 1 ] || skip "there is but one CPU"
	bundle "$(with_userns '.process.args = ["sleep", "600"] | .linux.personality = {"domain": "LINUX32"}')"
	create one
	ok runtime start one
	process '.args = ["sh", "-c", "grep Cpus_allowed_list /proc/self/status; ionice; umask; cat /proc/self/personality; exec cat /proc/self/stat"] |
		.execCPUAffinity = {"initial": "0", "final": "1"} | .user.umask = 7 |
		.scheduler = {"policy": "SCHED_BATCH", "nice": -3} |
		.ioPriority = {"class": "IOPRIO_CLASS_RT", "priority": 2}'
	ok exec_process
	[ "$(head -n4 <<<"$output")" = "Cpus_allowed_list:	1
realtime: prio 2
0007
00000008" ] || fail
	[ "$(tail -n1 <<<"$output" | cut -d' ' -f19,41)" = "-3 3" ] || fail
	[[ $(cat "/proc/$(runtime state one | jq .pid)/status") == *"Cpus_allowed_list:	0-"* ]] ||
		fail "the first process has it, too"
	process '.execCPUAffinity = {"initial": "8000"}'
	exits 125 exec_process
	[[ $stderr == *"process.execCPUAffinity.initial: cannot run on the CPUs '8000'"* ]] || fail
	process '.execCPUAffinity = {"final": "8000"}'
	exits 125 exec_process
	[[ $stderr == *"process.execCPUAffinity.final: cannot run on the CPUs '8000'"* ]] || fail
	[ "$(runtime ps --format json one | jq length)" = 1 ] || fail "a process was left"
}

@test "fields: a further process tells the agent, too" {
	x86_only
	agent 83=13 258=13
	bundle "$(with_agent '.process.args = ["sleep", "600"] | .linux.seccomp += {"defaultAction": "SCMP_ACT_ALLOW",
		"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}')"
	create one
	ok runtime start one
	eventually 10 test -e "$AGENT/state"
	exits 125 runtime exec one true
	[[ $stderr == *"linux.seccomp.listenerPath: cannot connect to '$AGENT/sock'"* ]] || fail
	agent 83=28 258=28
	exits 1 runtime exec one mkdir /tmp/new
	[[ $stderr == *"No space left"* ]] || fail
	[ "$(jq -r '.state.status, .state.id, .state.pid' "$AGENT/state")" = "running
one
$(runtime state one | jq .pid)" ] || fail
	[ "$(jq .pid "$AGENT/state")" != "$(runtime state one | jq .pid)" ] || fail "told of the wrong process"
}
