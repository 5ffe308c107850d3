#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Processes, ids and control groups that are shared: --pid, --userns container:, --cgroup-parent. What a
# container without a pid namespace of its own leaves behind, sees and can reach.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers

setup_file() {
	file_setup
	static_program "$E2E_DIR/intrude.c" "$E2E_ROOT/bin/intrude"
}
setup() {
	e2e_setup
	PARENT=insula-test-$$
}
teardown() {
	[ -z "${canary:-}" ] || kill "$canary" 2>/dev/null || true
	[ ! -e "$BATS_TEST_TMPDIR/group" ] || find /sys/fs/cgroup -depth -type d -path "*/$PARENT*" -exec rmdir {} +
	INSULA_RUNROOT=$E2E_STATE/run2 unpin_pad
	e2e_teardown
	[ -z "$(parents)" ] || fail "directories above a group are left: $(parents)"
}

# Directories of our own above groups.
parents() {
	find /sys/fs/cgroup -maxdepth 3 -type d -name "$PARENT"
}

# A process of the host's with something to hide; its number in $canary.
make_canary() {
	SECRET=sesame sleep 600 3>&- &
	canary=$!
}

# crowd NAME OPTION...: a first process with children that leave its session and ignore what they can.
crowd() {
	local name=$1
	shift
	ok insula run -d --name "$name" "$@" "$E2E_IMAGE" sh -c '
		setsid sh -c "trap : TERM HUP; echo ready; while :; do sleep 600; done" &
		setsid setsid sleep 601 & trap "exit 7" TERM; while :; do sleep 0.1; done'
	eventually 10 said "$name" ready
}

# How many processes there are in the group of a container, by its name as inspect has it.
inmates() {
	find /sys/fs/cgroup -path "*/$1/cgroup.procs" -exec cat {} + 2>/dev/null | sort -u | grep -c .
}

keeper_of() { detail "$1" .State.KeeperPid; }

guard_of() { pgrep -P "$(keeper_of "$1")" -x insula-guard; }

@test "--pid host: the host's processes are seen, and none can be reached" {
	make_canary
	ok in_box --pid host -- sh -c "readlink /proc/self/ns/pid; tr '\\0' ' ' </proc/$canary/cmdline"
	shows "$(readlink /proc/self/ns/pid)
sleep 600 "
	insula run -d --name web --pid host "$E2E_IMAGE" sleep 600
	eventually 5 guard_of web
	local ours
	ours="$(keeper_of web) $(guard_of web)"
	# shellcheck disable=SC2086  # numbers
	ok in_box --pid host --cap-add all --security-opt seccomp=unconfined -- intrude at 1 $$ "$canary" $ours
	shows 'nothing reached'
	exits 1 in_box --pid host --cap-add all -- kill -KILL "$canary"
	# shellcheck disable=SC2086  # numbers
	exits 2 in_box --pid host --cap-add all -- kill -KILL $ours
	kill -0 "$canary"
	ok in_box --pid host -- sh -c 'cat /proc/keys /proc/timer_list | wc -c; ! (: >/proc/sys/kernel/core_pattern) 2>/dev/null'
	shows 0
}

@test "--pid host --userns host: what keeps it is opaque to a root with no more capabilities" {
	insula run -d --name web --pid host --userns host "$E2E_IMAGE" sleep 600
	eventually 5 guard_of web
	ok insula exec web intrude at "$(keeper_of web)" "$(guard_of web)"
	shows 'nothing reached'
	# And the program can tell: who has no more than it is reached.
	exits 1 insula exec web sh -c 'sleep 60 & intrude at $!'
	contains 'reached by ptrace'
	contains 'reached by fd'
}

