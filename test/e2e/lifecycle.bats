#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What can be done with a container after it was made: ps, exec, logs, stop, kill, wait, inspect, rm.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# box NAME FLAG...: a container that sleeps.
box() {
	insula run -d --name "$@" "$E2E_IMAGE" sleep 600 >/dev/null
}

# talker NAME SCRIPT: a container that runs a shell script.
talker() {
	insula run -d --name "$1" "$E2E_IMAGE" sh -c "$2" >/dev/null
}

has_ended() {
	[ "$(field "$1" status)" = exited ]
}

# ---- ps ----

@test "ps: what runs; -a: all of them" {
	box up
	insula run --name over "$E2E_IMAGE" false || true
	ok insula ps
	contains up
	lacks over
	contains 'sleep 600'
	ok insula ps -a
	contains up
	contains over
	contains 'Exited (1)'
}

@test "ps: without any container only the heading" {
	ok insula ps -a
	[ "${#lines[@]}" -eq 1 ] || fail
	contains 'CONTAINER ID'
}

@test "ps -q: ids alone, short, and whole with --no-trunc" {
	box one
	ok insula ps -q
	[[ $output =~ ^[0-9a-f]{12}$ ]] || fail
	ok insula ps -q --no-trunc
	[[ $output =~ ^[0-9a-f]{64}$ ]] || fail
}

@test "ps --format json: can be read by a program" {
	box one --label a=b
	ok insula ps --format json
	[ "$(jq -r '.[0].name' <<<"$output")" = one ] || fail
	ok insula ps -a --format json
	[ "$(jq length <<<"$output")" -eq 1 ]
}

@test "a container is found by name, id, and a prefix of the id" {
	box one
	local id
	id=$(insula ps -q --no-trunc)
	for ref in one "$id" "${id:0:12}" "${id:0:5}"; do
		ok insula exec "$ref" hostname
		shows "${id:0:12}"
	done
}

# ---- exec ----

@test "exec: runs inside, with its output and exit status" {
	box one
	ok insula exec one sh -c 'hostname; ls /proc/1/root >/dev/null && echo same'
	contains same
	exits 33 insula exec one sh -c 'exit 33'
	exits 137 insula exec one sh -c 'kill -9 $$'
	exits 127 insula exec one nothing-of-that-name
}

@test "exec: environment, user and directory" {
	box one -e FROM=container
	ok insula exec -e MORE=here -u user -w /tmp one sh -c 'echo $FROM $MORE $(id -un) $(pwd)'
	shows 'container here user /tmp'
}

@test "exec --env-file: as of run; what cannot be is said" {
	box one -e FROM=container
	printf '# a comment\nA=1\nFROM=file\nOURS\nB=2\n' >"$BATS_TEST_TMPDIR/env"
	ok env OURS=mine "$INSULA_BIN/insula" exec --env-file "$BATS_TEST_TMPDIR/env" -e B=3 one sh -c 'echo $A $B $FROM $OURS'
	shows '1 3 file mine'
	refused 125 "--env-file: cannot open" insula exec --env-file /nonexistent one true
	printf 'bad name=1\n' >"$BATS_TEST_TMPDIR/env"
	refused 125 "env:1" insula exec --env-file "$BATS_TEST_TMPDIR/env" one true
	refused 125 "ends with it; --detach leaves a command running" insula exec --detach-keys ctrl-x one true
	exits 125 insula exec -it one true </dev/null
	[[ $stderr == *"hint: leave out -t"* ]] || fail
	ok insula stop -t 0 one
	exits 125 insula exec one true
	[[ $stderr == *"hint: it is exited: 'insula start one' starts it"* ]] || fail
}

@test "exec -i: input reaches the command" {
	box one
	[ "$(echo hello | insula exec -i one cat)" = hello ]
	[ -z "$(echo hello | insula exec one cat)" ]
}

