#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Taking part in a running container (attach), freezing it (pause), and waiting for what it becomes (wait).

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup() {
	needs_failpoints
	e2e_setup
	POINTS=$E2E_STATE/points
}
teardown() {
	# shellcheck disable=SC2046  # pids
	[ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null || true
	e2e_teardown
}

# talker NAME FLAG... SCRIPT: a container that runs a shell script in the background.
talker() {
	insula run -d --name "${@:1:$#-1}" "$E2E_IMAGE" sh -c "${@: -1}" >/dev/null
}

# visited POINT [TIMES]: whether commands with INSULA_FAIL_LOG=$POINTS have been there, so that a test knows
# that one in the background has come to where something is to happen to it.
visited() {
	[ "$(grep -c "^$1 " "$POINTS")" -ge "${2:-1}" ]
}

# attached OPTION... NAME: attach, to be put in the background.
attached() {
	INSULA_FAIL_LOG=$POINTS exec "$INSULA_BIN/insula" attach "$@"
}

# once_it_waits COMMAND...: run that as soon as the 'wait' that follows has seen that it has to.
once_it_waits() {
	export INSULA_FAIL_LOG=$POINTS
	: >"$POINTS"
	(eventually 20 visited wait.again && "$@" >/dev/null) &
}

# ---- attach ----

@test "attach: a shell's prompt is seen, commands run, and the exit code comes back" {
	insula run -dit --name one "$E2E_IMAGE" sh >/dev/null
	eventually 5 said one '#'
	run pty --size 30x99 --expect '# ' --send 'stty size\r' --expect '30 99' --send 'exit 6\r' -- \
		"$INSULA_BIN/insula" attach one
	[ "$status" -eq 6 ] || fail
	[ "$(field one exit_code)" = 6 ]
}

@test "attach: what stood on the screen is replayed once, not the whole log" {
	talker one -it 'for i in $(seq 1000); do echo line $i; done; printf "prompt> "; sleep 600'
	eventually 5 said one prompt
	run pty --expect 'prompt> ' --send '\x10\x11' -- "$INSULA_BIN/insula" attach one
	[ "$status" -eq 0 ] || fail
	contains 'line 1000'
	lacks 'line 1'$'\r'
	[ "$(grep -c 'prompt>' <<<"$output")" -eq 1 ] || fail
	[ "$(grep -c 'line 1000' <<<"$output")" -eq 1 ] || fail
}

@test "attach: detach keys leave it running; others by --detach-keys, or none" {
	insula run -dit --name one "$E2E_IMAGE" sh >/dev/null
	eventually 5 said one '#'
	run pty --expect '# ' --send '\x10\x11' -- "$INSULA_BIN/insula" attach one
	[ "$status" -eq 0 ] || fail
	run pty --expect '# ' --send 'x\x10\x11' --send '\x01d' -- "$INSULA_BIN/insula" attach --detach-keys ctrl-a,d one
	[ "$status" -eq 0 ] || fail
	[ "$(field one status)" = running ] || fail
	exits 125 insula attach --detach-keys ctrl-1 one
	[[ $stderr == *"no sequence of keys"* ]] || fail
	insula run -dit --name two "$E2E_IMAGE" cat >/dev/null
	run pty --send 'x\x10\x11y\r' --expect 'y' --expect 'y' --send '\x04' -- "$INSULA_BIN/insula" attach --detach-keys= two
	[ "$status" -eq 0 ] || fail
	[ "$(field two status)" = exited ] || fail "the keys were not the program's"
}

@test "run: detach keys and --sig-proxy" {
	run pty --expect '# ' --send '\x01\x01' -- "$INSULA_BIN/insula" run -it --name one --detach-keys ctrl-a,ctrl-a "$E2E_IMAGE" sh
	[ "$status" -eq 0 ] || fail
	[ "$(field one status)" = running ] || fail
	"$INSULA_BIN/insula" run --name two --sig-proxy=false "$E2E_IMAGE" sh -c 'trap "echo got" TERM; echo ready; while :; do sleep 0.1; done' \
		>"$BATS_TEST_TMPDIR/out" &
	local running=$!
	eventually 5 grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -TERM $running
	wait $running && fail || [ $? -eq 143 ] || fail
	[ "$(field two status)" = running ] || fail
	said two got && fail || true
}

@test "attach: several clients see all of it, and any may type" {
	talker one -i 'while read -r l; do echo "got $l"; done'
	for i in 1 2 3; do
		attached --no-stdin one >"$BATS_TEST_TMPDIR/out$i" &
	done
	mkfifo "$BATS_TEST_TMPDIR/in"
	attached one <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out4" &
	exec 7>"$BATS_TEST_TMPDIR/in"
	eventually 20 visited attach.joined 4
	seq 500 >&7
	eventually 10 grep -q 'got 500' "$BATS_TEST_TMPDIR/out4"
	exec 7>&-
	insula wait one >/dev/null
	wait
	for i in 1 2 3 4; do
		[ "$(wc -l <"$BATS_TEST_TMPDIR/out$i")" -eq 500 ] || fail "client $i: $(wc -l <"$BATS_TEST_TMPDIR/out$i")"
	done
}

# The last number of its log, and whether that stays so for a while.
last() {
	insula logs --tail 1 one
}

stands_still() {
	local before
	before=$(last)
	sleep 0.4
	[ "$(last)" = "$before" ]
}

goes_on_after() {
	[ "$(last)" -gt "$1" ]
}

# counts FILE: numbers without a gap, from whatever the first is.
counts() {
	awk 'NR == 1 { n = $1 - 1 } $1 != ++n { exit 1 } END { if (!NR) exit 1 }' "$1"
}

@test "attach: a client that stops reading slows down what is printed, and nothing else; it misses nothing" {
	local stopped other at memory
	talker one 'n=0; while :; do n=$((n + 1)); echo $n; done'
	attached --no-stdin one >"$BATS_TEST_TMPDIR/stopped" &
	stopped=$!
	attached --no-stdin one >"$BATS_TEST_TMPDIR/other" &
	other=$!
	eventually 20 test -s "$BATS_TEST_TMPDIR/stopped"
	eventually 20 test -s "$BATS_TEST_TMPDIR/other"
	kill -STOP $stopped
	eventually 30 stands_still || fail "it is not waited for"
	at=$(last)
	memory=$(awk '/^RssAnon/ { print $2 }' "/proc/$(detail one .State.KeeperPid)/status")
	[ "$memory" -lt 1024 ] || fail "its keeper holds $memory KiB"
	ok timeout 20 "$INSULA_BIN/insula" exec one echo inside
	shows inside
	ok timeout 20 "$INSULA_BIN/insula" stats --no-stream one
	ok timeout 20 "$INSULA_BIN/insula" pause one
	ok timeout 20 "$INSULA_BIN/insula" unpause one
	[ "$(last)" = "$at" ]
	kill -CONT $stopped
	eventually 20 goes_on_after "$at" || fail "it does not go on"
	# One that dies is waited for no more.
	kill -STOP $other
	eventually 30 stands_still
	at=$(last)
	kill -KILL $other
	eventually 20 goes_on_after "$at" || fail "it waits for the dead"
	# The end waits for nobody, and whoever comes back has all of it, and the code.
	kill -STOP $stopped
	eventually 30 stands_still
	ok timeout 20 "$INSULA_BIN/insula" stop -t 0 one
	[ "$(timeout 20 "$INSULA_BIN/insula" wait one)" = 137 ]
	kill -CONT $stopped
	wait $stopped && fail "its code" || [ $? -eq 137 ] || fail "its code"
	counts "$BATS_TEST_TMPDIR/stopped" || fail "there is a gap"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/stopped")" = "$(last)" ] || fail "it misses the end"
}

