#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What happens to containers, told: in order, with codes and labels, filtered, as it happens, and with
# whoever writes or reads killed.

load helpers

# Names of the events of a container in order.
told_of() {
	insula events --no-stream --filter "container=$1" --format '{{.Event}}' | tr '\n' ' '
}

@test "a container's life is told from its making to its removal" {
	ok insula run -d --name web --label team=blue --network none "$E2E_IMAGE" sleep 300
	exits 3 insula exec web sh -c 'exit 3'
	ok insula kill -s WINCH web
	ok insula stop -t 0 web
	ok insula rm web
	[ "$(told_of web)" = "create start exec exec_died kill die stop remove " ] || fail "$(told_of web)"
	ok insula events --no-stream -f container=web -f event=exec_died -f event=die \
		--format '{{.Event}} {{.ContainerExitCode}} {{index .Labels "team"}} {{.Image}}'
	shows "exec_died 3 blue $E2E_IMAGE
die 137 blue $E2E_IMAGE"
}

@test "with --rm, the keeper tells the end" {
	exits 7 insula run --rm --name once --network none "$E2E_IMAGE" sh -c 'exit 7'
	[ "$(told_of once)" = "create start die remove " ] || fail "$(told_of once)"
	ok insula events --no-stream -f event=die --format '{{.Name}} {{.ContainerExitCode}}'
	shows "once 7"
}

@test "a start that fails is told as made and removed" {
	exits 127 insula run --rm --name lost --network none "$E2E_IMAGE" /no/such
	[ "$(told_of lost)" = "create remove " ] || fail "$(told_of lost)"
}

@test "a keeper that is killed is told by whoever repairs" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	kill -9 "$(detail web .State.KeeperPid)"
	exits 0 insula wait web
	shows 137
	[ "$(told_of web)" = "create start die " ] || fail "$(told_of web)"
}

@test "a stream tells what comes, and nothing that was" {
	ok insula run --rm --name before --network none "$E2E_IMAGE" true
	"$INSULA_BIN/insula" events --format '{{.Name}} {{.Event}}' >"$BATS_TEST_TMPDIR/told" 3>&- &
	pid=$!
	eventually 10 sh -c "ls -l /proc/$pid/fd | grep -q inotify"
	ok insula run --rm --name after --network none "$E2E_IMAGE" true
	eventually 10 grep -q 'after remove' "$BATS_TEST_TMPDIR/told"
	kill "$pid"
	[ "$(cat "$BATS_TEST_TMPDIR/told")" = "after create
after start
after die
after remove" ] || fail "$(cat "$BATS_TEST_TMPDIR/told")"
}

@test "a stream ends at --until, and when nobody reads it" {
	ok insula run --rm --network none "$E2E_IMAGE" true
	ok timeout 20 "$INSULA_BIN/insula" events --since 1h --until +1s --format '{{.Event}}'
	shows "create
start
die
remove"
	ok timeout 20 sh -c '"$INSULA_BIN/insula" events --since 1h | head -n 1'
	contains "container create"
}

@test "events in JSON are an object a line" {
	ok insula run --rm --name web --label a=b --network none "$E2E_IMAGE" true
	ok insula events --no-stream --format json
	[ "$(jq -r 'select(.event == "die") | [.type, .name, .exit_code, .labels[0], .attributes.code] | @csv' <<<"$output")" = '"container","web",0,"a=b","0"' ]
	[ "$(jq -r .id <<<"$output" | sort -u | wc -c)" -eq 65 ]
	# Times are in order, and of now.
	[ "$(jq -r .time_ns <<<"$output" | sort -n)" = "$(jq -r .time_ns <<<"$output")" ]
	[ "$(jq -s 'map(select((now - .time_ns / 1e9) | . < -5 or . > 600)) | length' <<<"$output")" -eq 0 ]
}

@test "bad requests have one clear error" {
	refused 125 "there is no 'colour=red' to filter by" insula events -f colour=red
	refused 125 "wants event=VALUE" insula events -f event
	refused 125 "there is no event 'destroy'" insula events -f event=destroy
	refused 125 "there are no events of type 'image'" insula events -f type=image
	refused 125 "neither a time nor a duration" insula events --since whenever
	refused 125 "there is no field 'Nosuch'" insula events --format '{{.Nosuch}}'
	refused 125 "there is no table" insula events --format 'table {{.ID}}'
	refused 125 "exclude each other" insula events --stream --no-stream
	refused 125 "too many arguments" insula events web
}

@test "every event that is written can be asked for, and is in the manual" {
	local name sources=$E2E_DIR/../../src
	[ -d "$sources" ] || skip "there are no sources here"
	for name in $(cat "$sources"/engine/*.c | tr -d '\n' |
		grep -oE '(event_note|event_note_number|keeper_note_event)\([^"();]*("[a-z_]+"( : "[a-z_]+")?)' |
		grep -oE '"[a-z_]+"' | tr -d '"' | sort -u); do
		ok insula events --no-stream -f "event=$name"
		grep -v '^\.\\"' "$E2E_DIR/../../man/insula-events.1" | grep -qw -- "$name" || fail "$name"
		echo "$name"
	done | tee "$BATS_TEST_TMPDIR/names"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -ge 19 ]
}

@test "an event that cannot be written fails nobody" {
	ok insula ps
	mkdir "$INSULA_RUNROOT/events"
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula stop -t 0 web
	ok insula rm web
	rmdir "$INSULA_RUNROOT/events"
}

@test "killed in a rotation, the next writer goes on" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	head -c 1100000 /dev/zero | tr '\0' '\n' >>"$INSULA_RUNROOT/events"
	INSULA_FAIL=event.rotate=kill run insula kill -s WINCH web
	[ "$status" -eq 137 ]
	ok insula kill -s CONT web
	[ "$(stat -c %s "$INSULA_RUNROOT/events")" -lt 10000 ]
	[ "$(told_of web)" = "create start kill " ] || fail "$(told_of web)"
	ok insula rm -f web
}

@test "who finds the file full when another has moved it away moves nothing" {
	needs_failpoints
	local late
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	head -c 1100000 /dev/zero | tr '\0' '\n' >>"$INSULA_RUNROOT/events"
	INSULA_FAIL=event.full=stop "$INSULA_BIN/insula" kill -s WINCH web >/dev/null 3>&- &
	late=$!
	eventually 10 grep -q '^State:.*stopped' "/proc/$late/status"
	ok insula kill -s CONT web
	[ "$(stat -c %s "$INSULA_RUNROOT/events.1")" -gt 1000000 ]
	kill -CONT "$late"
	wait "$late"
	[ "$(stat -c %s "$INSULA_RUNROOT/events.1")" -gt 1000000 ]
	[ "$(told_of web)" = "create start kill kill " ] || fail "$(told_of web)"
	ok insula rm -f web
}
