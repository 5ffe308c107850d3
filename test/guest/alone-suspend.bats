#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every process of the machine is frozen, as for a sleep of it, while containers wait for a restart, are checked, are
# stopped and are looked at: the clock of the boot goes on, and what was due meanwhile is done when it wakes. The
# kernel's own test of suspend (pm_test) does that and wakes by itself, which an emulated machine would not. Runs when
# nothing else does.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers

LEVEL=/sys/power/pm_test
DELAY=/sys/module/suspend/parameters/pm_test_delay

setup_file() {
	file_setup
	[ -e $DELAY ] || skip_file "this kernel does not test its suspend (CONFIG_PM_DEBUG)"
}

teardown() {
	echo none >$LEVEL
	[ -z "${follower:-}" ] || kill "$follower" 2>/dev/null || true
	e2e_teardown
}

uptime_of() {
	cut -d. -f1 /proc/uptime
}

# asleep SECONDS: no process of this machine runs for so long, as the clock of the boot tells.
asleep() {
	local before
	before=$(uptime_of)
	echo "$(($1 * 3))" >$DELAY # an emulated machine counts too fast: it was 0.4 of that
	echo freezer >$LEVEL
	echo freeze >/sys/power/state
	[ $(($(uptime_of) - before)) -ge $(($1 - 1)) ] || fail "it slept $(($(uptime_of) - before)) s"
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

@test "the sleep is one: nothing runs, and the clock of the boot goes on" {
	insula run -d --network none --name one "$E2E_IMAGE" sh -c 'while :; do echo tick; sleep 0.2; done' >/dev/null
	eventually 30 said one tick
	before=$(insula logs one | wc -l)
	start=$(uptime_of)
	asleep 20
	spent=$(($(uptime_of) - start))
	[ $(($(insula logs one | wc -l) - before)) -lt $((spent * 5 / 2)) ] || fail "it ran on"
	is one running || fail
}

@test "a restart that was due while it slept comes when it wakes" {
	insula run -d --network none --name one --restart always "$E2E_IMAGE" sh -c 'echo run; exit 1' >/dev/null
	eventually 60 ran one 8 # 100, 200, 400 ms and so on: the next is due in 12.8 s
	eventually 30 is one restarting
	before=$(runs one) start=$(uptime_of)
	asleep 20
	eventually 10 ran one $((before + 1))
	ok insula stop --time 0 one
	is one exited || fail
}

@test "a stop whose time ran out while it slept is ended when it wakes" {
	insula run -d --network none --name one "$E2E_IMAGE" sh -c 'trap "echo heard" TERM; echo up; while :; do sleep 0.2; done' >/dev/null
	eventually 60 said one up
	"$INSULA_BIN/insula" stop --time 15 one >/dev/null 3>&- &
	eventually 60 said one heard
	asleep 20
	eventually 10 is one exited
	wait
	[ "$(field one exit_code)" = 137 ] || fail
}

@test "health checks go on, and a sleep is no failure" {
	insula run -d --network none --name one --health-cmd 'echo x >>/checks' --health-interval 2s --health-retries 1 \
		--health-on-failure kill "$E2E_IMAGE" sleep 1000 >/dev/null
	checks() { insula exec one sh -c 'wc -l <checks'; }
	at_least() { [ "$(checks)" -ge "$1" ]; }
	eventually 60 at_least 2
	asleep 15
	before=$(checks)
	eventually 60 at_least $((before + 2))
	is one running || fail
	[ "$(detail one .State.Health.Status)" = healthy ] || fail
}

@test "who follows, waits or is attached goes on, and times are told as they are" {
	insula run -d --network none --name one "$E2E_IMAGE" sh -c 'while ! [ -e /end ]; do sleep 0.2; done; echo over; exit 7' >/dev/null
	"$INSULA_BIN/insula" logs --follow one >"$E2E_STATE/followed" 3>&- &
	follower=$!
	"$INSULA_BIN/insula" wait one >"$E2E_STATE/waited" 3>&- &
	waiter=$!
	asleep 10
	ok insula pause one
	asleep 10
	ok insula unpause one
	ok insula exec one touch /end
	wait "$waiter"
	[ "$(cat "$E2E_STATE/waited")" = 7 ] || fail
	wait "$follower"
	[ "$(cat "$E2E_STATE/followed")" = over ] || fail
	ok insula system check
	ok insula doctor
}