@test "run: a pipe that nobody reads holds up the output alone" {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 8<>"$BATS_TEST_TMPDIR/pipe"
	"$INSULA_BIN/insula" run --name one "$E2E_IMAGE" sh -c 'n=0; while :; do n=$((n + 1)); echo $n; done' \
		>"$BATS_TEST_TMPDIR/pipe" 8>&- &
	local running=$!
	eventually 20 eval '[ "$(last)" -gt 100 ]'
	eventually 30 stands_still
	ok timeout 20 "$INSULA_BIN/insula" exec one echo inside
	ok timeout 20 "$INSULA_BIN/insula" stop -t 0 one
	[ "$(field one exit_code)" = 137 ]
	cat <&8 >"$BATS_TEST_TMPDIR/out" 8>&- &
	local reader=$!
	exec 8>&-
	wait $running && fail "its code" || [ $? -eq 137 ] || fail "its code"
	eventually 10 eval '[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out")" = "$(last)" ]'
	kill $reader 2>/dev/null || true
	counts "$BATS_TEST_TMPDIR/out" || fail "there is a gap"
}

@test "attach: --no-stdin gives it nothing, not even the end of our input" {
	talker one -i 'echo ready; cat; echo ended'
	eventually 5 said one ready
	run timeout 1 "$INSULA_BIN/insula" attach --no-stdin --sig-proxy=false one <<<"typed"
	[ "$status" -ne 0 ] || fail
	said one typed && fail || true
	[ "$(field one status)" = running ] || fail
	ok insula attach one <<<"typed"
	shows $'typed\nended'
}