@test "exec -i < FILE: what is in the file reaches the command, and no way to the file" {
	local file=$BATS_TEST_TMPDIR/file
	box one --userns host
	echo canary >"$file"
	[ "$(insula exec -i one sh -c 'cat; echo more >>/proc/self/fd/0' <"$file")" = canary ]
	[ "$(insula exec -i one readlink /proc/self/fd/0 <"$file" | tr -d '0-9')" = 'pipe:[]' ]
	[ "$(cat "$file")" = canary ]
	head -c 3000000 /dev/urandom >"$file"
	[ "$(insula exec -i one sha256sum <"$file")" = "$(sha256sum <"$file")" ]
	[ "$(insula exec -i one head -c 5 <"$file" | wc -c)" -eq 5 ]
	for _ in 1 2 3 4 5 6 7 8; do ok insula exec -i one true <"$file"; done
	[ -z "$(insula exec -i one cat </dev/null)" ]
	exits 3 timeout 20 "$INSULA_BIN/insula" exec -i one sh -c 'exec <&-; sleep 0.2; exit 3' <"$file"
}

@test "exec -t: a terminal of its own" {
	box one
	run pty --size 20x60 -- "$INSULA_BIN/insula" exec -it one sh -c 'tty; stty size'
	[ "$status" -eq 0 ] || fail
	contains /dev/pts/
	contains '20 60'
}

@test "exec -d: returns, and the command goes on" {
	box one
	ok insula exec -d one sh -c 'sleep 0.3; echo done >/tmp/mark'
	eventually 5 insula exec one test -e /tmp/mark
}

@test "exec: as much and as little may be done as in the container" {
	box one --cap-drop all
	ok insula exec one grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status
	inside=$output
	ok insula exec one grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/1/status
	[ "$output" = "$inside" ] || fail "expected $inside"
}

@test "exec: capabilities go with root, by whichever name, and with nobody else" {
	local user all
	box one
	all=$(insula exec one grep CapEff /proc/self/status)
	[[ $all == *[1-9a-f]* ]] || fail "$all"
	for user in 0 root 0:0 root:user 0:1000; do
		[ "$(insula exec -u "$user" one grep CapEff /proc/self/status)" = "$all" ] || fail "$user"
		[ "$(in_box -u "$user" -- grep CapEff /proc/self/status)" = "$all" ] || fail "run: $user"
	done
	for user in user 1000 1000:0 user:root; do
		[[ $(insula exec -u "$user" one grep CapEff /proc/self/status) =~ ^CapEff:.0*$ ]] || fail "$user"
		[[ $(in_box -u "$user" -- grep CapEff /proc/self/status) =~ ^CapEff:.0*$ ]] || fail "run: $user"
	done
}

@test "exec: belongs to the container's group and namespaces" {
	box one
	for kind in user mnt pid net uts ipc cgroup; do
		ok insula exec one sh -c "readlink /proc/self/ns/$kind; readlink /proc/1/ns/$kind"
		[ "${lines[0]}" = "${lines[1]}" ] || fail
	done
	ok insula exec one cat /proc/self/cgroup
	inside=$output
	ok insula exec one cat /proc/1/cgroup
	[ "$output" = "$inside" ] || fail
}

@test "exec: ends with the container" {
	box one
	insula exec one sh -c ': >/inside; exec sleep 600' &
	local waiting=$!
	eventually 5 insula exec one test -e /inside # before that, the end of the container is an error of exec
	ok insula kill one
	wait $waiting && fail "exec succeeded" || [ $? -eq 137 ]
}

# ---- logs ----

@test "logs: what was written, to where it was written" {
	talker one 'echo out; echo err >&2; printf no-newline'
	insula wait one >/dev/null
	run --separate-stderr insula logs one
	[ "$status" -eq 0 ]
	[ "$output" = $'out\nno-newline' ] || fail
	[ "$stderr" = err ] || fail
}

@test "logs --tail, -t, --since" {
	talker one 'for i in 1 2 3 4 5; do echo line $i; done'
	insula wait one >/dev/null
	ok insula logs --tail 2 one
	shows $'line 4\nline 5'
	ok insula logs --tail 0 one
	shows ''
	ok insula logs -t --tail 1 one
	[[ $output =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)\ line\ 5$ ]] || fail
	ok insula logs --since 1h one
	[ "${#lines[@]}" -eq 5 ]
	sleep 1.1
	ok insula logs --since 1s one
	shows ''
}

@test "logs -f: follows until the end" {
	talker one 'for i in 1 2 3; do echo $i; sleep 0.3; done'
	ok timeout 20 "$INSULA_BIN/insula" logs -f one
	shows $'1\n2\n3'
}

