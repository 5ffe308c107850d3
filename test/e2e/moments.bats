#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A container that is just being started, or just ending: whatever a verb then finds half done, it waits for
# and answers as if it had come a moment later, or earlier. The keeper is held at each of its steps.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2030,SC2031  # each test sets its own

load helpers

teardown() {
	[ -z "${HELD:-}" ] || kill -CONT "$HELD" 2>/dev/null || true
	e2e_teardown
}

# From where on nobody new can ask the keeper, and everything before.
EARLY='measure record socket'
LATE='cgroup layers ids remove release'

# The keeper of the one container that there is, and what becomes one, are known by its id.
keeper() {
	pgrep -f "^insula-keeper --state [0-9]* $(known_ids)\$"
}

# ends_at STEP FLAG...: a container named "one" whose command has ended with 7, and whose keeper is held before
# that step of its clearing up.
ends_at() {
	rm -f "$E2E_STATE/points"
	INSULA_FAIL=keeper.exit.$1=stop INSULA_FAIL_LOG=$E2E_STATE/points \
		insula run -d --name one "${@:2}" "$E2E_IMAGE" sh -c 'echo said; exit 7' >/dev/null
	eventually 20 grep -q "^keeper.exit.$1 stop" "$E2E_STATE/points"
	HELD=$(keeper)
}

goes_on() {
	kill -CONT "$HELD"
}

# later COMMAND...: begun while the keeper is held, which goes on when the command waits for it; its status,
# output and stderr.
later() {
	local begun
	"$@" >"$E2E_STATE/out" 2>"$E2E_STATE/err" &
	begun=$!
	sleep 0.4
	kill -0 "$begun" 2>/dev/null || fail "did not wait: $* ($(cat "$E2E_STATE/out" "$E2E_STATE/err"))" || return
	goes_on
	wait "$begun" && status=0 || status=$?
	output=$(cat "$E2E_STATE/out") stderr=$(cat "$E2E_STATE/err")
}

# gone: nothing is left of it.
gone() {
	[ -z "$(known_ids)" ] || fail "there is $(known_ids)" || return
	[ -z "$(find "$INSULA_ROOT/names" "$INSULA_RUNROOT/ids" -type f)" ] || fail "a name or a range is left"
}

@test "ending: wait has the exit code, at each step" {
	for step in $EARLY $LATE; do
		ends_at "$step"
		later insula wait one
		[ "$status" -eq 0 ] || fail "$step"
		shows 7
		[ "$(field one status)" = exited ] || fail "$step"
		ok insula rm one
	done
}

@test "ending: rm waits for the keeper and needs no force once the end is recorded" {
	for step in $LATE; do
		ends_at "$step"
		later insula rm one
		[ "$status" -eq 0 ] || fail "$step"
		shows one
		gone || fail "$step"
	done
}

@test "ending: rm --force and rm --all, at each step" {
	for step in $EARLY $LATE; do
		ends_at "$step"
		later insula rm --force one
		[ "$status" -eq 0 ] || fail "$step"
		gone || fail "$step"
	done
	ends_at cgroup
	later insula rm --all
	[ "$status" -eq 0 ] || fail
	gone
}

@test "ending: stop returns when it is cleared up, at each step" {
	for step in $EARLY $LATE; do
		ends_at "$step"
		later insula stop one
		[ "$status" -eq 0 ] || fail "$step"
		[ "$(field one status)" = exited ] || fail "$step"
		[ "$(field one exit_code)" = 7 ] || fail "$step"
		ok insula rm one
	done
}

@test "ending: exec and kill refuse, and say why" {
	ends_at cgroup
	refused 125 "container 'one' is not running" insula exec one true
	[[ $stderr == *'hint: it is stopping'* ]] || fail
	refused 125 "container 'one' is not running" insula kill one
	[[ $stderr == *'hint: it is stopping'* ]] || fail
	goes_on
}

@test "ending: ps, inspect, info, logs and doctor" {
	for step in $LATE; do
		ends_at "$step"
		ok insula ps
		lacks one
		ok insula ps -a
		contains Stopping
		[ "$(field one status)" = stopping ] || fail "$step"
		[ "$(detail one .State.Status)" = stopping ] || fail "$step"
		[ "$(detail one .State.Running)" = false ] || fail "$step"
		[ "$(insula info --format json | jq .store.containers.stopping)" = 1 ] || fail "$step"
		ok insula logs one
		shows said
		ok insula doctor # nothing of it is debris
		later insula logs -f one
		[ "$status" -eq 0 ] || fail "$step"
		shows said
		ok insula wait one
		ok insula rm one
	done
}

@test "ending: one with --rm is there until it is gone" {
	for step in cgroup ids remove; do
		ends_at "$step" --rm
		later insula wait one
		if [ "$status" -eq 0 ]; then shows 7; else
			[[ $stderr == *"container 'one'"*removed* ]] || fail "$step"
		fi
		gone || fail "$step"
	done
	for verb in 'rm one' 'rm --force one' 'rm --all' 'stop one' 'stop --all'; do
		ends_at cgroup --rm
		# shellcheck disable=SC2086  # words
		later insula $verb
		[ "$status" -eq 0 ] || fail "$verb"
		eventually 5 gone
	done
}