@test "without a pid namespace every process ends with the first one, with stop, kill and rm" {
	local verb group
	for verb in 'stop -t 5' 'kill' 'rm -f'; do
		crowd web --pid host
		group=$(detail web .CgroupName)
		[ "$(inmates "$group")" -ge 4 ]
		# shellcheck disable=SC2086  # words
		ok insula $verb web
		[ "$verb" != kill ] || [ "$(insula wait web)" = 137 ]
		[ "$verb" != 'stop -t 5' ] || [ "$(field web exit_code)" = 7 ]
		[ "$(inmates "$group")" -eq 0 ]
		[ "$verb" = 'rm -f' ] || ok insula rm web
	done
	exits 5 insula run --name web --pid host "$E2E_IMAGE" sh -c 'setsid sh -c "echo begun; exec sleep 603" & sleep 0.2; exit 5'
	contains begun
	group=$(detail web .CgroupName)
	[ "$(inmates "$group")" -eq 0 ]
	ok insula start web
	[ "$(insula wait web)" = 5 ]
}

@test "a frozen one without a pid namespace ends as well" {
	crowd web --pid host
	local group
	group=$(detail web .CgroupName)
	ok insula pause web
	kill -KILL "$(keeper_of web)"
	eventually 10 sh -c '[ "$(insula_bin=$0; "$insula_bin" ps -a --format "{{.Status}}" | cut -c1-4)" = Dead ]' "$INSULA_BIN/insula"
	ok insula rm web
	[ "$(inmates "$group")" -eq 0 ]
}

@test "keeper kill -9: no process is left, and the restart policy brings it back" {
	local group keeper
	crowd web --pid host --restart always
	group=$(detail web .CgroupName)
	keeper=$(keeper_of web)
	kill -KILL "$keeper"
	eventually 10 sh -c "[ -z \"\$(cat \$(find /sys/fs/cgroup -path '*/$group/cgroup.procs') 2>/dev/null)\" ]"
	ok insula ps
	contains web
	[ "$(keeper_of web)" != "$keeper" ]
	[ "$(inmates "$group")" -ge 1 ]
	ok insula stop -t 0 web
	[ "$(inmates "$group")" -eq 0 ]
}

@test "keeper and guard killed at once: the first process dies, and the next command ends the rest" {
	crowd web --pid host
	local group init
	group=$(detail web .CgroupName)
	init=$(detail web .State.Pid)
	eventually 5 guard_of web
	kill -KILL "$(guard_of web)" "$(keeper_of web)"
	eventually 5 sh -c '! kill -0 "$0" 2>/dev/null || grep -q "^State:.Z" "/proc/$0/status"' "$init"
	ok insula doctor --repair
	[ "$(inmates "$group")" -eq 0 ]
	[ "$(field web exit_code)" = 137 ]
}

@test "a guard that was killed is replaced, and there is one after an upgrade of the keeper" {
	crowd web --pid host
	eventually 5 guard_of web
	local guard
	guard=$(guard_of web)
	# Who ends a service sends these to all that is in its group: the guard waits for its keeper.
	kill -TERM "$guard"
	kill -HUP "$guard"
	sleep 0.2
	[ "$(guard_of web)" = "$guard" ] || fail
	kill -KILL "$guard"
	eventually 5 sh -c 'g=$(pgrep -P "$0" -x insula-guard) && [ "$g" != "$1" ]' "$(keeper_of web)" "$guard"
	ok insula system upgrade web
	eventually 5 guard_of web
	[ "$(guard_of web | wc -l)" -eq 1 ]
	ok insula exec web true
}

# happened EVENT: how often, to whatever container.
happened() { insula events --no-stream --since 1h --filter "event=$1" --format json | grep -c .; }

@test "a guard that cannot be made: the start is refused, or it is tried again until it can; an upgrade keeps the old one" {
	needs_failpoints
	local guard error keeper
	for error in EAGAIN ENOMEM EMFILE; do
		INSULA_FAIL=keeper.guard=error:$error refused 125 'cannot guard the container' insula run -d --name web --pid host "$E2E_IMAGE" sleep 604
		[ -z "$(insula ps -aq)" ]
	done
	INSULA_FAIL=keeper.guard.renew=error:EAGAIN@1,keeper.guard.renew=error:ENOMEM@2,keeper.guard.renew=error:EMFILE@3 crowd web --pid host
	keeper=$(keeper_of web)
	guard=$(guard_of web)
	kill -KILL "$guard"
	eventually 20 eval '[ "$(happened unguarded),$(happened guarded)" = 1,1 ]'
	eventually 20 guard_of web
	[ "$(guard_of web)" != "$guard" ]
	guard=$(guard_of web)
	ok insula system upgrade web
	# The old one goes when there is another, so that no time without one is told.
	eventually 20 sh -c 'g=$(pgrep -P "$0" -x insula-guard) && [ "$g" != "$1" ] && [ "$(echo "$g" | wc -l)" -eq 1 ]' "$keeper" "$guard"
	[ "$(happened unguarded),$(happened guarded)" = 1,1 ]
	ok insula exec web true
	ok insula stop -t 0 web
	[ -z "$(pgrep -P "$keeper" -x insula-guard)" ]
}