@test "logs: whatever was written is what comes back" {
	insula run --name bytes "$E2E_IMAGE" sh -c 'printf "\000\001\377\033[31m"; head -c 70000 /dev/zero | tr "\0" x; echo' \
		>"$BATS_TEST_TMPDIR/direct"
	insula logs bytes >"$BATS_TEST_TMPDIR/logged"
	cmp "$BATS_TEST_TMPDIR/direct" "$BATS_TEST_TMPDIR/logged"
}

# ---- stop, kill, wait ----

@test "stop: asks, and the command may end in its own way" {
	talker one 'trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.1; done'
	eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q ready'
	ok insula stop one
	shows one
	[ "$(field one exit_code)" = 3 ]
	ok insula logs one
	contains bye
}

@test "stop: who does not listen is killed when the time is up" {
	talker one 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q ready'
	local begin=$SECONDS
	ok insula stop -t 1 one
	[ $((SECONDS - begin)) -le 6 ] || fail "took too long"
	[ "$(field one exit_code)" = 137 ]
}

@test "stop: --stop-signal and --stop-timeout of run" {
	insula run -d --name one --stop-signal SIGUSR1 --stop-timeout 1 "$E2E_IMAGE" \
		sh -c 'trap "" TERM; trap "exit 4" USR1; echo ready; while :; do sleep 0.1; done' >/dev/null
	eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q ready'
	ok insula stop one
	[ "$(field one exit_code)" = 4 ]
}

@test "stop: a timeout that is as good as none is waited for all the same" {
	local timeout
	for timeout in 9223372036854775807ms -1; do
		insula run -d --replace --name one --stop-timeout $timeout "$E2E_IMAGE" \
			sh -c 'trap "sleep 0.3; exit 4" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
		eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q ready'
		ok insula stop one
		[ "$(field one exit_code)" = 4 ]
	done
	ok insula start one
	eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q ready'
	ok insula stop -t -1 one
	refused 125 "must be a duration" insula stop -t -2 one
	refused 125 "must be a duration" insula generate systemd --restart-sec -1 one
}

@test "stop: one that has ended is left as it is" {
	insula run --name over "$E2E_IMAGE" sh -c 'exit 6' || true
	ok insula stop over
	[ "$(field over exit_code)" = 6 ]
}

@test "kill: SIGKILL, or another signal by name or number" {
	box one
	ok insula kill one
	eventually 5 has_ended one
	[ "$(field one exit_code)" = 137 ]
	talker two 'trap "echo hup" HUP; trap "exit 8" USR2; echo ready; while :; do sleep 0.1; done'
	eventually 5 sh -c '"$INSULA_BIN/insula" logs two | grep -q ready'
	ok insula kill -s HUP two
	eventually 5 sh -c '"$INSULA_BIN/insula" logs two | grep -q hup'
	ok insula kill --signal 12 two
	[ "$(insula wait two)" = 8 ]
}

@test "wait: until the end, and prints the exit status" {
	talker one 'sleep 0.5; exit 21'
	ok insula wait one
	shows 21
	ok insula wait one
	shows 21
}

@test "wait: several" {
	talker one 'sleep 0.2; exit 1'
	talker two 'exit 2'
	ok insula wait one two
	shows $'1\n2'
}

@test "a signal to insula run reaches the command" {
	"$INSULA_BIN/insula" run --name one "$E2E_IMAGE" sh -c 'trap "exit 11" TERM; echo ready; while :; do sleep 0.1; done' \
		>"$BATS_TEST_TMPDIR/out" &
	local running=$!
	eventually 5 grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -TERM $running
	wait $running && fail || [ $? -eq 11 ]
}

# ---- inspect ----

@test "inspect: state, command and limits, as JSON" {
	box one -m 64m --label k=v
	ok insula inspect one
	jq -e '.[0] | .Id and .Created and .Name == "one"' <<<"$output" >/dev/null || fail
	[ "$(detail one .Config.Labels.k)" = v ]
	[ "$(detail one .State.Running)" = true ]
	[ "$(detail one .Spec.linux.resources.memory.limit)" = 67108864 ]
	[ "$(field one status)" = running ]
	[ "$(field one pid)" -gt 1 ]
	[ "$(detail one '.Config.Cmd | join(" ")')" = 'sleep 600' ]
	[ -d "/proc/$(field one pid)" ]
}

