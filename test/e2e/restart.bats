#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Restart policies: the keeper starts its container again by itself.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# kept NAME POLICY FLAG... SCRIPT: a container with a restart policy.
kept() {
	insula run -d --name "$1" --restart "$2" "${@:3:$#-3}" "$E2E_IMAGE" sh -c "${@: -1}" >/dev/null
}

runs() {
	insula logs "$1" | grep -c "^run$"
}

ran() {
	[ "$(runs "$1")" -ge "$2" ]
}

is() {
	[ "$(field "$1" status)" = "$2" ]
}

count() {
	detail "$1" .RestartCount
}

@test "always: again and again, whatever the exit code, with what it wrote" {
	kept one always 'echo run; echo x >>/w; wc -l </w; sleep 0.05'
	eventually 20 ran one 4
	contains_lines=$(insula logs one | grep -v run | head -n 3 | tr '\n' ' ')
	[ "$contains_lines" = '1 2 3 ' ] || fail "$contains_lines"
	[ "$(count one)" -ge 3 ] || fail
	[ "$(detail one .RestartPolicy.Name)" = always ] || fail
	ok insula stop -t 0 one
	is one exited || fail
	local before
	before=$(runs one)
	sleep 1
	[ "$(runs one)" -eq "$before" ] || fail "it was started after a stop"
	ok insula doctor
}

@test "on-failure: not after success; so often as it says" {
	kept good on-failure 'echo run'
	kept bad on-failure:2 'echo run; exit 4'
	eventually 20 sh -c '[ "$("$INSULA_BIN/insula" inspect bad | jq ".[0].RestartCount")" = 2 ]'
	eventually 20 is bad exited
	[ "$(runs bad)" -eq 3 ] || fail "$(runs bad)"
	[ "$(field bad exit_code)" = 4 ] || fail
	[ "$(count bad)" = 2 ] || fail
	[ "$(detail bad .RestartPolicy.MaximumRetryCount)" = 2 ] || fail
	is good exited || fail
	[ "$(runs good)" -eq 1 ] || fail
	[ "$(count good)" = 0 ] || fail
	ok insula start bad # by hand, it counts from the beginning
	eventually 20 ran bad 6
}

@test "with the host's IPC namespace and /dev/shm, at each of its starts" {
	kept one on-failure:2 --ipc host 'echo run; readlink /proc/self/ns/ipc; exit 4'
	eventually 20 is one exited
	[ "$(field one exit_code)" = 4 ] || fail "$(field one exit_code)"
	[ "$(runs one)" -eq 3 ] || fail "$(runs one)"
	[ "$(insula logs one | grep -cxF "$(readlink /proc/self/ns/ipc)")" -eq 3 ] || fail "$(insula logs one)"
}

# On a busy machine one wait may be over before it was looked at twice, and the next one is longer.
shows_the_wait() {
	[[ $(insula ps) == *'Restarting (0)'* && $(detail "$1" .State.Restarting) = true ]]
}

@test "the waits grow" {
	kept one always 'echo run'
	eventually 20 ran one 5
	# 100 + 200 + 400 + 800 ms at the least
	local first last
	first=$(insula logs -t one | sed -n '1s/ .*//p')
	last=$(insula logs -t one | sed -n '5s/ .*//p')
	[ $(($(date -d "$last" +%s%N) - $(date -d "$first" +%s%N))) -ge 1500000000 ] || fail "$first $last"
	eventually 20 shows_the_wait one
	[ -d "/proc/$(detail one .State.KeeperPid)" ] || fail
}

@test "while it waits: stop and rm end that at once; kill and exec are refused; wait waits for the next end" {
	kept one always 'echo run; exit 5'
	eventually 20 ran one 6
	eventually 5 is one restarting
	refused 125 "is not running" insula kill one
	refused 125 "is not running" insula exec one true
	refused 125 "is restarting" insula rm one
	ok timeout 20 "$INSULA_BIN/insula" wait one
	shows 5
	eventually 5 is one restarting
	ok timeout 5 "$INSULA_BIN/insula" stop one
	is one exited || fail
	[ "$(field one exit_code)" = 5 ] || fail
	ok insula start one
	eventually 20 is one restarting
	ok timeout 5 "$INSULA_BIN/insula" restart one
	eventually 20 is one restarting
	ok timeout 5 "$INSULA_BIN/insula" rm -f one
	[ -z "$(known_ids)" ]
}