@test "killed while it is started without a pid namespace: nothing is left" {
	needs_failpoints
	local point
	for point in start.release keeper.running keeper.state keeper.guard; do
		run env INSULA_FAIL="$point=kill" "$INSULA_BIN/insula" run -d --name web --pid host "$E2E_IMAGE" sh -c 'setsid sleep 604 & exec sleep 605'
		insula doctor --repair >/dev/null
		insula rm -f web 2>/dev/null || true
		eventually 5 sh -c '! pgrep -f "^sleep 60[45]"' || fail "after $point"
	done
}

@test "--pid container: its processes, seen and numbered as in the other" {
	ok insula run -d --name first "$E2E_IMAGE" sleep 602
	ok in_box --pid container:first -- sh -c "readlink /proc/self/ns/pid; tr '\\0' ' ' </proc/1/cmdline"
	shows "$(insula exec first readlink /proc/self/ns/pid)
sleep 602 "
	# Root of another user namespace has no say here, that of the same one has.
	exits 1 in_box --pid container:first --cap-add all -- kill -USR1 1
	ok in_box --pid container:first --userns container:first -- kill -0 1
}

@test "--pid container: the other's end is its end, and it is not started without the other" {
	ok insula run -d --name first "$E2E_IMAGE" sleep 602
	crowd second --pid container:first --restart always
	crowd third --pid container:first
	ok insula rm -f third
	insula exec first true || fail 'the first one has ended with the third'
	ok insula stop -t 0 first
	eventually 10 sh -c '"$0" inspect second | grep -q "failed to start again"' "$INSULA_BIN/insula"
	ok insula inspect second
	contains "container 'first' is not running"
	ok insula start first
	ok insula start second
	ok insula exec second sh -c 'tr "\0" " " </proc/1/cmdline'
	shows 'sleep 602 '
}

@test "--userns container: the same ids, also on disk, and in what is bound" {
	ok insula run -d --name first "$E2E_IMAGE" sleep 600
	mkdir "$BATS_TEST_TMPDIR/data"
	chown 4711:4711 "$BATS_TEST_TMPDIR/data"
	ok insula run -d --name second --userns container:first -v "$BATS_TEST_TMPDIR/data:/data" "$E2E_IMAGE" sh -c 'touch /data/made; exec sleep 600'
	[ "$(insula exec second readlink /proc/self/ns/user)" = "$(insula exec first readlink /proc/self/ns/user)" ]
	[ "$(insula exec second cat /proc/self/uid_map)" = "$(insula exec first cat /proc/self/uid_map)" ]
	eventually 5 test -e "$BATS_TEST_TMPDIR/data/made"
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/data/made")" -eq 4711 ]
	ok insula exec second sh -c 'touch /made && stat -c %u:%g /made'
	shows 0:0
	echo hello >"$BATS_TEST_TMPDIR/file"
	ok insula cp "$BATS_TEST_TMPDIR/file" second:/file
	ok insula exec second stat -c %u /file
	shows 0
	exits 1 insula exec second hostname changed || fail "the hostname is not its own"
	ok insula system check
	ok insula restart -t 0 second
	ok insula exec second true
}

