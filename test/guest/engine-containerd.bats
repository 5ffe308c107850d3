#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# containerd with SystemdCgroup, as Kubernetes sets it: the shim's containers are in scopes that
# insula-runtime asks for, and the shim finds its numbers there.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load ../e2e/engines
load ../e2e/containerd.bash

setup_file() {
	engine_has containerd ctr containerd-shim-runc-v2 || return 0
	engine_up_here '' '' /run/containerd/runc
	containerd_conf >"$ENGINE_DIR/config.toml"
	# In a unit of its own, as its package has it: shims and containers are not below it.
	systemd-run --quiet --unit "$ENGINE_GROUP" --property Delegate=yes --property KillMode=process \
		containerd --config "$ENGINE_DIR/config.toml"
	eventually 60 ctr version
	containerd_image
	box warm --rm "$IMAGE" warm true # what is made once for all containers
	engine_ready
}

teardown_file() {
	systemctl stop "$ENGINE_GROUP" || true
	engine_down
}

setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

# box NAME OPTION... IMAGE ID COMMAND...: in the scope of that name.
box() {
	ctr run --runc-binary "$ENGINE_RUNTIME" --runc-systemd-cgroup --cgroup "machine.slice:$ENGINE_GROUP:$1" "${@:2}"
}

group_of() {
	sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup"
}

property() {
	systemctl show --value --property "$2" "$ENGINE_GROUP-$1.scope"
}

@test "run: in the scope that was named, with its limits as properties" {
	ok box one --rm "$IMAGE" one sh -c 'echo out'
	shows out
	exits 42 box one --rm "$IMAGE" one sh -c 'exit 42'
	ok box limited -d --memory-limit 67108864 --cpus 0.5 "$IMAGE" limited sleep 1000
	[ "$(group_of limited)" = "/machine.slice/$ENGINE_GROUP-limited.scope/container" ] || fail "$(group_of limited)"
	[ "$(property limited Delegate)" = yes ]
	[ "$(property limited MemoryMax)" = 67108864 ]
	[ "$(property limited CPUQuotaPerSecUSec)" = 500ms ]
	[ "$(cat "/sys/fs/cgroup$(group_of limited)/memory.max")" = 67108864 ]
}

@test "tasks: exec, pause, metrics, and an end that leaves no unit" {
	ok box here -d "$IMAGE" here sleep 1000
	exits 7 ctr tasks exec --exec-id e1 here sh -c 'exit 7'
	ok ctr tasks exec --exec-id e2 here cat /proc/self/cgroup # ctr asks for no namespace of it
	shows "0::$(group_of here)"
	ok ctr tasks pause here
	[ "$(task here)" = PAUSED ]
	grep -qx 'frozen 1' "/sys/fs/cgroup$(group_of here)/cgroup.events"
	ok ctr tasks resume here
	[ "$(task here)" = RUNNING ]
	ok ctr tasks metrics here
	grep -E 'memory.usage +[1-9]' <<<"$output" || fail "memory"
	grep -E 'pids.current +1' <<<"$output" || fail "processes"
	ok ctr tasks kill --signal KILL here
	eventually 20 stopped here
	ok ctr tasks delete here
	ok ctr containers rm here
	[ "$(property here LoadState)" = not-found ]
}