@test "a signal that ends it is no order, a kill is" {
	kept one always 'trap "exit 3" USR1; echo run; while :; do sleep 0.05; done'
	eventually 10 ran one 1
	ok insula kill -s USR1 one
	eventually 10 ran one 2
	kill -9 "$(field one pid)" # from outside
	eventually 10 ran one 3
	ok insula kill one
	eventually 10 is one exited
	sleep 0.5
	is one exited
}

@test "restart and start of one with a policy" {
	kept one unless-stopped 'echo run; sleep 600'
	eventually 10 ran one 1
	ok insula restart -t 0 one
	eventually 10 ran one 2
	ok insula stop -t 0 one
	ok insula start one
	eventually 10 ran one 3
	kill -9 "$(field one pid)"
	eventually 10 ran one 4
}

@test "what it begins with is what it began with: limits, score, rights, environment" {
	local probe='echo run; ulimit -Sn; ulimit -Hn; ulimit -f; cat /proc/self/oom_score_adj; umask; env | sort; grep -E "^(Sig|Cap|NoNew|Sec)" /proc/self/status; cat /proc/self/cgroup | sed "s/.*://"; ls -l /proc/self/fd | wc -l; echo end; sleep 0.05'
	# Below what a keeper wants for itself.
	(
		ulimit -Sn 300
		ulimit -Sf 1000000
		kept one always "$probe"
	)
	eventually 20 ran one 3
	ok insula stop -t 0 one
	insula logs one >"$BATS_TEST_TMPDIR/log"
	awk -v d="$BATS_TEST_TMPDIR" '/^run$/ { n++ } n < 4 { print > (d "/run" n) }' "$BATS_TEST_TMPDIR/log"
	[ "$(sed -n '2p;4p' "$BATS_TEST_TMPDIR/run1")" = $'300\n2000000' ] || fail "$(cat "$BATS_TEST_TMPDIR/run1")"
	diff "$BATS_TEST_TMPDIR/run1" "$BATS_TEST_TMPDIR/run2" || fail
	grep -q end "$BATS_TEST_TMPDIR/run2"
}

@test "user namespace of the host: each start has its sealed copy" {
	kept one on-failure:2 --userns host --init 'echo run; exit 3'
	eventually 20 ran one 3
	eventually 20 is one exited
	ok insula doctor
}

@test "whoever is attached sees the end of that run, and can attach to the next" {
	exits 6 timeout 20 "$INSULA_BIN/insula" run --name one --restart always "$E2E_IMAGE" sh -c 'echo run; sleep 0.2; exit 6'
	shows run
	eventually 10 ran one 3
	exits 6 timeout 20 "$INSULA_BIN/insula" attach one
}

@test "its image is gone: that is recorded as its end, with the reason" {
	local image
	image=$(copy_of_root gone)
	insula run -d --name one --restart always "dir:$image" sh -c 'echo run; sleep 0.5' >/dev/null
	rm -rf "$image"
	ok timeout 20 "$INSULA_BIN/insula" wait one
	eventually 20 is one exited
	[ "$(field one exit_code)" = 125 ] || fail
	[[ $(detail one .State.Reason) == "failed to start again: "*"$image"* ]] || fail
	[ "$(detail one .State.Error)" = "$(detail one .State.Reason)" ] || fail
	ok insula doctor
}

@test "the keeper is killed: the next ps brings it back, and a stop before that does not" {
	kept one always 'echo run; sleep 600'
	kept two always 'echo run; sleep 600'
	kept three on-failure:1 'echo run; sleep 600'
	for name in one two three; do kill -9 "$(detail $name .State.KeeperPid)"; done
	eventually 5 sh -c '[ "$("$INSULA_BIN/insula" inspect two | jq -r ".[0].State.Status")" = dead ]'
	ok insula stop two
	ok insula ps
	contains one
	contains three
	lacks two
	is one running || fail
	is two exited || fail
	[ "$(field two exit_code)" = 137 ] || fail
	ok insula logs one
	shows $'run\nrun'
}

