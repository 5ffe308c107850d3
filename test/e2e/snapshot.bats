#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The comparison of the host before and after the tests must be able to fail: each kind of debris is
# planted here, in namespaces of its own where there are such, and has to be found.

setup() {
	snapshot=$BATS_TEST_DIRNAME/../../tools/host-snapshot
	before=$BATS_TEST_TMPDIR/before
	export snapshot before
}

# planted KIND TEXT: the comparison fails for that kind and names what was planted.
planted() {
	[ "$status" -eq 1 ]
	[[ $output == *"not ok "*" - $1 as before"* ]]
	[[ $output == *"# left behind: "*"$2"* ]]
}

@test "an untouched host compares equal" {
	run unshare --mount --net --pid --fork --mount-proc sh -ec '
		"$snapshot" >"$before"
		"$snapshot" --compare "$before" --settle 3'
	[ "$status" -eq 0 ]
	[[ $output != *"not ok"* ]]
}

@test "a mount left behind is found" {
	run unshare --mount sh -ec '
		"$snapshot" >"$before"
		mkdir "$1/target"
		mount -t tmpfs planted "$1/target"
		"$snapshot" --compare "$before"' sh "$BATS_TEST_TMPDIR"
	planted mounts "tmpfs planted"
}

@test "a second mount on top of an equal one is found" {
	run unshare --mount sh -ec '
		mount --bind "$1" "$1"
		"$snapshot" >"$before"
		mount --bind "$1" "$1"
		"$snapshot" --compare "$before"' sh "$BATS_TEST_TMPDIR"
	planted mounts "$BATS_TEST_TMPDIR"
}

@test "a mount left in another mount namespace is found" {
	run sh -ec '
		mkfifo "$1/go"
		unshare --mount sh -c "read -r _ <$1/go; mount -t tmpfs elsewhere $1; echo done >$1/../done; exec sleep 60" &
		other=$!
		trap "kill $other" EXIT
		sleep "${INSULA_TEST_SLOW:-0.3}"
		"$snapshot" >"$before"
		echo >"$1/go"
		while [ ! -e "$1/../done" ]; do sleep 0.1; done
		"$snapshot" --compare "$before"' sh "$(mktemp -d "$BATS_TEST_TMPDIR/XXXXXX")"
	planted mounts "tmpfs elsewhere"
}

@test "a mount of the host that is gone is found" {
	run unshare --mount sh -ec '
		mkdir "$1/target"
		mount -t tmpfs planted "$1/target"
		"$snapshot" >"$before"
		umount "$1/target"
		"$snapshot" --compare "$before"' sh "$BATS_TEST_TMPDIR"
	[ "$status" -eq 1 ]
	[[ $output == *"not ok "*" - mounts as before"*"# gone: "*"tmpfs planted"* ]]
}

@test "a cgroup directory left behind is found" {
	point=$(awk '/ - cgroup2? / { print $5; exit }' /proc/self/mountinfo)
	[ -n "$point" ] || skip "no cgroup hierarchy is mounted"
	"$snapshot" >"$before"
	mkdir "$point/insula-planted-$$"
	run "$snapshot" --compare "$before"
	rmdir "$point/insula-planted-$$"
	planted cgroups "$point/insula-planted-$$"
}

@test "a network interface left behind is found" {
	run unshare --net sh -ec '
		"$snapshot" >"$before"
		ip link add planted0 type bridge 2>/dev/null || ip tuntap add planted0 mode tap
		"$snapshot" --compare "$before"'
	planted interfaces planted0
}

@test "a process that a test started and left is found" {
	export INSULA_CHECK=planted-$$
	"$snapshot" >"$before"
	sleep 60 3>&- &
	left=$!
	sleep 0.2
	run "$snapshot" --compare "$before"
	kill "$left"
	planted processes "sleep ("
}

@test "a process in a pid namespace of its own is found" {
	"$snapshot" >"$before"
	env -i PATH="$PATH" unshare --pid --fork --kill-child sleep 60 3>&- &
	left=$!
	sleep "${INSULA_TEST_SLOW:-0.3}"
	run "$snapshot" --compare "$before"
	kill -KILL "$left" # unshare(1) holds the milder signals back
	planted processes "sleep ("
}

@test "a changed sysctl is found, with what it was" {
	run unshare --uts sh -ec '
		hostname before-the-test
		"$snapshot" >"$before"
		hostname planted-name
		"$snapshot" --compare "$before"'
	planted sysctls "kernel/hostname = planted-name"
	[[ $output == *"# gone: kernel/hostname = before-the-test"* ]]
}

@test "a System V segment left behind is found" {
	run unshare --ipc sh -ec '
		"$snapshot" >"$before"
		ipcmk -M 4096 >/dev/null
		"$snapshot" --compare "$before"'
	planted ipc shm
}

@test "state and id ranges left behind are found" {
	run unshare --mount sh -ec '
		mkdir "$1/run" "$1/etc"
		mount -t tmpfs none /run
		printf a >"$1/subuid"
		[ -e /etc/subuid ] && mount --bind "$1/subuid" /etc/subuid
		"$snapshot" >"$before"
		mkdir -p /run/insula/containers/planted
		printf b >"$1/subuid"
		"$snapshot" --compare "$before"' sh "$BATS_TEST_TMPDIR"
	planted state /run/insula/containers/planted
	[ ! -e /etc/subuid ] || [[ $output == *"left behind: /etc/subuid"* ]]
}

@test "a BPF object left behind is found" {
	"$snapshot" >"$before"
	! grep -q '^bpf	!' "$before" || skip "$(sed -n 's/^bpf	!//p' "$before")"
	# BPF_MAP_CREATE of a one-entry array named "planted", held open by the sleeping process.
	python3 - 3>&- <<-'PROGRAM' &
		import ctypes, os, platform, struct, time
		number = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
		request = struct.pack("IIIIIII16s", 2, 4, 4, 1, 0, 0, 0, b"planted").ljust(128, bytes(1))
		buffer = ctypes.create_string_buffer(request, 128)
		libc = ctypes.CDLL(None)
		os._exit(1) if libc.syscall(number[platform.machine()], 0, buffer, 48) < 0 else time.sleep(60)
	PROGRAM
	left=$!
	sleep 1
	kill -0 "$left" 2>/dev/null || skip "this kernel refuses to make a BPF map"
	run "$snapshot" --compare "$before"
	kill "$left"
	planted bpf "map planted"
}