@test "ending: the name of one with --rm is free when it is asked for" {
	ends_at cgroup --rm
	later insula run --rm --name one "$E2E_IMAGE" echo new
	[ "$status" -eq 0 ] || fail
	shows new
}

@test "ending: the id of one with --rm, during its removal, step by step" {
	local id
	for step in root name run; do
		rm -f "$E2E_STATE/points"
		INSULA_FAIL=store.remove.$step=stop INSULA_FAIL_LOG=$E2E_STATE/points \
			insula run -d --rm --name one "$E2E_IMAGE" true >/dev/null
		eventually 20 grep -q "^store.remove.$step stop" "$E2E_STATE/points"
		HELD=$(keeper)
		id=$(known_ids)
		ok insula ps -a --no-trunc --format json
		[ "$(jq -r '.[0].status' <<<"$output")" = stopping ] || fail "$step"
		later insula rm "$id"
		[ "$status" -eq 0 ] || fail "$step"
		gone
	done
}

@test "ending: a keeper that hangs is killed by stop" {
	ends_at cgroup
	ok timeout 60 "$INSULA_BIN/insula" stop one
	[ "$(field one exit_code)" = 7 ] || fail # as it was recorded
	ok insula rm one
}

@test "ending: a keeper that hangs holds up rm for a while only, which says so, and --force kills it" {
	ends_at cgroup --rm
	exits 125 timeout 60 "$INSULA_BIN/insula" rm one
	[[ $stderr == *"its keeper does not clear up"*'insula rm --force one'* ]] || fail
	ok timeout 60 "$INSULA_BIN/insula" rm --force one
	gone
}