# waits_long NAME: for its next start, and longer than one looks at it.
waits_long() {
	[ "$(detail "$1" '"\(.State.Status) \(.RestartCount >= 5)"')" = "restarting true" ]
}

@test "the keeper is killed while it waits: a stop then is an order as well" {
	local keeper
	kept one unless-stopped 'echo run; sleep 0.5'
	keeper=$(detail one .State.KeeperPid)
	[ "$keeper" -gt 1 ]
	eventually 60 waits_long one
	kill -9 "$keeper"
	eventually 5 sh -c '[ "$("$INSULA_BIN/insula" inspect one | jq -r ".[0].State.Status")" = exited ]'
	ok insula stop one
	ok insula ps
	lacks one
	ok insula up
	is one exited || fail
}

@test "somebody who holds its lock for long ends no restarts" {
	kept one on-failure:1 'echo run; while [ ! -e /go ]; do sleep 0.1; done; exit 3'
	INSULA_FAIL=pause.marked=stop "$INSULA_BIN/insula" pause one 3>&- &
	local holder=$!
	eventually 10 grep -q '^State:.*stopped' "/proc/$holder/status"
	insula exec one touch /go
	eventually 10 test -e "$INSULA_RUNROOT/containers/$(field one id)/restarting.json"
	sleep 5 # longer than it tries at a time
	[ "$(runs one)" -eq 1 ] || fail "it was started without the lock"
	kill -9 "$holder"
	eventually 20 ran one 2
	eventually 20 is one exited
	[ "$(field one exit_code)" = 3 ] || fail
	[ "$(count one)" = 1 ] || fail
}

@test "killed at each step of a restart, it can be started, and nothing is left" {
	for point in keeper.exit.socket keeper.exit.release keeper.again again.loaded again.locked again.fresh \
		keeper.claimed keeper.running store.state store.again keeper.state keeper.exec keeper.start; do
		rm -f "$E2E_STATE/points"
		# the second visit of what the first start passes, too
		local visit=1
		case $point in keeper.claimed | keeper.running | store.state | keeper.state | keeper.exec | keeper.start) visit=2 ;; esac
		INSULA_FAIL=$point=kill@$visit INSULA_FAIL_LOG=$E2E_STATE/points \
			insula run -d --name one --restart on-failure:5 "$E2E_IMAGE" sh -c 'echo run; exit 3' >/dev/null
		if [ $visit -eq 1 ]; then # else the count is each program's own
			eventually 20 grep -q "^$point kill" "$E2E_STATE/points" || fail "$point"
			eventually 20 sh -c '"$INSULA_BIN/insula" inspect one | jq -e ".[0].State.Status == \"dead\" or .[0].State.Status == \"exited\"" >/dev/null' || fail "$point: $(field one status)"
		fi
		ok timeout 30 "$INSULA_BIN/insula" stop one || fail "$point"
		is one exited || fail "$point: $(field one status)"
		ok insula doctor --repair || fail "$point"
		ok insula rm one || fail "$point"
		[ -z "$(known_ids)" ] || fail "$point"
	done
}

@test "restarts leave no descriptor behind" {
	kept one always 'echo run'
	eventually 20 ran one 2
	local keeper before
	keeper=$(detail one .State.KeeperPid)
	before=$(find "/proc/$keeper/fd" | wc -l)
	eventually 30 ran one 7
	eventually 5 is one restarting
	[ "$(detail one .State.KeeperPid)" = "$keeper" ] || fail "it is another process"
	[ "$(find "/proc/$keeper/fd" | wc -l)" -le $((before + 1)) ] || fail "$(ls -l "/proc/$keeper/fd")"
}

@test "policies that make no sense are refused" {
	refused 125 "no restart policy" insula run --restart sometimes "$E2E_IMAGE" true
	refused 125 "no restart policy" insula run --restart always:3 "$E2E_IMAGE" true
	refused 125 "on-failure" insula run --restart on-failure:0 "$E2E_IMAGE" true
	refused 125 "exclude each other" insula run --rm --restart always "$E2E_IMAGE" true
}

# A command that fails when it is told to.
UNTIL_TOLD='rm -f /end; echo run; while [ ! -e /end ]; do sleep 0.05; done; exit 1'

