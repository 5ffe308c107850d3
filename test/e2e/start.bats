#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Containers that exist are started: create, start, restart, and what stop, kill, rm and a reboot make of
# one that never ran, or ran before.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# made NAME FLAG... SCRIPT: a container that was created, to run a script.
made() {
	insula create --name "${@:1:$#-1}" "$E2E_IMAGE" sh -c "${@: -1}" >/dev/null
}

# What a reboot leaves: nothing in RUN.
reboot() {
	unpin_pad
	rm -rf "${INSULA_RUNROOT:?}"
}

@test "create: prints the id, runs nothing, and the container is created" {
	ok insula create --name one "$E2E_IMAGE" sh -c 'echo ran'
	[[ $output =~ ^[0-9a-f]{64}$ ]] || fail
	[ "$(field one id)" = "$output" ] || fail
	[ "$(field one status)" = created ] || fail
	[ "$(detail one .State.Status)" = created ] || fail
	ok insula ps
	lacks one
	ok insula ps -a
	contains Created
	ok insula logs one
	shows ''
	ok insula doctor
	[ -z "$(own_processes "$(known_ids)")" ] || fail "something runs"
	ok insula rm one
	[ -z "$(known_ids)" ]
}

@test "create: what is wrong with it is said at once, and nothing is left" {
	refused 125 "no/such" insula create "dir:$E2E_STATE/no/such" true
	refused 125 "not a container name" insula create --name 'a b' "$E2E_IMAGE" true
	refused 125 "/nothing-there" insula create -v /nothing-there:/x "$E2E_IMAGE" true
	refused 125 "--detach" insula create --detach "$E2E_IMAGE" true
	made one true
	refused 125 "in use" insula create --name one "$E2E_IMAGE" true
}

@test "create: the files that are asked for are written when there is something to write" {
	ok insula create --name one --cidfile "$E2E_STATE/cid" --pidfile "$E2E_STATE/pid" "$E2E_IMAGE" sleep 600
	[ "$(cat "$E2E_STATE/cid")" = "$output" ] || fail
	[ ! -e "$E2E_STATE/pid" ] || fail
	ok insula start one
	[ "$(cat "$E2E_STATE/pid")" = "$(field one pid)" ] || fail
	refused 125 "not a container name" insula create --name 'a b' --cidfile "$E2E_STATE/other" "$E2E_IMAGE" true
	[ ! -e "$E2E_STATE/other" ]
}

@test "create: a killed one is no container, and doctor removes it" {
	for point in store.create.named store.create.directory store.ready; do
		run env INSULA_FAIL="$point=kill" "$INSULA_BIN/insula" create --name one "$E2E_IMAGE" true
		[ "$status" -ne 0 ] || fail "$point"
		for id in $(known_ids); do # what is half made is waited for by nobody
			[ "$point" = store.ready ] || exits 125 timeout 20 "$INSULA_BIN/insula" wait "$id" || fail "$point"
		done
		insula doctor --repair >/dev/null || true
		if [ "$point" = store.ready ]; then # it was whole already
			ok insula start -a one
			ok insula rm one
		fi
		[ -z "$(known_ids)" ] || fail "$point: $(known_ids)"
		ok insula create --rm --name one "$E2E_IMAGE" true
		ok insula rm one
	done
}

@test "start: prints the name; the command runs, and can be waited for" {
	made one 'exit 7'
	ok insula start one
	shows one
	ok insula wait one
	shows 7
	[ "$(field one exit_code)" = 7 ]
}

@test "start: what it wrote is there again, however often" {
	made one 'echo x >>/written; id -u >/id; cat /written'
	for times in 1 2 3; do
		ok insula start -a one
		[ "${#lines[@]}" -eq "$times" ] || fail "$times"
	done
	ok insula logs one
	[ "${#lines[@]}" -eq 6 ] || fail # the log goes on
	[ "$(field one status)" = exited ]
}

@test "start: one that was run; the files of a user inside stay that user's" {
	insula run --name one "$E2E_IMAGE" sh -c 'mkdir -p /d; chown user /d; chmod 777 /d; su -s /bin/sh user -c "echo mine >>/d/f"; stat -c %U /d/f; wc -l </d/f' || true
	ok insula start -a one
	shows $'user\n2'
}

@test "start -a: output, errors and the exit code; -i: input" {
	made one -i 'cat; echo err >&2; exit 5'
	run --separate-stderr insula start -ai one <<<"typed"
	[ "$status" -eq 5 ] || fail
	shows typed
	[ "$stderr" = err ] || fail
	made two true
	refused 125 "made without --interactive" insula start -i two
	refused 125 "one container" insula start -a one two
	refused 125 "of no use without --attach" insula start --detach-keys ctrl-a one
}

