#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Namespaces that are the host's or another container's: what is shared, and what is not.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

first() {
	ok insula run -d --name first "$@" "$E2E_IMAGE" sh -c 'echo from first >/dev/shm/note; exec sleep 600'
	eventually 10 insula exec first test -s /dev/shm/note
}

ns_of() {
	insula exec "$1" readlink "/proc/self/ns/$2"
}

@test "--network container: the same interfaces, names and ports" {
	first --hostname one --add-host db:10.0.0.7
	ok in_box --network container:first -- readlink /proc/self/ns/net
	shows "$(ns_of first net)"
	ok in_box --network container:first --hostname two -- cat /etc/hosts
	contains $'10.0.0.7\tdb'
	contains $'\tone'
	contains $'\ttwo'
	insula exec -d first nc -l -p 7000 -e echo served
	eventually 10 in_box --network container:first -- sh -c 'nc 127.0.0.1 7000 </dev/null | grep served'
	refused 125 'would change the host' in_box --network container:first --sysctl net.ipv4.ip_forward=1 -- true
	refused 125 'resolved as in the container' in_box --network container:first --dns 10.0.0.1 -- true
}

@test "--network container: of one that has the host's" {
	first --network host
	ok in_box --network container:first -- readlink /proc/self/ns/net
	shows "$(readlink /proc/self/ns/net)"
	ok in_box --network container:first -- cat /etc/resolv.conf
	shows "$(cat /etc/resolv.conf)"
}

@test "--network ns: a namespace by its file" {
	local pid
	unshare -n sleep 600 3>&- &
	pid=$!
	eventually 5 sh -c '[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$0/ns/net")" ]' "$pid"
	ok in_box --network "ns:/proc/$pid/ns/net" -- readlink /proc/self/ns/net
	shows "$(readlink "/proc/$pid/ns/net")"
	kill "$pid"
	refused 125 'not an absolute path' in_box --network ns:here -- true
	refused 125 'not a net namespace' in_box --network ns:/etc/passwd -- true
	refused 125 'not a net namespace' in_box --network ns:/proc/self/ns/uts -- true
}

@test "--uts container: the hostname is one" {
	first --hostname one
	ok in_box --uts container:first -- hostname
	shows one
	ok in_box --uts container:first -- readlink /proc/self/ns/uts
	shows "$(ns_of first uts)"
	refused 125 'not the container' in_box --uts container:first --hostname two -- true
}

@test "--uts host: the host's name, which it cannot change" {
	local before
	before=$(hostname)
	ok in_box --uts host -- hostname
	shows "$before"
	exits 1 in_box --uts host -- hostname changed
	[ "$(hostname)" = "$before" ]
	refused 125 'not the container' in_box --uts host --hostname two -- true
	ok in_box --uts host -- cat /etc/hostname
	shows "$before"
}

@test "--ipc container: shared memory and queues are one" {
	first --ipc shareable
	ok in_box --ipc container:first -- cat /dev/shm/note
	shows 'from first'
	ok in_box --ipc container:first -- sh -c 'echo from second >/dev/shm/second; readlink /proc/self/ns/ipc'
	shows "$(ns_of first ipc)"
	ok insula exec first cat /dev/shm/second
	shows 'from second'
	refused 125 'not the container' in_box --ipc container:first --shm-size 8m -- true
}

@test "--ipc container: what the other makes of its /dev leads nowhere" {
	echo secret >"$BATS_TEST_TMPDIR/secret"
	ok insula run -d --name liar --cap-add SYS_ADMIN --security-opt seccomp=unconfined "$E2E_IMAGE" sleep 600
	# A /dev of its own making, in which shm is a link to where the host has a secret.
	ok insula exec liar sh -c "mount -t tmpfs none /dev && ln -s '$BATS_TEST_TMPDIR' /dev/shm"
	run --separate-stderr in_box --ipc container:liar -- cat /dev/shm/secret
	[ "$status" -ne 0 ] || fail "the host's file was read"
	[[ $output != *secret* ]]
}

@test "--ipc host and --cgroupns host" {
	ok in_box --ipc host -- readlink /proc/self/ns/ipc
	shows "$(readlink /proc/self/ns/ipc)"
	ok in_box --cgroupns host -- readlink /proc/self/ns/cgroup
	shows "$(readlink /proc/self/ns/cgroup)"
	ok in_box -- sh -c 'cat /proc/self/cgroup'
	lacks insula-
	ok in_box --cgroupns host -- sh -c 'cat /proc/self/cgroup'
	contains insula-
}

@test "who is not there, or does not run, cannot be joined" {
	ok insula run --name ended "$E2E_IMAGE" true
	local option
	for option in --network --ipc --uts; do
		refused 125 nobody in_box "$option" container:nobody -- true
		refused 125 'not running' in_box "$option" container:ended -- true
		refused 125 'no mode' in_box "$option" bridge -- true
		refused 125 'no mode' in_box "$option" '' -- true
	done
	refused 125 'no mode' in_box --cgroupns container:ended -- true
	refused 125 'no mode' in_box --userns keep -- true
}

@test "sharing outlives whoever shared" {
	first
	ok insula run -d --name second --network container:first --ipc container:first "$E2E_IMAGE" sleep 600
	ok insula rm -f first
	ok insula exec second cat /dev/shm/note
	shows 'from first'
	ok insula exec second ip link show lo
	contains UP
}
