#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# podman with the service manager's control groups, as it is on a host with systemd: its containers are in
# scopes that insula-runtime asks for, the limits are the scopes' properties, and no unit outlives its container.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load ../e2e/engines

setup_file() {
	engine_has podman conmon || return 0
	engine_up_here libpod machine.slice /run/insula/oci
	podman_conf >"$ENGINE_DIR/containers.conf"
	podman import --change 'CMD ["sleep", "1000000"]' "$ENGINE_DIR/box.tar" box >/dev/null 2>&1
	box --rm box true # what is made once for all containers
	engine_ready
}

teardown_file() { engine_down; }
setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

remove_all() {
	podman pod rm --force --all --time 0 && podman rm --force --all --time 0
}

podman() {
	inside env CONTAINERS_CONF="$ENGINE_DIR/containers.conf" podman --root "$ENGINE_DIR/lib" \
		--runroot "$ENGINE_DIR/run" --tmpdir "$ENGINE_DIR/tmp" --storage-driver overlay \
		--cgroup-manager systemd --events-backend file "$@"
}

box() {
	podman run --network none "$@"
}

unit_of() {
	echo "libpod-$(podman inspect --format '{{.Id}}' "$1").scope"
}

# property CONTAINER NAME
property() {
	systemctl show --value --property "$2" "$(unit_of "$1")"
}

group_of() {
	sed -n 's/^0:://p' "/proc/$(podman_state "$1" Pid)/cgroup"
}

in_group() {
	cat "/sys/fs/cgroup$(group_of "$1")/$2"
}

is_forgotten() {
	[ "$(systemctl show --value --property LoadState "$1")" = not-found ]
}

has_processes() {
	[ "$(in_group "$1" cgroup.procs | wc -l)" = "$2" ]
}

@test "run: the container is in a scope of machine.slice, and its end is the scope's" {
	ok box --rm box sh -c 'echo out; exit 0'
	shows out
	exits 42 box --rm box sh -c 'exit 42'
	ok box -d --name here box sleep 1000
	[ "$(group_of here)" = "/machine.slice/$(unit_of here)/container" ] || fail "$(group_of here)"
	[ "$(property here ActiveState)" = active ]
	[ "$(property here Delegate)" = yes ]
	unit=$(unit_of here)
	ok podman kill here
	ok podman wait here
	eventually 20 is_forgotten "$unit"
	ok podman rm here
}

@test "run and update: limits are the scope's properties, and in force" {
	ok box -d --name limited --memory 64m --pids-limit 30 --cpus 0.5 box sleep 1000
	[ "$(property limited MemoryMax)" = 67108864 ]
	[ "$(property limited TasksMax)" = 30 ]
	[ "$(property limited CPUQuotaPerSecUSec)" = 500ms ]
	[ "$(in_group limited memory.max)" = 67108864 ]
	[ "$(in_group limited pids.max)" = 30 ]
	ok podman update --memory 96m --cpus 0.25 limited
	[ "$(property limited MemoryMax)" = 100663296 ]
	[ "$(property limited CPUQuotaPerSecUSec)" = 250ms ]
	[ "$(in_group limited memory.max)" = 100663296 ]
	[[ $(in_group limited cpu.max) == '25000 '* ]] || fail "$(in_group limited cpu.max)"
	ok systemctl daemon-reload
	[ "$(in_group limited memory.max)" = 100663296 ]
	[ "$(in_group limited pids.max)" = 30 ]
	ok podman exec limited sh -c ': >/dev/null'
}

@test "exec: beside the container's own process, with its exit status" {
	ok box -d --name here box sleep 1000
	ok podman exec here cat /proc/self/cgroup
	shows 0::/
	exits 7 podman exec here sh -c 'exit 7'
	podman exec --detach here sleep 500
	eventually 20 has_processes here 2
}

@test "pause and unpause: the group is frozen" {
	ok box -d --name counter box sh -c 'while :; do echo . >>/count; usleep 20000; done'
	ok podman pause counter
	[ "$(podman_state counter Status)" = paused ]
	grep -qx 'frozen 1' "/sys/fs/cgroup$(group_of counter)/cgroup.events"
	ok podman unpause counter
	grep -qx 'frozen 0' "/sys/fs/cgroup$(group_of counter)/cgroup.events"
	ok podman stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' counter
	[[ $output =~ ^[1-9] ]] || fail "its processes"
	ok podman pause counter
	ok podman rm --force --time 0 counter
}

# Not asked of podman: its OOMKilled stays false with runc 1.1.5 and crun 1.8.1, too, because its monitor 2.1.6 does
# not find out. What a newer one reads is here: the counters of the group that the process is in.
@test "a container that takes more memory than it may is killed, and its group says why" {
	exits 137 box --name hog --memory 16m --memory-swap 16m box tail /dev/zero
	ok box -d --name survivor --memory 16m --memory-swap 16m box sh -c 'tail /dev/zero; sleep 1000'
	eventually 60 grep -qx 'oom_kill 1' "/sys/fs/cgroup$(group_of survivor)/memory.events"
	# The scope, which has the same limit and what the kernel keeps of the group in it besides, is full first.
	local scope
	scope=/sys/fs/cgroup$(dirname "$(group_of survivor)")
	grep -qx 'oom_kill 1' "$scope/memory.events"
	grep -qx 'oom [1-9][0-9]*' "$scope/memory.events" || grep -qx 'oom [1-9][0-9]*' "$scope/container/memory.events"
	[ "$(podman_state survivor Status)" = running ]
}

# Without a container for the namespaces this podman puts a pod's containers into machine.slice itself.
@test "a pod: containers in scopes of its slice" {
	ok podman pod create --infra-image box --network none --name pod
	ok podman run -d --pod pod --name one box sleep 1000
	ok podman run -d --pod pod --name two --memory 32m box sleep 1000
	[[ $(group_of one) == /machine.slice/machine-libpod_pod_*.slice/$(unit_of one)/container ]] || fail "$(group_of one)"
	[ "$(dirname "$(dirname "$(group_of one)")")" = "$(dirname "$(dirname "$(group_of two)")")" ]
	[ "$(property two MemoryMax)" = 33554432 ]
	ok podman pod rm --force --time 0 pod
}

@test "what cannot be started leaves no unit" {
	exits 127 box --name none box /no/such/command
	ok podman rm none
	[ -z "$(systemctl list-units --all --plain --no-legend 'libpod-*')" ]
}
