#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a container printed: by stream, by time, the last lines, and as it comes.

load helpers

@test "logs: of one that prints faster than it is read there is an end, and --tail is exact" {
	insula run -d --name one --log-opt max-size=200k "$E2E_IMAGE" sh -c 'n=0; while :; do n=$((n + 1)); echo $n; done' >/dev/null
	eventually 10 eval '[ "$(insula logs one | wc -l)" -gt 1000 ]'
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(insula logs --tail 1 one | wc -l)" -eq 1 ]
		[ "$(insula logs --tail 7 one | wc -l)" -eq 7 ]
	done
	# A reader that takes its time.
	ok timeout 60 sh -c '"$INSULA_BIN/insula" logs one | { sleep 0.5; cat >/dev/null; }'
}

@test "each stream to its own, or one of them" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c 'echo out1; echo err1 >&2; sleep 0.2; echo out2; echo err2 >&2'
	ok insula wait web
	ok insula logs web
	shows "out1
out2"
	[ "${stderr:-}" = "err1
err2" ] || fail
	ok insula logs --stdout web
	shows "out1
out2"
	[ -z "$stderr" ]
	ok insula logs --stderr web
	[ -z "$output" ]
	[ "$stderr" = "err1
err2" ]
	ok insula logs --stderr --tail 1 web
	[ "$stderr" = err2 ] || fail
	ok insula logs --stdout --stderr web
	[ -n "$output" ] && [ -n "$stderr" ]
}

@test "where both streams are one file, lines come in their order" {
	ok insula run --name web "$E2E_IMAGE" sh -c 'for i in 1 2 3; do echo out$i; sleep 0.1; echo err$i >&2; sleep 0.1; done'
	[ "$(insula logs web 2>&1 | tr '\n' ' ')" = "out1 err1 out2 err2 out3 err3 " ] || fail "$(insula logs web 2>&1)"
	[ "$(insula logs --tail 3 web 2>&1 | tr '\n' ' ')" = "err2 out3 err3 " ]
	[ "$(insula logs --tail all web 2>&1 | wc -l)" -eq 6 ]
	[ "$(insula logs --tail -1 web 2>&1 | wc -l)" -eq 6 ]
	[ -z "$(insula logs --tail 0 web 2>&1)" ]
	refused 125 "--tail must be a whole number" insula logs --tail some web
}

@test "since and until, as a time and as how long ago" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c 'echo one; sleep 1.5; echo two'
	ok insula wait web
	ok insula logs -t --tail 1 web
	moment=${output%% *}
	ok insula logs --since "$moment" web
	shows two
	ok insula logs --until "$moment" web
	contains one
	ok insula logs --since 1h web
	shows "one
two"
	ok insula logs --until 1h web
	shows ""
	refused 125 "neither a time nor a duration" insula logs --since whenever web
}

@test "following ends with the container, at its time, and when nobody reads" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c 'i=0; while :; do echo $i; i=$((i + 1)); sleep 0.1; done'
	eventually 10 sh -c '"$INSULA_BIN/insula" logs web | grep -q 3'
	ok timeout 20 "$INSULA_BIN/insula" logs -f --until +1s web
	contains 3
	ok timeout 20 sh -c '"$INSULA_BIN/insula" logs -f web | head -n 1'
	shows 0
	"$INSULA_BIN/insula" logs -f web >"$BATS_TEST_TMPDIR/all" 3>&- &
	pid=$!
	eventually 10 test -s "$BATS_TEST_TMPDIR/all"
	ok insula stop -t 0 web
	eventually 10 sh -c "! kill -0 $pid 2>/dev/null"
}

@test "following a silent one ends when nobody reads" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c 'echo one; sleep 300'
	eventually 10 sh -c '"$INSULA_BIN/insula" logs web | grep -q one'
	ok timeout 20 sh -c '"$INSULA_BIN/insula" logs -f web | head -n 1'
	shows one
}

