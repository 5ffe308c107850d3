#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The clock is set ten years forth and back while containers wait for a restart, are checked and are stopped: all
# of these go by a clock that nobody sets. Runs when nothing else does, as other tests measure by the clock.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers

setup() {
	e2e_setup
	read -r began _ </proc/uptime
	right=$(date +%s)
}

teardown() {
	local now
	read -r now _ </proc/uptime
	date --set "@$((right + ${now%.*} - ${began%.*}))" >/dev/null
	e2e_teardown
}

# Not by the clock that is set: "eventually" and $SECONDS are of no use.
ms() {
	local up
	read -r up _ </proc/uptime
	echo "$((10#${up/./} * 10))"
}

# within SECONDS COMMAND...
within() {
	local end=$(($(ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(ms)" -lt $end ] || fail "did not happen: $*" || return
		sleep 0.1
	done
}

leap() {
	date --set "$1" >/dev/null
}

runs() {
	insula logs "$1" 2>/dev/null | grep -c '^run$'
}

ran() {
	[ "$(runs "$1")" -ge "$2" ]
}

is() {
	[ "$(field "$1" status)" = "$2" ]
}

@test "the wait for a restart is as long as it was" {
	insula run -d --network none --name one --restart always "$E2E_IMAGE" sh -c 'echo run; cut -d" " -f1 /proc/uptime; exit 1' >/dev/null
	within 60 ran one 6 # 100, 200, 400 ms and so on: the next wait is 6.4 s after 3.2 s
	within 30 is one restarting
	before=$(runs one)
	leap '+10 years'
	within 60 ran one $((before + 1))
	within 30 is one restarting
	leap '-20 years'
	within 120 ran one $((before + 2))
	leap '+10 years'
	# From one start to the next it is never less than the wait, nor ever half as long again and ten seconds.
	insula stop --time 0 one
	insula logs one | awk '/^[0-9.]+$/ { if (NR > 2) { gap = $1 - last; if (gap < wait || gap > wait * 1.5 + 10) exit 1; }
		last = $1; wait = wait ? 2 * wait : 0.1; seen++ } END { if (seen < 8) exit 1 }' || fail "$(insula logs one)"
}

@test "health checks go on at their pace, and their times are told" {
	insula run -d --network none --name one --health-cmd 'echo x >>/checks' --health-interval 2s --health-start-period 1s \
		"$E2E_IMAGE" sleep 1000 >/dev/null
	checks() { insula exec one sh -c 'wc -l <checks'; }
	at_least() { [ "$(checks)" -ge "$1" ]; }
	within 60 at_least 2
	for years in +10 -20 +10; do
		before=$(checks) start=$(ms)
		leap "$years years"
		within 60 at_least $((before + 3))
		[ "$(ms)" -ge $((start + 4000)) ] || fail "three within $(($(ms) - start)) ms"
	done
	[ "$(detail one .State.Health.Status)" = healthy ] || fail
	ok insula inspect one
}

@test "a stop waits as long as it was told to, and a pause, an exec and a log do not care" {
	insula run -d --network none --name one "$E2E_IMAGE" sh -c 'trap "echo heard" TERM; echo up; while :; do sleep 0.2; done' >/dev/null
	within 60 sh -c '"$INSULA_BIN/insula" logs one | grep -qx up'
	start=$(ms)
	"$INSULA_BIN/insula" stop --time 8 one >/dev/null 3>&- &
	within 60 sh -c '"$INSULA_BIN/insula" logs one | grep -qx heard'
	leap '+10 years'
	sleep 1
	leap '-20 years'
	ok timeout 60 "$INSULA_BIN/insula" exec one true
	ok insula pause one
	ok insula unpause one
	is one running || fail "it did not wait"
	within 60 is one exited
	wait
	[ "$(ms)" -ge $((start + 8000)) ] || fail "after $(($(ms) - start)) ms"
	[ "$(field one exit_code)" = 137 ] || fail
	ok insula ps --all
	ok timeout 60 "$INSULA_BIN/insula" logs --since 1h one
	leap '+10 years'
	ok insula start one
	ok insula rm --force one
}

@test "nothing of it is anything for system check and doctor" {
	insula run -d --network none --name one "$E2E_IMAGE" sleep 1000 >/dev/null
	for years in +10 -20 +10; do
		leap "$years years"
		insula run --rm --network none "$E2E_IMAGE" true
		ok insula system check
		ok insula doctor
	done
	is one running || fail
	insula rm --force one
}