@test "--userns container: a range is nobody else's until all have ended" {
	export INSULA_CONF=$BATS_TEST_TMPDIR/conf
	printf '[store]\nids = 2000000000:65536\n' >"$INSULA_CONF"
	ok insula run -d --name first "$E2E_IMAGE" sleep 600
	ok insula run -d --name second --userns container:first "$E2E_IMAGE" sleep 600
	ok insula run -d --name third --userns container:second "$E2E_IMAGE" sleep 600
	ok insula rm -f first
	[ "$(find "$INSULA_RUNROOT/ids" -type f | wc -l)" -eq 2 ]
	refused 125 'no id range is free' in_box -- true
	kill -KILL "$(keeper_of second)"
	ok insula rm -f second third
	[ -z "$(find "$INSULA_RUNROOT/ids" -mindepth 1)" ]
	ok in_box -- true
}

@test "--pid and --userns container: who comes in cannot be reached before it is one of them" {
	ok insula run -d --name liar --cap-add all --security-opt seccomp=unconfined "$E2E_IMAGE" sleep 600
	insula exec liar intrude watch 4 >"$BATS_TEST_TMPDIR/watched" &
	local watcher=$! end=$((SECONDS + 3))
	while [ $SECONDS -lt $end ]; do
		in_box --pid container:liar --userns container:liar -- true
		insula exec liar true
	done
	wait "$watcher" || fail "$(cat "$BATS_TEST_TMPDIR/watched")"
	# It saw some of them on their way in.
	grep -q 'kept from [1-9]' "$BATS_TEST_TMPDIR/watched" || fail "$(cat "$BATS_TEST_TMPDIR/watched")"
}

# With systemd they are slices, which test/guest/services.bats has.
parents_are_paths() {
	[ ! -d /run/systemd/system ] || skip "systemd makes the control groups here"
}

@test "--cgroup-parent: below it, found by every verb, and removed with the last container" {
	parents_are_paths
	ok insula run -d --name first --cgroup-parent "/$PARENT/deep" --memory 64m "$E2E_IMAGE" sleep 600
	ok insula run -d --name second --cgroup-parent "$PARENT" "$E2E_IMAGE" sleep 600
	[ "$(detail first .CgroupName)" = "$PARENT/deep/insula-$(field first id)" ]
	[ "$(detail first .HostConfig.CgroupParent)" = "$PARENT/deep" ]
	[ "$(group_value first memory.max memory/memory.limit_in_bytes)" -eq 67108864 ]
	ok insula stats --no-stream first
	ok insula top first
	contains 'sleep 600'
	ok insula pause first
	[ "$(field first status)" = paused ]
	ok insula unpause first
	ok insula update --memory 96m first
	[ "$(group_value first memory.max memory/memory.limit_in_bytes)" -eq 100663296 ]
	ok insula exec first true
	ok insula system check
	kill -KILL "$(keeper_of first)"
	ok insula rm -f first
	[ -n "$(parents)" ] || fail 'the second one has lost its parent'
	[ -z "$(find /sys/fs/cgroup -maxdepth 4 -path "*/$PARENT/deep*")" ]
	ok insula stop -t 0 second
	[ -z "$(parents)" ]
	ok insula start second
	[ -n "$(parents)" ]
}

# They have a lock, which everybody would wait for at a container's end.
@test "--cgroup-parent: who has none has nothing to do with the notes of others" {
	ok insula run -d --name box "$E2E_IMAGE" sleep 600
	ok insula stop --time 0 box
	ok insula start box
	ok insula rm -f box
	[ ! -e "$INSULA_RUNROOT/parents" ] || fail "$(find "$INSULA_RUNROOT/parents")"
}

@test "--cgroup-parent: an administrator's stays, with its limits in force" {
	local top
	for top in /sys/fs/cgroup/memory /sys/fs/cgroup; do
		[ ! -e "$top/cgroup.procs" ] || break
	done
	touch "$BATS_TEST_TMPDIR/group"
	mkdir "$top/$PARENT"
	if [ -e "$top/memory.limit_in_bytes" ]; then
		echo 20m >"$top/$PARENT/memory.limit_in_bytes"
	else
		skip "the manager of this host's groups makes them: a slice's limits are its own"
	fi
	exits 137 in_box --cgroup-parent "$PARENT" -- sh -c 'exec tail -c 60m /dev/zero'
	[ -d "$top/$PARENT" ]
	rmdir "$top/$PARENT"
}