@test "a line without its end is a line to --tail, as it is to tail and podman" {
	ok insula run --name web --network none "$E2E_IMAGE" sh -c 'echo one; echo two; printf "$ "'
	local lines
	for lines in 0 1 2 3 9; do
		[ "$(insula logs --tail "$lines" web; echo .)" = "$(printf 'one\ntwo\n$ ' | tail -n "$lines"; echo .)" ] || fail "$lines"
	done
	# What ends it later is printed, with or without its beginning.
	ok insula run -d --name late --network none "$E2E_IMAGE" sh -c 'printf "$ "; until [ -e /go ]; do sleep 0.05; done; echo ls'
	eventually 10 eval '[ "$(insula logs late)" = "$ " ]'
	"$INSULA_BIN/insula" logs --follow --tail 0 late >"$E2E_STATE/end" 3>&- </dev/null &
	local reader=$!
	sleep 0.3
	ok insula exec late touch /go
	wait "$reader"
	[ "$(cat "$E2E_STATE/end")" = ls ] || fail "$(cat "$E2E_STATE/end")"
	[ "$(insula logs --tail 1 late)" = '$ ls' ]
}

@test "a keeper that is killed between two renames of a rotation hides nothing of the log, and loses nothing later" {
	needs_failpoints
	local step last
	for step in 1 2 3 4; do
		# 44 kB of log for each thousand: after every one a rotation, with one more rename than the last.
		INSULA_FAIL=log.rotate=kill@$step exits 125 insula run --name web --network none --log-opt max-size=64k --log-opt max-file=9 \
			"$E2E_IMAGE" sh -c '[ ! -e /seen ] || { seq 6001 9000; exit; }; touch /seen; for i in 0 1 2 3 4 5; do seq $((i * 1000 + 1)) $((i * 1000 + 1000)); sleep 0.1; done; exec sleep 600'
		last=$(insula logs --tail 1 web)
		insula logs web | cmp - <(seq 1 "$last") || fail "step $step: $(ls "$INSULA_ROOT/containers/$(detail web .Id)")"
		[ "$(insula logs --tail 500 web | head -n 1)" -eq $((last - 499)) ] || fail "step $step"
		insula start web >/dev/null
		insula wait web >/dev/null
		insula logs web | cmp - <(seq 1 "$last" && seq 6001 9000) || fail "step $step: afterwards"
		ok insula rm -f web
	done
}

# Two that print in turns, and a third one whose output is older.
in_turns() {
	insula run --name old "$E2E_IMAGE" sh -c 'echo old' >/dev/null
	insula run -d --name a "$E2E_IMAGE" sh -c 'echo a1; until [ -e /go ]; do sleep 0.02; done; echo a2 >&2; printf "a3"' >/dev/null
	eventually 10 eval '[ "$(insula logs a)" = a1 ]'
	insula run --name b "$E2E_IMAGE" sh -c 'echo b1; echo b2 >&2' >/dev/null 2>&1
	insula exec a touch /go
	insula wait a >/dev/null
}

@test "several: a name before each line, in the order of their times" {
	in_turns
	[ "$(insula logs a b old 2>/dev/null)" = $'old old\na a1\nb b1\na a3' ] || fail "$(insula logs a b old)"
	# Within one stream of one container nothing is turned around.
	[ "$(insula logs a b old 2>&1 | sort)" = $'a a1\na a2\na a3\nb b1\nb b2\nold old' ]
	[ "$(insula logs a b old 2>&1 >/dev/null)" = $'b b2\na a2' ]
	[ "$(insula logs --stdout b a 2>&1)" = $'a a1\nb b1\na a3' ]
	[ "$(insula logs --tail 1 a b old 2>/dev/null | sort)" = $'a a3\nold old' ]
	[ "$(insula logs old --names)" = 'old old' ]
	[ "$(insula logs old)" = old ]
	[ "$(insula logs a b a "$(detail a .Id)" --stdout)" = $'a a1\nb b1\na a3' ]
	[[ $(insula logs -t a b --stdout | head -n 1) =~ ^a\ 20[0-9T:.-]+Z\ a1$ ]] || fail
	[ "$(insula logs --stdout --since "$(detail b .State.StartedAt)" a b old)" = $'b b1\na a3' ]
}

@test "several: one that is not there, and one that keeps no log, are said and the others printed" {
	insula run --name a "$E2E_IMAGE" echo a1 >/dev/null
	insula run --name none --log-driver none "$E2E_IMAGE" echo silent >/dev/null
	exits 125 insula logs ghost a
	shows 'a a1'
	[[ $stderr == *"'ghost'"* ]] || fail
	exits 125 insula logs none a
	shows 'a a1'
	[[ $stderr == *"'none' keeps no log"*"--log-driver none"* ]] || fail
	exits 125 insula logs ghost1 ghost2
	[[ $stderr == *"'ghost1'"*"'ghost2'"* ]] || fail
	[ -z "$output" ]
}