@test "attach: signals are the container's, unless --sig-proxy=false" {
	talker one 'trap "exit 44" TERM; echo ready; while :; do sleep 0.1; done'
	eventually 5 said one ready
	attached --sig-proxy=false one &
	local attached=$!
	eventually 20 visited attach.joined
	kill -TERM $attached
	wait $attached && fail || [ $? -eq 143 ] || fail
	[ "$(field one status)" = running ] || fail
	attached one &
	attached=$!
	eventually 20 visited attach.joined 2
	kill -TERM $attached
	wait $attached && fail || [ $? -eq 44 ]
}

@test "attach: the death of the keeper is an end, and one that does not run is refused" {
	talker one 'sleep 600'
	attached one 2>"$BATS_TEST_TMPDIR/err" &
	local attached=$!
	eventually 20 visited attach.joined
	kill -9 "$(detail one .State.KeeperPid)"
	wait $attached && fail || [ $? -eq 125 ] || fail
	grep -q keeper "$BATS_TEST_TMPDIR/err" || fail
	insula wait one >/dev/null
	refused 125 "not running" insula attach one
	insula create --name two "$E2E_IMAGE" true >/dev/null
	refused 125 "not running" insula attach two
	refused 125 "no container" insula attach ghost
}

# ---- pause ----

# Does its counter stand still?
stands() {
	local before
	before=$(insula logs "$1" | wc -l)
	sleep 0.4
	[ "$(insula logs "$1" | wc -l)" -eq "$before" ]
}

counter() {
	talker "$1" 'while :; do echo tick; sleep 0.02; done'
	eventually 5 said "$1" tick
}

@test "pause and unpause: every process stands still, and goes on; ps and inspect tell" {
	counter one
	ok insula pause one
	shows one
	sleep 0.1
	stands one || fail "it runs"
	[ "$(field one status)" = paused ] || fail
	[ "$(detail one .State.Paused)" = true ] || fail
	[ "$(detail one .State.Running)" = true ] || fail
	ok insula ps
	contains '(Paused)'
	refused 125 "already paused" insula pause one
	exits 125 insula exec one true
	refused 125 "is paused" insula attach one
	ok insula doctor
	ok insula unpause one
	shows one
	! stands one || fail "it stands still"
	[ "$(field one status)" = running ] || fail
	refused 125 "not paused" insula unpause one
}

@test "pause: several, and all" {
	counter one
	counter two
	ok insula pause --all
	[ "${#lines[@]}" -eq 2 ] || fail
	exits 125 insula unpause one ghost two
	shows $'one\ntwo'
	ok insula pause one
	ok insula unpause --all
	shows one
	insula create --name new "$E2E_IMAGE" true >/dev/null
	refused 125 "not running" insula pause new
}