@test "update --restart: the keeper goes by the new policy at once, and the next start too" {
	kept one always 'echo run; test -e /stay || exit 3; sleep 300'
	eventually 20 ran one 2
	ok insula update --restart no one
	shows one
	eventually 20 is one exited
	before=$(runs one)
	[ "$(detail one .RestartPolicy.Name)" = no ] || fail "$(detail one .RestartPolicy.Name)"
	kept two on-failure:1 "$UNTIL_TOLD"
	eventually 20 ran two 1
	ok insula update --restart on-failure:3 --pids-limit 60 two
	[ "$(detail two .RestartPolicy.MaximumRetryCount)" = 3 ] || fail
	for n in 2 3 4; do
		insula exec two touch /end
		eventually 20 ran two "$n"
	done
	insula exec two touch /end
	eventually 20 is two exited
	[ "$(runs two)" -eq 4 ] || fail "$(runs two)"
	[ "$(runs one)" -eq "$before" ] || fail "it was started without a policy"
	ok insula update --restart always one
	ok insula start one
	eventually 20 ran one "$((before + 3))"
	ok insula stop -t 0 one
}

@test "update --restart: one that waits for its restart stays as it is" {
	kept one always 'echo run; exit 1'
	eventually 30 sh -c '[ "$("$INSULA_BIN/insula" inspect one | jq -r ".[0].RestartCount")" -ge 4 ] && "$INSULA_BIN/insula" ps -a --format "{{.Name}} {{.Status}}" | grep -q "one Restarting"'
	ok insula update --restart no one
	eventually 20 is one exited
	ok insula doctor
}

@test "update --restart: a keeper that can start nothing is said, and the next start has it" {
	ok insula run -d --name one --network none "$E2E_IMAGE" sh -c "$UNTIL_TOLD"
	ok insula update --restart always one
	[[ $stderr == *"counts from its next start"* ]] || fail
	[ "$(detail one .RestartPolicy.Name)" = always ] || fail
	ok insula restart -t 0 one
	eventually 20 ran one 2
	insula exec one touch /end
	eventually 20 ran one 3
	ok insula run -d --rm --name gone --network none "$E2E_IMAGE" sleep 300
	refused 125 "is removed at its end" insula update --restart always gone
	refused 125 "restart" insula update --restart sometimes one
	ok insula update --restart no gone
}

# namespace_of NAME KIND: of its first process.
namespace_of() {
	readlink "/proc/$(detail "$1" .State.Pid)/ns/$2"
}

# restarted NAME COUNT: so often by its policy, and it runs.
restarted() {
	[ "$(count "$1")" -ge "$2" ] && is "$1" running
}

@test "one that shares a namespace of another comes back into it, and without the other says why not" {
	local row option kind from
	from=$(date +%s)
	for row in 'network|net' 'userns|user'; do
		option=${row%|*} kind=${row#*|}
		ok insula run -d --name first "$E2E_IMAGE" sleep 600
		kept second always "--$option" container:first 'echo run; exec sleep 600'
		for times in 1 2; do
			eventually 20 ran second "$times"
			kill -KILL "$(detail second .State.Pid)"
			eventually 20 restarted second "$times"
			[ "$(namespace_of second "$kind")" = "$(namespace_of first "$kind")" ] || fail "$option: another namespace"
		done
		eventually 20 ran second 3
		# What it shares is there as long as it is; but it cannot come back to it.
		ok insula stop -t 0 first
		is second running
		kill -KILL "$(detail second .State.Pid)"
		eventually 20 is second exited
		[[ $(detail second .State.Error) == *"failed to start again"*"container 'first' is not running"* ]] || fail "$option: $(detail second .State)"
		[ "$(runs second)" -eq 3 ]
		ok insula start first
		ok insula start second
		eventually 20 ran second 4
		[ "$(namespace_of second "$kind")" = "$(namespace_of first "$kind")" ] || fail "$option: started by hand"
		ok insula rm -f second first
	done
	# Each of both was started, came back twice, did not a third time, and was started by hand.
	[ "$(insula events --no-stream --since "$from" --filter event=start --filter container=second | grep -c .)" -eq 8 ]
	[ "$(insula events --no-stream --since "$from" --filter event=die --filter container=second | grep -c .)" -eq 8 ]
	ok insula doctor
}