@test "several: colours on a terminal, or where they are asked for" {
	insula run --name a "$E2E_IMAGE" echo a1 >/dev/null
	insula run --name b "$E2E_IMAGE" echo b1 >/dev/null
	[ "$(insula logs a b)" = $'a a1\nb b1' ]
	[ "$(insula logs --color a b)" = $'\e[36ma\e[0m a1\n\e[33mb\e[0m b1' ]
	[ "$(insula logs --color a)" = $'\e[36ma\e[0m a1' ]
	[ "$(TERM=xterm script -qec "$INSULA_BIN/insula logs a b" /dev/null </dev/null | tr -d '\r')" = $'\e[36ma\e[0m a1\n\e[33mb\e[0m b1' ]
	[ "$(NO_COLOR=1 TERM=xterm script -qec "$INSULA_BIN/insula logs a b" /dev/null </dev/null | tr -d '\r')" = $'a a1\nb b1' ]
}

@test "several are followed, each until its end, and a line is never cut by another's" {
	local reader half='printf half; until [ -e /go ]; do sleep 0.02; done; echo whole'
	insula run -d --name a "$E2E_IMAGE" sh -c "$half" >/dev/null
	insula run -d --name b "$E2E_IMAGE" sh -c 'echo b1; sleep 0.3; echo b2' >/dev/null
	"$INSULA_BIN/insula" logs -f a b >"$E2E_STATE/lines" 3>&- </dev/null &
	reader=$!
	eventually 10 grep -q b2 "$E2E_STATE/lines"
	[ "$(cat "$E2E_STATE/lines")" = $'b b1\nb b2' ]
	kill -0 "$reader"
	insula exec a touch /go
	wait "$reader"
	[ "$(cat "$E2E_STATE/lines")" = $'b b1\nb b2\na halfwhole' ] || fail "$(cat "$E2E_STATE/lines")"
}

@test "several: whoever follows leaves no reader behind, however it ends" {
	local follower readers
	insula run -d --name a "$E2E_IMAGE" sh -c 'echo a1; exec sleep 300' >/dev/null
	insula run -d --name b "$E2E_IMAGE" sleep 300 >/dev/null
	ok timeout 20 sh -c '"$INSULA_BIN/insula" logs -f a b | head -n 1'
	shows 'a a1'
	"$INSULA_BIN/insula" logs -f a b >"$E2E_STATE/lines" 3>&- </dev/null &
	follower=$!
	eventually 10 grep -q a1 "$E2E_STATE/lines"
	readers=$(cat "/proc/$follower/task/$follower/children")
	[ "$(wc -w <<<"$readers")" -eq 2 ] || fail "$readers"
	kill -9 "$follower"
	wait "$follower" || true
	for reader in $readers; do
		eventually 10 eval '! kill -0 "$reader" 2>/dev/null'
	done
}

@test "several: long lines, floods and lines beyond all bounds" {
	insula run -d --name flood --log-opt max-size=64k "$E2E_IMAGE" sh -c 'while :; do echo flood; done' >/dev/null
	insula run --name long "$E2E_IMAGE" sh -c 'head -c 100000 /dev/zero | tr "\0" x; echo; head -c 300000 /dev/zero | tr "\0" y; echo end' >/dev/null
	timeout 60 "$INSULA_BIN/insula" logs flood long >"$E2E_STATE/lines"
	[ "$(grep -c '^long x*$' "$E2E_STATE/lines")" -eq 1 ]
	[ "$(grep '^long x*$' "$E2E_STATE/lines" | tr -dc x | wc -c)" -eq 100000 ]
	[ "$(grep '^long y*\(end\)\?$' "$E2E_STATE/lines" | tr -dc y | wc -c)" -eq 300000 ]
	# The oldest line of a log that is rotated may have lost its beginning.
	[ "$(grep -c -v -e '^flood [flod]*$' -e '^long ' "$E2E_STATE/lines")" -eq 0 ]
}