@test "pause: stop, kill, rm --force and restart of a paused one" {
	counter one
	ok insula pause one
	ok timeout 20 "$INSULA_BIN/insula" stop -t 1 one
	[ "$(field one status)" = exited ] || fail
	ok insula start one
	[ "$(field one status)" = running ] || fail # of the pause nothing is left
	ok insula pause one
	ok timeout 20 "$INSULA_BIN/insula" kill one
	eventually 10 sh -c '"$INSULA_BIN/insula" ps -a | grep -q Exited'
	ok insula start one
	ok insula pause one
	ok timeout 20 "$INSULA_BIN/insula" restart -t 1 one
	[ "$(field one status)" = running ] || fail
	ok insula pause one
	ok timeout 20 "$INSULA_BIN/insula" rm -f one
	[ -z "$(known_ids)" ]
}

@test "pause: one that is stopped hears of it, and ends in its own way" {
	talker one 'trap "exit 12" TERM; echo ready; while :; do sleep 0.05; done'
	eventually 5 said one ready
	ok insula pause one
	ok timeout 50 "$INSULA_BIN/insula" stop -t 40 one
	[ "$(field one exit_code)" = 12 ] || fail
}

@test "pause: a signal other than KILL waits until it is unpaused" {
	talker one 'trap "exit 12" USR1; echo ready; while :; do sleep 0.05; done'
	eventually 5 said one ready
	ok insula pause one
	ok insula kill -s USR1 one
	sleep 0.3
	[ "$(field one status)" = paused ] || fail
	ok insula unpause one
	[ "$(insula wait one)" = 12 ]
}

@test "pause: the keeper of a paused one is killed, and nothing of it is left" {
	counter one
	local init keeper
	init=$(field one pid)
	keeper=$(detail one .State.KeeperPid)
	ok insula pause one
	kill -9 "$keeper"
	ok timeout 30 "$INSULA_BIN/insula" rm -f one
	eventually 10 sh -c "! test -d /proc/$init && ! test -d /proc/$keeper"
}

@test "pause: killed half way, the next command knows how it is" {
	counter one
	run env INSULA_FAIL=pause.marked=kill "$INSULA_BIN/insula" pause one
	[ "$(field one status)" = running ] || fail
	ok insula pause one
	[ "$(field one status)" = paused ] || fail
	run env INSULA_FAIL=pause.thawed=kill "$INSULA_BIN/insula" unpause one
	[ "$(field one status)" = running ] || fail
	ok insula pause one
	[ "$(field one status)" = paused ] || fail
}

# ---- wait ----

@test "wait --condition: running, paused, created, stopped, exited, removed" {
	insula create --name one "$E2E_IMAGE" sh -c 'while [ ! -e /go ]; do sleep 0.05; done; exit 5' >/dev/null
	ok insula wait --condition created one
	shows -1
	once_it_waits insula start one
	ok timeout 20 "$INSULA_BIN/insula" wait --condition running --interval 10ms one
	shows -1
	insula exec one touch /go
	ok timeout 20 "$INSULA_BIN/insula" wait one
	shows 5
	ok insula wait --condition stopped --condition running one
	shows 5
	once_it_waits insula rm one
	ok timeout 20 "$INSULA_BIN/insula" wait --condition removed one
	shows -1
	talker two 'sleep 600'
	once_it_waits insula pause two
	ok timeout 20 "$INSULA_BIN/insula" wait --condition paused two
	wait
}

@test "wait: one that is not started yet is waited for; one that goes is an error" {
	insula create --name one "$E2E_IMAGE" sh -c 'exit 9' >/dev/null
	refused 125 "was never started" insula wait one
	once_it_waits insula start one
	ok timeout 20 "$INSULA_BIN/insula" wait --condition exited one
	shows 9
	insula create --name two "$E2E_IMAGE" true >/dev/null
	once_it_waits insula rm two
	exits 125 timeout 20 "$INSULA_BIN/insula" wait --condition exited two
	[[ $stderr == *"cannot wait for"* ]] || fail
	wait
}

@test "wait: conditions and intervals that make no sense are refused" {
	talker one 'sleep 600'
	refused 125 "no condition of a container" insula wait --condition happy one
	refused 125 "its keeper tells it" insula wait --interval 1 one
	refused 125 "--interval" insula wait --condition paused --interval 0 one
	refused 125 "no container" insula wait --condition removed ghost
}
