#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Health checks: a command inside, run by the keeper's timer or by hand, what is made of it and done about it.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# checked NAME COMMAND FLAG...: a container that sleeps, checked often.
checked() {
	insula run -d --name "$1" --health-cmd "$2" --health-interval 200ms --health-retries 2 "${@:3}" \
		"$E2E_IMAGE" sh -c 'trap "exit 9" TERM; echo run; while :; do sleep 0.1; done' >/dev/null
}

is() {
	[ "$(field "$1" status)" = "$2" ]
}

health() {
	[ "$(detail "$1" .State.Health.Status)" = "$2" ]
}

@test "healthy and unhealthy, as the command says; ps, inspect and events tell" {
	checked one 'echo looked; test ! -e /ill'
	eventually 20 health one healthy
	ok insula ps
	contains '(healthy)'
	[ "$(field one health)" = healthy ] || fail
	insula exec one touch /ill
	eventually 20 health one unhealthy
	ok insula ps
	contains '(unhealthy)'
	[ "$(detail one .State.Health.FailingStreak)" -ge 2 ] || fail
	[ "$(detail one '.State.Health.Log[-1].ExitCode')" = 1 ] || fail
	[ "$(detail one '.State.Health.Log[-1].Output')" = looked ] || fail
	insula exec one rm /ill
	eventually 20 health one healthy
	[ "$(detail one .State.Health.FailingStreak)" = 0 ] || fail
	sleep 1.5
	[ "$(detail one '.State.Health.Log | length')" = 5 ] || fail
	[ "$(detail one .Config.Healthcheck.Interval)" = 200000000 ] || fail
	run timeout 20 "$INSULA_BIN/insula" events --since 1m --until 0s
	[[ $output == *health_status*healthy*health_status*unhealthy* ]] || fail
	is one running || fail # nothing is done about it unless it is asked for
	ok insula doctor
}

@test "a JSON list is executed without a shell; the container's user and environment" {
	insula run -d --name one -u user -e WHO=me --health-cmd '["/bin/sh", "-c", "id -un; echo $WHO"]' --health-interval 200ms \
		"$E2E_IMAGE" sleep 600 >/dev/null
	eventually 20 health one healthy
	[ "$(detail one '.State.Health.Log[-1].Output')" = $'user\nme' ] || fail
}

@test "a check that takes too long has failed, and is killed" {
	checked one 'sleep 77' --health-timeout 300ms
	eventually 20 health one unhealthy
	[ "$(detail one '.State.Health.Log[-1].ExitCode')" = 124 ] || fail
	ok insula exec one ps
	[ "$(grep -c 'sleep 77' <<<"$output")" -le 2 ] || fail
}

@test "a command that is not there has failed, with the reason; much output holds up nobody" {
	checked one '["/no/such"]'
	eventually 20 health one unhealthy
	[ "$(detail one '.State.Health.Log[-1].ExitCode')" = 127 ] || fail
	[[ $(detail one '.State.Health.Log[-1].Output') == *'/no/such'* ]] || fail
	checked two 'head -c 1000000 /dev/zero | tr "\0" x; printf "\033[31m\377"'
	eventually 20 health two healthy
	[ "$(detail two '.State.Health.Log[-1].Output | length')" = 500 ] || fail
}

@test "failures in the start period do not count, a success ends it" {
	checked one 'test -e /up' --health-start-period 1h
	sleep 1.5
	health one starting || fail
	[ "$(detail one '.State.Health.Log | length')" -ge 2 ] || fail
	insula exec one touch /up
	eventually 20 health one healthy
	insula exec one rm /up
	eventually 20 health one unhealthy
}