# in_store N COMMAND...: insula, with one of two stores.
in_store() {
	local store=$((($1) % 2))
	shift
	if [ $store = 0 ]; then
		insula "$@"
	else
		INSULA_ROOT=$E2E_STATE/lib2 INSULA_RUNROOT=$E2E_STATE/run2 insula "$@"
	fi
}

# at_once COMMAND...: ten times at the same moment, each with its number; all must succeed.
at_once() {
	local number pids=() failed=0
	for number in 0 1 2 3 4 5 6 7 8 9; do
		"$@" "$number" >"$E2E_STATE/out.$number" 2>&1 </dev/null 3>&- &
		pids+=($!)
	done
	for number in 0 1 2 3 4 5 6 7 8 9; do
		wait "${pids[number]}" || failed=1
	done
	[ $failed = 0 ] || fail "$(tail -n 3 "$E2E_STATE"/out.*)"
}

below_new_parent() { in_store "$1" run --rm --network none --cgroup-parent "$PARENT/deep/er" "$E2E_IMAGE" true; }
kept_below_new_parent() { in_store "$1" run -d --name "box$1" --network none --cgroup-parent "$PARENT/deep/er" "$E2E_IMAGE" sleep 600; }
end_below_new_parent() { in_store "$1" rm -f "box$1"; }

@test "--cgroup-parent: ten at once below a new one, from two stores, all start and leave nothing" {
	parents_are_paths
	local round
	touch "$BATS_TEST_TMPDIR/group"
	for round in 1 2 3; do
		at_once below_new_parent
		[ -z "$(parents)" ] || fail "round $round: $(parents)"
	done
	at_once kept_below_new_parent
	[ -n "$(parents)" ]
	at_once end_below_new_parent
	[ -z "$(parents)" ] || fail "at the end: $(parents)"
	# One store makes it, the other one is the last to leave.
	kept_below_new_parent 0 >/dev/null
	kept_below_new_parent 1 >/dev/null
	end_below_new_parent 0 >/dev/null
	[ -n "$(parents)" ]
	end_below_new_parent 1 >/dev/null
	[ -z "$(parents)" ] || fail "the other store: $(parents)"
}

@test "--cgroup-parent: one that goes when a group is about to be made in it is made again" {
	parents_are_paths
	needs_failpoints
	local starter
	touch "$BATS_TEST_TMPDIR/group"
	INSULA_FAIL=cgroup.parents=stop "$INSULA_BIN/insula" run --rm --pid host --network none --cgroup-parent "$PARENT/deep" "$E2E_IMAGE" echo up \
		>"$E2E_STATE/out" 2>"$E2E_STATE/err" </dev/null 3>&- &
	starter=$!
	eventually 20 pgrep -P "$starter" -r T
	[ -n "$(parents)" ]
	find /sys/fs/cgroup -depth -type d -path "*/$PARENT*" -exec rmdir {} +
	pkill -CONT -P "$starter" -r T
	wait "$starter" || fail "$(cat "$E2E_STATE/err")"
	[ "$(cat "$E2E_STATE/out")" = up ]
	[ -z "$(parents)" ]
}

@test "--cgroup-parent: a group that is left is found by the record" {
	parents_are_paths
	needs_failpoints
	INSULA_FAIL=keeper.exit.cgroup=error:EBUSY insula run --name web --cgroup-parent "$PARENT" "$E2E_IMAGE" true
	[ -n "$(parents)" ]
	run insula doctor
	[ "$status" -ne 0 ]
	contains 'control-group'
	ok insula doctor --repair
	[ -z "$(parents)" ]
}

