#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# podman of an ordinary user, with his own service manager's control groups: limits that root was not asked
# for are in force.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load ../e2e/engines

USER_ID=1001 # "boxer", who is made with the guest

setup_file() {
	engine_has podman conmon newuidmap newgidmap setpriv || return 0
	engine_up_here libpod "user.slice/user-$USER_ID.slice" "/run/user/$USER_ID/insula/oci"
	podman_conf >"$ENGINE_DIR/containers.conf"
	install -d -m 700 -o $USER_ID -g $USER_ID "$ENGINE_DIR/home"
	loginctl enable-linger boxer
	eventually 60 test -S /run/user/$USER_ID/bus
	podman import --change 'CMD ["sleep", "1000000"]' "$ENGINE_DIR/box.tar" box >/dev/null 2>&1
	box --rm box true # what is made once for all containers
	engine_ready
}

teardown_file() {
	podman system migrate >/dev/null 2>&1 || true
	loginctl disable-linger boxer
	eventually 60 test ! -e /run/user/$USER_ID/bus
	engine_down
}

setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

remove_all() {
	podman pod rm --force --all --time 0 && podman rm --force --all --time 0
}

as_user() {
	inside setpriv --reuid $USER_ID --regid $USER_ID --init-groups --inh-caps=-all \
		env -i PATH=/usr/bin:/bin HOME="$ENGINE_DIR/home" XDG_RUNTIME_DIR=/run/user/$USER_ID USER=boxer \
		DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$USER_ID/bus CONTAINERS_CONF="$ENGINE_DIR/containers.conf" "$@"
}

engine_units() {
	as_user systemctl --user list-units --all --plain --no-legend "$@"
}

podman() {
	as_user podman --cgroup-manager systemd --events-backend file "$@"
}

box() {
	podman run --network none "$@"
}

unit_of() {
	echo "libpod-$(podman inspect --format '{{.Id}}' "$1").scope"
}

property() {
	as_user systemctl --user show --value --property "$2" "$(unit_of "$1")"
}

group_of() {
	sed -n 's/^0:://p' "/proc/$(podman_state "$1" Pid)/cgroup"
}

@test "rootless: the container is in a scope of the user's manager" {
	ok box --rm box sh -c 'echo out'
	shows out
	exits 42 box --rm box sh -c 'exit 42'
	ok box -d --name here box sleep 1000
	[ "$(group_of here)" = "/user.slice/user-$USER_ID.slice/user@$USER_ID.service/user.slice/$(unit_of here)/container" ] ||
		fail "$(group_of here)"
	[ "$(property here Delegate)" = yes ]
	exits 7 podman exec here sh -c 'exit 7'
	ok podman exec here cat /proc/self/cgroup
	shows 0::/
}

@test "rootless: limits are the scope's properties, and in force" {
	ok box -d --name limited --memory 64m --pids-limit 30 box sleep 1000
	[ "$(property limited MemoryMax)" = 67108864 ]
	[ "$(property limited TasksMax)" = 30 ]
	[ "$(cat "/sys/fs/cgroup$(group_of limited)/memory.max")" = 67108864 ]
	ok podman update --memory 96m limited
	[ "$(property limited MemoryMax)" = 100663296 ]
	[ "$(cat "/sys/fs/cgroup$(group_of limited)/memory.max")" = 100663296 ]
}

@test "rootless: pause, unpause, and the end" {
	ok box -d --name here box sleep 1000
	ok podman pause here
	grep -qx 'frozen 1' "/sys/fs/cgroup$(group_of here)/cgroup.events"
	ok podman unpause here
	group=$(group_of here)
	ok podman rm --force --time 0 here
	eventually 20 test ! -e "/sys/fs/cgroup$(dirname "$group")"
}