@test "start: several, each with its line, and what fails keeps no other" {
	made one 'sleep 600'
	made two 'sleep 600'
	exits 125 insula start one ghost two
	shows $'one\ntwo'
	[[ $stderr == *"no container 'ghost'"* ]] || fail
	ok insula start one # runs already
	shows one
	ok insula ps -q
	[ "${#lines[@]}" -eq 2 ] || fail
	ok insula stop -t 0 --all
	ok insula start --all
	[ "${#lines[@]}" -eq 2 ] || fail
	ok insula ps -q
	[ "${#lines[@]}" -eq 2 ] || fail
}

@test "start: by a prefix of the id that is one container's alone" {
	made one 'sleep 600'
	ok insula start "$(field one id | cut -c1-9)"
	[ "$(field one status)" = running ]
}

@test "start: a command that is not there is 127, and the container stays as it was" {
	insula create --name one "$E2E_IMAGE" /no/such/command >/dev/null
	exits 127 insula start one
	[ "$(field one status)" = created ] || fail
	ok insula doctor
	exits 127 insula start one
	local image
	image=$(copy_of_root gone)
	insula run --name two "dir:$image" sh -c 'exit 9' || true
	rm -rf "$image"
	exits 125 insula start two
	[[ $stderr == *"cannot start 'two'"*"$image"* ]] || fail
	[ "$(field two exit_code)" = 9 ] || fail
}

@test "start: twenty at once are one start" {
	made one 'echo started; sleep 600'
	for _ in $(seq 20); do "$INSULA_BIN/insula" start one >/dev/null & done
	wait
	ok insula logs one
	shows started
	[ "$(field one status)" = running ]
}

@test "start: killed at any moment, it is what it was, or dead, and starts again" {
	made one 'echo ran; sleep 600'
	for point in begin.fresh keeper.claimed keeper.running store.state store.again keeper.state keeper.exec keeper.start; do
		for again in created exited; do
			rm -f "$E2E_STATE/points"
			run env INSULA_FAIL="$point=kill" INSULA_FAIL_LOG="$E2E_STATE/points" "$INSULA_BIN/insula" start one
			grep -q "^$point kill" "$E2E_STATE/points" || fail "$point was not reached"
			[[ $(field one status) =~ ^(created|exited|dead)$ ]] || fail "$point $again: $(field one status)"
			ok insula start one || fail "$point $again"
			[ "$(field one status)" = running ] || fail "$point $again"
			ok insula stop -t 0 one
			[ "$(field one status)" = exited ] || fail "$point $again"
		done
		ok insula doctor || fail "$point"
	done
}

@test "start: a start that fails at any step leaves it as it was" {
	made new 'sleep 600'
	insula run --name old "$E2E_IMAGE" sh -c 'exit 6' || true
	for point in begin.fresh keeper.claimed keeper.running store.state store.again keeper.state keeper.exec; do
		for name in new old; do
			run env INSULA_FAIL="$point=error:EIO" "$INSULA_BIN/insula" start "$name"
			[ "$status" -eq 125 ] || fail "$point $name"
		done
		[ "$(field new status)" = created ] || fail "$point: $(field new status)"
		[ "$(field old status)" = exited ] || fail "$point: $(field old status)"
		[ "$(field old exit_code)" = 6 ] || fail "$point"
		ok insula doctor || fail "$point"
	done
	ok insula start new old
}

@test "start: after the death of its keeper" {
	made one 'echo ran; sleep 600'
	ok insula start one
	kill -9 "$(detail one .State.KeeperPid)"
	eventually 5 sh -c '"$INSULA_BIN/insula" ps -a | grep -q Dead'
	ok insula start one
	[ "$(field one status)" = running ] || fail
	ok insula logs one
	shows $'ran\nran'
}

@test "reboot: a created container is created, with --rm too, and starts" {
	made one 'echo one'
	made two --rm 'echo two'
	reboot
	[ "$(field one status)" = created ] || fail
	[ "$(field two status)" = created ] || fail
	ok insula doctor
	ok insula start -a two
	shows two
	ok insula start -a one
	shows one
	ok insula ps -aq --no-trunc
	shows "$(field one id)"
}

@test "reboot: one that had ended starts; one that ran is dead, and not as it ended before" {
	made one 'exit 3'
	ok insula start one
	insula wait one >/dev/null
	reboot
	[ "$(field one exit_code)" = 3 ] || fail
	made two 'test -e /mark && sleep 600; touch /mark; exit 3'
	ok insula start two
	insula wait two >/dev/null
	ok insula start two
	local keeper
	keeper=$(detail two .State.KeeperPid)
	kill -9 "$keeper"
	eventually 5 sh -c "! test -d /proc/$keeper"
	reboot
	[ "$(field two status)" = dead ] || fail "$(field two status)"
	ok insula wait two
	shows 137
}

