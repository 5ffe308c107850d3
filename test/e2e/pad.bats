#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The launch pad where Insula does not run in the host's first mount namespace: in a service with a
# private /tmp, in a session, in these tests.

load helpers

# How often the launch pad is pinned.
pins() {
	grep -c "$INSULA_RUNROOT/pad .* nsfs " /proc/self/mountinfo
}

# As on a host with systemd: what is mounted in one namespace appears in others.
@test "a start works where mounts are shared, and the pin stays in one namespace" {
	run unshare --mount sh -c '
		mkdir -p "$INSULA_RUNROOT"
		mount -t tmpfs -o mode=755 none "$INSULA_RUNROOT" && mount --make-shared "$INSULA_RUNROOT" || exit
		unshare --mount --propagation unchanged sleep 60 &
		other=$!
		while [ "$(readlink /proc/$other/ns/mnt)" = "$(readlink /proc/self/ns/mnt)" ]; do sleep 0.05; done
		"$INSULA_BIN/insula" run --rm --network none "$E2E_IMAGE" echo started
		"$INSULA_BIN/insula" run --rm --network none "$E2E_IMAGE" echo again
		grep -c "$INSULA_RUNROOT/pad .* nsfs " /proc/self/mountinfo
		grep -c "$INSULA_RUNROOT/pad .* nsfs " /proc/$other/mountinfo
		while mountpoint -q "$INSULA_RUNROOT/pad"; do umount "$INSULA_RUNROOT/pad" || exit; done
		grep -c "$INSULA_RUNROOT/pad" /proc/$other/mountinfo
		kill $other'
	[ "$output" = $'started\nagain\n1\n0\n0' ] || fail "it went otherwise"
}

# Linux 6.18 numbers namespaces for each CPU apart, and compares the numbers to tell older from newer.
@test "a start works in a mount namespace that was made on any CPU, from any other" {
	cpus=$(nproc --all)
	for made_on in 0 $((cpus - 1)); do
		for started_on in 0 $((cpus - 1)); do
			run taskset --cpu-list $made_on unshare --mount sh -c '
				taskset --pid --cpu-list "$1" $$ >/dev/null
				mkdir -p "$INSULA_RUNROOT"
				mount -t tmpfs -o mode=755 none "$INSULA_RUNROOT"
				"$INSULA_BIN/insula" run --rm --network none "$E2E_IMAGE" echo started
				umount "$INSULA_RUNROOT/pad"' sh $started_on
			[ "$output" = started ] || fail "made on CPU $made_on, started on CPU $started_on"
		done
	done
}

@test "the pad is made once, and again after it was taken away" {
	ok insula run --rm "$E2E_IMAGE" true
	first=$(stat --file-system --format %t "$INSULA_RUNROOT/pad"; stat --format %i "$INSULA_RUNROOT/pad")
	ok insula run --rm "$E2E_IMAGE" true
	[ "$(stat --file-system --format %t "$INSULA_RUNROOT/pad"; stat --format %i "$INSULA_RUNROOT/pad")" = "$first" ]
	umount "$INSULA_RUNROOT/pad"
	ok insula run --rm "$E2E_IMAGE" true
	[ "$(pins)" -eq 1 ]
	unpin_pad
	ok insula run --rm "$E2E_IMAGE" true
	[ "$(pins)" -eq 1 ]
}

@test "twenty first starts at once make one pad" {
	pids=()
	for _ in $(seq 20); do
		insula run --rm --network none "$E2E_IMAGE" true &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "one of them did not start"
	done
	[ "$(pins)" -eq 1 ]
}

@test "no host mount but the pad's pin appears while a container runs" {
	before=$(cut -d' ' -f5 /proc/self/mountinfo | sort)
	ok insula run -d --name one "$E2E_IMAGE" sleep 60
	after=$(cut -d' ' -f5 /proc/self/mountinfo | sort)
	[ "$(comm -13 <(echo "$before") <(echo "$after") | sort -u)" = "$INSULA_RUNROOT/pad" ] || fail "other mounts: $after"
}