@test "inspect: causes of an end are told apart" {
	insula run --name exited "$E2E_IMAGE" sh -c 'exit 3' || true
	box stopped --init
	box late
	box kept
	insula stop stopped >/dev/null
	insula stop -t 1 late >/dev/null
	kill -9 "$(detail kept .State.KeeperPid)"
	insula wait kept >/dev/null
	for cause in exited:exited stopped:stopped late:'stop timeout' kept:'keeper died'; do
		[ "$(detail "${cause%%:*}" .State.Reason)" = "${cause#*:}" ] || fail "$cause: $(detail "${cause%%:*}" .State.Reason)"
		[ "$(detail "${cause%%:*}" .State.Error)" = '' ] || fail
	done
	[ "$(detail late .State.Signal)" = SIGKILL ]
}

@test "inspect: an end by lack of memory is told" {
	insula run --name hog -m 32m --memory-swap 32m "$E2E_IMAGE" tail -c 200m /dev/zero || true
	[ "$(detail hog .State.OOMKilled)" = true ]
	[ "$(detail hog .State.Reason)" = 'out of memory' ]
	[ "$(field hog exit_code)" = 137 ]
}

# ---- rm ----

@test "rm: removes what has ended; -f: what runs too" {
	insula run --name over "$E2E_IMAGE" true
	ok insula rm over
	shows over
	box one
	ok insula rm -f one
	[ -z "$(known_ids)" ]
	exits 125 insula inspect one
}

@test "rm: a name is free again" {
	box one
	insula rm -f one >/dev/null
	box one
	[ "$(field one status)" = running ]
}

@test "rm --force --time: it is stopped first, and killed when its time is up" {
	install -d -m 777 "$E2E_STATE/out"
	insula run -d --name one -v "$E2E_STATE/out:/out" "$E2E_IMAGE" \
		sh -c 'trap "echo heard >/out/heard; exit 0" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
	insula run -d --name two "$E2E_IMAGE" sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
	insula run -d --rm --name three "$E2E_IMAGE" sleep 1000 >/dev/null
	eventually 10 said one up
	eventually 10 said two up
	exits 125 insula rm --time 1 one
	[[ $stderr == *--force* ]] || fail
	ok insula rm --force --time 30 one
	[ "$(cat "$E2E_STATE/out/heard")" = heard ] || fail
	ok insula rm --force --time 300ms two three
	[ -z "$(insula ps -aq)" ] || fail
}

@test "rm: what one of several names fails at does not keep the others" {
	insula run --name a "$E2E_IMAGE" true
	insula run --name b "$E2E_IMAGE" true
	exits 125 insula rm a ghost b
	[[ $stderr == *ghost* ]] || fail
	[ -z "$(known_ids)" ]
}

# ---- the host, info, version, doctor ----

@test "version and info say what this is and where it runs" {
	ok insula version
	contains "$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$E2E_DIR/../../meson.build" | head -n 1)"
	ok insula info
	contains "$(uname -r)"
	ok insula info --format json
	jq -e type <<<"$output" >/dev/null || fail
}

@test "doctor: a host with running containers is clean" {
	box one
	ok insula doctor
	[ "$(field one status)" = running ]
}

@test "the death of the keeper ends the container, and it is told" {
	box one
	local keeper init
	init=$(field one pid)
	keeper=$(detail one .State.KeeperPid)
	kill -9 "$keeper"
	eventually 5 sh -c "! test -d /proc/$init"
	ok insula ps -a
	lacks 'Up '
	insula doctor --repair >/dev/null || true
	ok insula rm -f one
}

@test "the death of whoever started it changes nothing" {
	setsid "$INSULA_BIN/insula" run --name one "$E2E_IMAGE" sh -c 'echo ready; sleep 600' >"$BATS_TEST_TMPDIR/out" &
	local running=$!
	eventually 5 grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -9 $running
	wait $running 2>/dev/null || true
	[ "$(field one status)" = running ]
	ok insula exec one echo alive
	shows alive
}

@test "200 containers made and removed, and nothing is left" {
	local before after
	before=$(state)
	for _ in $(seq 50); do
		for _ in 1 2 3 4; do insula run -d "$E2E_IMAGE" sleep 600 >/dev/null & done
		wait
	done
	ok insula ps -q
	[ "${#lines[@]}" -eq 200 ] || fail "${#lines[@]} containers"
	# shellcheck disable=SC2046  # ids are hex words
	ok insula rm -f $(insula ps -q)
	after=$(state)
	[ "$after" = "$before" ] || fail "left: $after"
}