@test "ending: nobody waits for the removal of what one with --rm wrote" {
	local id
	INSULA_FAIL=keeper.exit.files=stop INSULA_FAIL_LOG=$E2E_STATE/points \
		timeout 20 "$INSULA_BIN/insula" run --rm --name one "$E2E_IMAGE" sh -c 'echo x >/written; exit 7' && fail
	[ $? -eq 7 ] || fail
	gone
	id=$(basename "$INSULA_ROOT"/removed/*)
	[ "$(cat "$INSULA_ROOT/removed/$id/upper/written")" = x ] || fail
	HELD=$(pgrep -f "^insula-keeper --state [0-9]* $id\$")
	ok insula doctor # somebody is at it
	ok insula run --rm --name one "$E2E_IMAGE" true
	ok insula rm --force --all
	[ -d "$INSULA_ROOT/removed/$id" ] || fail "it was taken from who is at it"
	goes_on
	eventually 10 sh -c "! test -e '$INSULA_ROOT/removed/$id'"
}

@test "ending: what one with --rm wrote is removed by the next rm where its keeper was killed" {
	INSULA_FAIL=keeper.exit.files=kill "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" touch /written
	gone
	eventually 10 sh -c '! "$INSULA_BIN/insula" doctor >/dev/null'
	ok insula rm --force --all
	[ -z "$(ls "$INSULA_ROOT/removed")" ] || fail
	ok insula doctor
}

# ---- the other end ----

# starts_at POINT FLAG...: one that is being started by a command in the background, its keeper-to-be held.
starts_at() {
	rm -f "$E2E_STATE/points"
	INSULA_FAIL=$1=stop INSULA_FAIL_LOG=$E2E_STATE/points \
		"$INSULA_BIN/insula" run -d --name one "${@:2}" "$E2E_IMAGE" sleep 0.5 >/dev/null &
	STARTER=$!
	eventually 20 grep -q "^$1 stop" "$E2E_STATE/points"
	HELD=$(tr -d ' ' <"/proc/$STARTER/task/$STARTER/children")
}

@test "starting: wait waits for the start and for the end" {
	for point in keeper.claimed keeper.running; do
		starts_at "$point"
		[ "$(field one status)" = starting ] || fail
		later insula wait one
		[ "$status" -eq 0 ] || fail "$point"
		shows 0
		wait "$STARTER"
		ok insula rm one
	done
}

@test "starting: cp and diff come when it runs" {
	starts_at keeper.claimed
	later insula cp one:/etc/passwd "$BATS_TEST_TMPDIR/passwd"
	[ "$status" -eq 0 ] || fail
	cmp "$E2E_ROOT/etc/passwd" "$BATS_TEST_TMPDIR/passwd"
	ok insula wait one
	ok insula rm one
	starts_at keeper.claimed
	later insula diff one
	[ "$status" -eq 0 ] || fail
	ok insula wait one
	ok insula rm one
}

@test "starting: stop, kill, exec and rm come when it runs" {
	starts_at keeper.claimed
	later insula exec one echo inside
	[ "$status" -eq 0 ] || fail
	shows inside
	ok insula rm -f one
	for verb in 'stop -t 0' kill; do
		starts_at keeper.claimed
		# shellcheck disable=SC2086  # words
		later insula $verb one
		[ "$status" -eq 0 ] || fail "$verb"
		ok insula wait one
		shows 137
		ok insula rm one
	done
	starts_at keeper.claimed
	later insula rm one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *"container 'one' is running"* ]] || fail
	ok insula rm -f one
}

@test "starting: one that hangs is ended by rm --force at once, wherever it hangs" {
	for point in keeper.claimed start.cgroup start.clone start.covers start.pivot start.release init.wait keeper.running; do
		rm -f "$E2E_STATE/points"
		INSULA_FAIL=$point=stop INSULA_FAIL_LOG=$E2E_STATE/points \
			"$INSULA_BIN/insula" run -d --name one "$E2E_IMAGE" sleep 600 >"$E2E_STATE/out" 2>"$E2E_STATE/err" </dev/null 3>&- &
		eventually 20 grep -q "^$point stop" "$E2E_STATE/points"
		ok timeout 10 "$INSULA_BIN/insula" rm --force one
		wait $! && fail "$point: it was started"
		grep -q 'the keeper died while the container was started' "$E2E_STATE/err" || fail "$point: $(cat "$E2E_STATE/err")"
		gone || fail "$point"
	done
	# And where nobody waits for the start any more.
	rm -f "$E2E_STATE/points"
	INSULA_FAIL=start.covers=stop INSULA_FAIL_LOG=$E2E_STATE/points \
		"$INSULA_BIN/insula" run -d --name one "$E2E_IMAGE" sleep 600 >/dev/null 2>&1 </dev/null 3>&- &
	eventually 20 grep -q "^start.covers stop" "$E2E_STATE/points"
	kill -9 $!
	ok timeout 10 "$INSULA_BIN/insula" rm --force one
	gone
}

# interrupted SIGNAL COMMAND...: which hangs while it starts a container, and gets the signal; its status.
interrupted() {
	local signal=$1
	shift
	rm -f "$E2E_STATE/points"
	INSULA_FAIL=$POINT=stop INSULA_FAIL_LOG=$E2E_STATE/points \
		env --default-signal=INT,TERM,HUP "$INSULA_BIN/insula" "$@" >"$E2E_STATE/out" 2>"$E2E_STATE/err" </dev/null 3>&- &
	eventually 20 grep -q "^$POINT stop" "$E2E_STATE/points"
	kill -s "$signal" $!
	wait $! && status=0 || status=$?
	grep -q "interrupted by SIG$signal" "$E2E_STATE/err" || fail "$POINT: $(cat "$E2E_STATE/err")"
}

@test "starting: ctrl-C ends the start at once, wherever it hangs, and takes it back; the exit status is the signal's" {
	for POINT in keeper.claimed start.cgroup start.clone start.covers start.pivot start.release init.wait keeper.running; do
		interrupted INT run -d --name one "$E2E_IMAGE" sleep 600
		[ "$status" -eq 130 ] || fail "$POINT"
		gone || fail "$POINT"
	done
	interrupted TERM run --rm --name one "$E2E_IMAGE" sleep 600
	[ "$status" -eq 143 ] || fail
	gone
	insula run --name one "$E2E_IMAGE" sh -c 'exit 7' || true
	POINT=start.release interrupted HUP start one
	[ "$status" -eq 129 ] || fail
	[ "$(field one exit_code)" = 7 ] || fail
	[ "$(field one status)" = exited ] || fail
	insula create --name two "$E2E_IMAGE" true >/dev/null
	POINT=start.release interrupted INT start one two
	[ "$status" -eq 130 ] || fail
	[ "$(grep -c interrupted "$E2E_STATE/err")" -eq 2 ] || fail "$(cat "$E2E_STATE/err")"
	[ "$(field two status)" = created ] || fail
	# To whom it is nothing, it is nothing.
	rm -f "$E2E_STATE/points"
	INSULA_FAIL=start.release=stop INSULA_FAIL_LOG=$E2E_STATE/points \
		env --ignore-signal=INT "$INSULA_BIN/insula" run -d --rm --name three "$E2E_IMAGE" sleep 600 >/dev/null 2>&1 </dev/null 3>&- &
	eventually 20 grep -q "^start.release stop" "$E2E_STATE/points"
	kill -s INT $!
	sleep 0.2
	kill -CONT "$(tr -d ' ' <"/proc/$!/task/$!/children")"
	wait $! || fail "it was interrupted"
	[ "$(field three status)" = running ] || fail
}

@test "starting: one that then fails to start is no more" {
	INSULA_FAIL=keeper.claimed=stop,keeper.running=error:ENOSPC INSULA_FAIL_LOG=$E2E_STATE/points \
		"$INSULA_BIN/insula" run -d --name one "$E2E_IMAGE" sleep 60 >/dev/null 2>&1 &
	STARTER=$!
	eventually 20 grep -q "^keeper.claimed stop" "$E2E_STATE/points"
	HELD=$(tr -d ' ' <"/proc/$STARTER/task/$STARTER/children")
	later insula wait one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *removed* ]] || fail
	wait "$STARTER" && fail "it started"
	gone
}