@test "healthcheck run: by hand, with an exit code, and the keeper is told" {
	checked one 'test ! -e /ill' --health-interval disable
	sleep 0.6
	health one starting || fail
	ok insula healthcheck run one
	shows healthy
	health one healthy || fail
	insula exec one touch /ill
	exits 1 insula healthcheck run one
	shows unhealthy
	exits 1 insula healthcheck run one
	health one unhealthy || fail
	insula run -d --name two "$E2E_IMAGE" sleep 600 >/dev/null
	refused 125 "has no health check" insula healthcheck run two
	refused 125 "has no health check" insula wait --condition healthy two
	insula stop -t 0 one >/dev/null
	refused 125 "not running" insula healthcheck run one
	refused 125 "there is no 'walk'" insula healthcheck walk one
}

@test "wait --condition healthy and unhealthy" {
	checked one 'test -e /up'
	(sleep 0.5 && insula exec one touch /up) &
	ok timeout 20 "$INSULA_BIN/insula" wait --condition healthy one
	(sleep 0.3 && insula exec one rm /up) &
	ok timeout 20 "$INSULA_BIN/insula" wait --condition unhealthy --interval 50ms one
	wait
}

@test "--health-on-failure: kill, stop, restart" {
	checked kill false --health-on-failure kill
	checked stop false --health-on-failure stop --restart always
	checked restart 'test -e /nothing' --health-on-failure restart
	eventually 20 is kill exited
	[ "$(field kill exit_code)" = 137 ] || fail
	[ "$(detail kill .State.Reason)" = unhealthy ] || fail
	eventually 20 is stop exited
	[ "$(field stop exit_code)" = 9 ] || fail
	eventually 20 sh -c '[ "$("$INSULA_BIN/insula" logs restart | grep -c run)" -ge 2 ]'
	[ "$(detail restart .RestartCount)" -ge 1 ] || fail
	sleep 0.5
	is stop exited || fail # for good
	ok insula stop -t 2 restart
	is restart exited
}

@test "a restarted one begins with starting; a paused one is not checked" {
	checked one 'test ! -e /tmp/ill' --tmpfs /tmp
	eventually 20 health one healthy
	insula pause one >/dev/null
	sleep 1
	[ "$(detail one '.State.Health.FailingStreak')" = 0 ] || fail
	refused 125 "is paused" insula healthcheck run one
	insula unpause one >/dev/null
	insula exec one touch /tmp/ill
	eventually 20 health one unhealthy
	ok insula restart one
	[ "$(detail one .State.Health.Status)" != unhealthy ] || fail
	eventually 20 health one healthy
}

@test "user namespace of the host: each check enters as a sealed copy" {
	checked one 'id -u; readlink /proc/self/ns/user >/dev/null' --userns host
	eventually 20 health one healthy
	[ "$(detail one '.State.Health.Log[-1].Output')" = 0 ] || fail
}

@test "the keeper is killed: nothing of a check is left" {
	checked one 'test ! -e /ill'
	eventually 20 health one healthy
	kill -9 "$(detail one .State.KeeperPid)"
	ok insula rm -f one
	[ -z "$(known_ids)" ]
}

@test "checks that make no sense are refused" {
	refused 125 "without --health-cmd" insula run --health-interval 1s "$E2E_IMAGE" true
	refused 125 "without --health-cmd" insula run --health-cmd none --health-retries 2 "$E2E_IMAGE" true
	refused 125 "exclude each other" insula run --no-healthcheck --health-cmd x "$E2E_IMAGE" true
	refused 125 "--health-interval" insula run --health-cmd x --health-interval 1ms "$E2E_IMAGE" true
	refused 125 "--health-interval" insula run --health-cmd x --health-interval often "$E2E_IMAGE" true
	refused 125 "--health-cmd" insula run --health-cmd '[1]' "$E2E_IMAGE" true
	refused 125 "--health-cmd" insula run --health-cmd '[' "$E2E_IMAGE" true
	refused 125 "the list is empty" insula run --health-cmd '[]' "$E2E_IMAGE" true
	refused 125 "--health-on-failure" insula run --health-cmd x --health-on-failure cry "$E2E_IMAGE" true
	refused 125 "--health-timeout" insula run --health-cmd x --health-timeout 0 "$E2E_IMAGE" true
	ok insula run --rm --no-healthcheck "$E2E_IMAGE" true
}