@test "--cgroup-parent: a directory above a group that its container has left is found by the note" {
	parents_are_paths
	local notes=$INSULA_RUNROOT/parents id hierarchy name
	ok insula run -d --name gone --cgroup-parent "$PARENT/deep%2fer" "$E2E_IMAGE" sleep 600
	ok insula run -d --name live --cgroup-parent "$PARENT" "$E2E_IMAGE" sleep 600
	id=$(field gone id)
	cp -a "$notes" "$E2E_STATE/notes"
	ok insula rm -f gone
	touch "$BATS_TEST_TMPDIR/group"
	for name in "$E2E_STATE/notes"/*%2fdeep*; do
		hierarchy=/sys/fs/cgroup/$(basename "$name" | cut -d: -f1)
		[ ! -d "$hierarchy/$PARENT" ] || mkdir "$hierarchy/$PARENT/deep%2fer"
		cp -a "$name" "$notes"
	done
	exits 1 insula doctor --format json
	[ "$(jq -r '.findings[].kind' <<<"$output" | sort -u)" = group-parent ] || fail
	[ "$(jq -r '.findings[].object | sub(".*/"; "")' <<<"$output" | sort -u)" = "$id" ] || fail
	ok insula doctor --repair
	ok insula doctor
	[ -z "$(find /sys/fs/cgroup -maxdepth 4 -path "*/$PARENT/deep")" ]
	[ -n "$(parents)" ] || fail 'the other one has lost its parent'
	ok insula rm -f live
}

@test "an ordinary user is told what it takes" {
	[ "$(id -u)" -eq 0 ]
	local user=54322 bin=$BATS_TEST_TMPDIR/bin option
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")" "$BATS_TEST_TMPDIR" "$E2E_STATE"
	mkdir "$bin"
	cp "$INSULA_BIN"/{insula,insula-keeper} "$bin"
	install -d -o $user -g $user "$E2E_STATE/home" "$E2E_STATE/runtime"
	as_user() {
		setpriv --reuid $user --regid $user --clear-groups --inh-caps=-all env -u INSULA_ROOT -u INSULA_RUNROOT \
			HOME="$E2E_STATE/home" XDG_RUNTIME_DIR="$E2E_STATE/runtime" "$bin/insula" "$@"
	}
	exits 125 as_user run --rm --userns host "$E2E_IMAGE" true
	[[ $stderr == *'takes root'* ]] || fail
	for option in '--pid host' '--cgroup-parent mine'; do
		[ ! -d /run/systemd/system ] || break
		# shellcheck disable=SC2086  # option and value
		exits 125 as_user run --rm $option "$E2E_IMAGE" true
		[[ $stderr == *'none was delegated'* || $stderr == *'no control group was delegated'* ]] || fail "$option"
	done
	exits 125 as_user run --rm --cgroup-parent ../x "$E2E_IMAGE" true
	[ -z "$(as_user ps -aq)" ]
}

@test "options that make no sense are refused, and nothing is made" {
	ok insula run --name ended "$E2E_IMAGE" true
	ok insula run -d --name hosts --pid host --userns host "$E2E_IMAGE" sleep 600
	local option
	for option in --pid --userns; do
		refused 125 nobody in_box "$option" container:nobody -- true
		refused 125 'not running' in_box "$option" container:ended -- true
		refused 125 "has the host's" in_box "$option" container:hosts -- true
		refused 125 'no mode' in_box "$option" shareable -- true
		refused 125 'no mode' in_box "$option" ns:/proc/self/ns/pid -- true
	done
}

@test "--cgroup-parent: words that make no sense are refused, and a create makes nothing" {
	parents_are_paths
	ok insula run --name ended "$E2E_IMAGE" true
	ok insula create --name both --pid host --userns host --cgroup-parent "$PARENT" "$E2E_IMAGE" true
	[ "$(detail both '.HostConfig | .PidMode + " " + .UsernsMode')" = 'host host' ]
	[ -z "$(parents)" ] || fail 'made before it is started'
	refused 125 elsewhere in_box --cgroup-parent a/../b -- true
	refused 125 elsewhere in_box --cgroup-parent .. -- true
	refused 125 'usual place' in_box --cgroup-parent / -- true
	refused 125 control in_box --cgroup-parent $'a\nb' -- true
	refused 125 'longer than' in_box --cgroup-parent "$(printf '%0170d' 0)" -- true
	refused 125 "container's group" in_box --cgroup-parent "insula-$(field ended id)" -- true
}