@test "--rm: removed after the end of a start" {
	made one --rm 'echo out'
	ok insula start -a one
	shows out
	[ -z "$(known_ids)" ]
	made two --rm 'sleep 600'
	ok insula start two
	ok insula stop -t 0 two
	[ -z "$(known_ids)" ]
}

@test "restart: what ran, what had ended, and what was never started" {
	insula run -d --name run "$E2E_IMAGE" sh -c 'echo up; sleep 600' >/dev/null
	insula run --name over "$E2E_IMAGE" echo up
	made new 'echo up; sleep 600'
	local before
	before=$(field run pid)
	ok insula restart -t 0 run over new
	shows $'run\nover\nnew'
	[ "$(field run status)" = running ] || fail
	[ "$(field run pid)" != "$before" ] || fail
	[ "$(field new status)" = running ] || fail
	[ "$(insula logs run | grep -c up)" -eq 2 ] || fail
	eventually 5 sh -c '[ "$("$INSULA_BIN/insula" logs over | grep -c up)" -eq 2 ]'
	exits 125 insula restart ghost
	ok insula restart -t 0 --all
	[ "${#lines[@]}" -ge 2 ] || fail
}

@test "restart: asks first, as stop does" {
	insula run -d --name one "$E2E_IMAGE" sh -c 'trap "echo bye; exit" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q ready'
	ok insula restart one
	eventually 5 sh -c '[ "$("$INSULA_BIN/insula" logs one | tr "\n" " ")" = "ready bye ready " ]'
}

@test "restart: one with --rm keeps what it wrote, and is removed at its end" {
	insula run -d --rm --name one "$E2E_IMAGE" sh -c 'echo x >>/w; wc -l </w; sleep 600' >/dev/null
	for times in 2 3; do
		ok insula restart -t 0 one
		eventually 5 sh -c '[ "$("$INSULA_BIN/insula" logs --tail 1 one)" = '"$times ]"
	done
	ok insula stop -t 0 one
	[ -z "$(known_ids)" ]
}

@test "restart: killed in between, one with --rm is debris that doctor removes" {
	insula run -d --rm --name one "$E2E_IMAGE" sleep 600 >/dev/null
	run env INSULA_FAIL=restart.stopped=kill "$INSULA_BIN/insula" restart -t 0 one
	[ "$status" -eq 137 ] || fail
	exits 1 insula doctor
	ok insula doctor --repair
	[ -z "$(known_ids)" ]
}

@test "start, --userns host: container root has a sealed copy before it" {
	insula create --name one --userns host "$E2E_IMAGE" sh -c 'readlink /proc/1/exe; id -u' >/dev/null
	ok insula start -a one
	contains 0
	ok insula start -a one
}

@test "start: a host with a terminal gets its size" {
	insula create -it --name one "$E2E_IMAGE" stty size >/dev/null
	run pty --size 31x77 -- "$INSULA_BIN/insula" start -ai one
	[ "$status" -eq 0 ] || fail
	contains '31 77'
}

# As a host that went down leaves them: the file is there as it was made, and what was in it is not.
lose() {
	: >"$1"
	[ -z "${2:-}" ] || head -c "$2" /dev/zero >"$1"
	touch -m -d "$(stat -c %w "$1")" "$1"
}

@test "files that say who it is, lost with the host's power, are there again; what was changed inside stays" {
	local etc before
	ok insula create --name box --hostname lost --network host --add-host other:10.1.2.3 --dns 10.9.9.9 "$E2E_IMAGE" \
		sh -c 'cat /etc/hostname /etc/hosts /etc/resolv.conf /etc/machine-id'
	etc=$INSULA_ROOT/containers/$output/upper/etc
	before=$(cat "$etc"/{hostname,hosts,resolv.conf,machine-id})
	[[ $before == *10.1.2.3* && $before == *10.9.9.9* ]] || fail
	lose "$etc/hostname"
	lose "$etc/hosts" 100
	lose "$etc/resolv.conf" 1
	lose "$etc/machine-id"
	ok insula start -a box
	shows "$before"
	ok insula diff box
	shows ""
	rm -r "$etc" # which was not on the disk at all
	ok insula start -a box
	shows "$before"
	# By whoever is inside, and by an administrator.
	ok insula run --name inside "$E2E_IMAGE" sh -c ': >/etc/hosts; rm /etc/hostname; ln -s passwd /etc/hostname; ln /etc/machine-id /etc/x; cat /etc/hosts'
	shows ""
	etc=$INSULA_ROOT/containers/$(field inside id)/upper/etc
	lose "$etc/machine-id"
	ok insula start -a inside
	[ "$(readlink "$etc/hostname")" = passwd ] || fail
	[ ! -s "$etc/machine-id" ] && [ ! -s "$etc/hosts" ] && [ ! -e "$etc/passwd" ] || fail
	rm -r "$etc" && ln -s / "$etc"
	ok insula start -a inside
	[ -L "$etc" ] || fail
}
