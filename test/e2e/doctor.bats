#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula doctor: each kind of debris is planted by hand, found by its name, and removed; what only looks
# like ours stays.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2012,SC2013  # the names here are our own

load helpers

setup() {
	e2e_setup
	NOBODY=$(printf 'd%.0s' {1..64})
	SHORTER=${NOBODY:1}
	[ -n "$(insula info --format json)" ]
}

teardown() {
	local path
	for path in $(grep -F "$E2E_STATE" /proc/self/mountinfo | cut -d' ' -f5 | grep -v '/pad$'); do umount "$path"; done
	for path in $(own_groups "$NOBODY") $(own_groups "$SHORTER") $(own_groups doctor-test); do rmdir "$path"; done
	rm -f "$INSULA_RUNROOT"/ids/* "$INSULA_ROOT"/names/{ghost,notes}
	e2e_teardown
}

box() {
	insula run -d --name "$@" "$E2E_IMAGE" sleep 600 >/dev/null
}

# about REF FILTER: a value of what inspect shows.
about() {
	insula inspect "$1" | jq -r ".[0]$2"
}

id_of() {
	about "$1" .Id
}

own_groups() {
	local id
	for id in $1; do
		find /sys/fs/cgroup -maxdepth 3 -type d '(' -name "insula-$id" -o -name "insula-$id.scope" ')' 2>/dev/null
	done
}

# finds KIND OBJECT: exactly one finding, of this kind, about this object; exit status 1.
finds() {
	exits 1 insula doctor --format json || return
	[ "$(jq -r '.clean, (.findings[] | .kind, .object)' <<<"$output" | tr '\n' ' ')" = "false $1 $2 " ] ||
		fail "expected one finding: $1 $2"
	exits 1 insula doctor || return
	contains "found  $1 $2"
}

# cured: the repair says so, and afterwards there is nothing.
cured() {
	ok insula doctor --repair || return
	contains 'repaired: ' || return
	ok insula doctor --repair || return
	contains 'nothing of ours is left that nobody uses'
}

@test "a clean host, and what it can do" {
	box one
	ok insula doctor
	contains "kernel: $(uname -r)"
	contains 'nothing of ours is left'
	contains "pinned at $INSULA_RUNROOT/pad"
	ok insula doctor --format json
	[ "$(jq -c '[.clean, .launch_pad, .findings]' <<<"$output")" = '[true,true,[]]' ] || fail
	[ "$(jq '.host | length' <<<"$output")" -ge 10 ] || fail
}

@test "a container whose keeper was killed: its end is recorded, its neighbour lives" {
	box one
	box two
	kill -9 "$(about one .State.KeeperPid)"
	eventually 5 sh -c '"$INSULA_BIN/insula" ps -a | grep -q Dead'
	finds dead-container "one ($(id_of one | cut -c 1-12))"
	cured
	[ "$(about one .State.Status)" = exited ]
	[ "$(about one .State.ExitCode)" = 137 ]
	[ "$(about one .State.Reason)" = 'keeper died' ]
	[ -z "$(own_groups "$(id_of one)")" ]
	[ "$(ls "$INSULA_RUNROOT/ids" | wc -l)" -eq 1 ]
	[ "$(about two .State.Running)" = true ]
}

@test "a container of --rm whose keeper was killed is removed" {
	box one --rm
	kill -9 "$(about one .State.KeeperPid)"
	eventually 5 sh -c '"$INSULA_BIN/insula" ps -a | grep -q Dead'
	finds dead-container "one ($(id_of one | cut -c 1-12))"
	cured
	[ -z "$(known_ids)" ]
	[ ! -e "$INSULA_ROOT/names/one" ]
}

@test "a container whose maker was killed half way is removed, with its name" {
	local id
	needs_failpoints
	INSULA_FAIL=store.create.directory=kill insula run --name one "$E2E_IMAGE" true || true
	id=$(known_ids)
	[ -n "$id" ] || fail
	exits 1 insula doctor --format json
	[ "$(jq -r '.findings[].kind' <<<"$output" | tr '\n' ' ')" = 'half-made-container name ' ] || fail
	cured
	[ -z "$(known_ids)" ]
	[ ! -e "$INSULA_ROOT/names/one" ]
}

@test "the next start takes over the name of one that was never finished" {
	needs_failpoints
	INSULA_FAIL=store.create.directory=kill insula run --name one "$E2E_IMAGE" true || true
	ok insula run --name one "$E2E_IMAGE" echo again
	shows again
}

@test "after the host went down: what was running has ended, its files stay; --rm is removed" {
	local id
	insula run -d --name one "$E2E_IMAGE" sh -c 'echo kept >/file; exec sleep 600' >/dev/null
	box two --rm
	id=$(id_of one)
	eventually 5 test -s "$INSULA_ROOT/containers/$id/upper/file"
	kill -9 "$(about one .State.KeeperPid)" "$(about two .State.KeeperPid)"
	eventually 5 sh -c '[ "$("$INSULA_BIN/insula" ps -a | grep -c Dead)" = 2 ]'
	eventually 10 takes_groups_away "$id $(id_of two)"
	unpin_pad
	rm -rf "${INSULA_RUNROOT:?}"
	exits 1 insula doctor --format json
	[ "$(jq -r '.findings[].kind' <<<"$output" | sort | tr '\n' ' ')" = 'dead-container half-made-container name ' ] || fail
	cured
	[ "$(known_ids)" = "$id" ]
	[ "$(about one .State.Status)" = exited ]
	[ "$(cat "$INSULA_ROOT/containers/$id/upper/file")" = kept ]
}

# Before the record is out of sight the container is all there; after it only a name is left, which is nobody's.
@test "a removal that was cut off, by a kill or by the end of the host: no container without its name is left" {
	local step end
	needs_failpoints
	for end in kill host; do
		for step in root name run; do
			insula run --name one "$E2E_IMAGE" true
			exits 137 env INSULA_FAIL=store.remove.$step=kill "$INSULA_BIN/insula" rm one
			if [ $end = host ]; then
				unpin_pad
				rm -rf "${INSULA_RUNROOT:?}"
			fi
			case $end-$step in
			kill-root | kill-name | host-root) ok insula rm one && ok insula doctor ;;
			host-name) [ -z "$(known_ids)" ] || fail; cured ;;
			*) cured ;;
			esac
			[ -z "$(known_ids)$(find "$INSULA_ROOT"/{names,containers,removed} -mindepth 1)" ] || fail "$end $step"
			ok insula system check
		done
	done
}

has_no_group() {
	[ -z "$(own_groups "$1")" ]
}

# A service manager is at it, too.
takes_groups_away() {
	local group
	for group in $(own_groups "$1"); do rmdir "$group" || true; done
	[ -z "$(own_groups "$1")" ]
}

@test "a keeper that was killed while it cleared up" {
	local kinds='keeper-leftovers control-group id-range '
	needs_failpoints
	INSULA_FAIL=keeper.exit.cgroup=kill insula run --name one "$E2E_IMAGE" sh -c 'exit 5' || true
	if [ -d /run/systemd/system ]; then # which removes the scope with the last process in it
		kinds='keeper-leftovers id-range '
		eventually 10 has_no_group "$(id_of one)"
	else
		[ -n "$(own_groups "$(id_of one)")" ] || fail
	fi
	exits 1 insula doctor --format json
	[ "$(jq -r '.findings[].kind' <<<"$output" | tr '\n' ' ')" = "$kinds" ] || fail
	cured
	[ -z "$(own_groups "$(id_of one)")" ]
	[ "$(about one .State.ExitCode)" = 5 ]
}

@test "a keeper that cannot remove the group leaves the container too, for who looks next" {
	local id intruder
	needs_failpoints
	INSULA_FAIL=cgroup-removed=error:EIO box one --rm
	id=$(id_of one)
	sleep 600 3>&- &
	intruder=$!
	for group in $(own_groups "$id"); do
		[ ! -d "$group/container" ] || group=$group/container # in a scope
		echo "$intruder" >"$group/cgroup.procs"
	done
	"$INSULA_BIN/insula" stop -t 0 one || true
	wait $intruder || true
	[ -d "$INSULA_ROOT/containers/$id" ] || fail
	cured
	[ -z "$(known_ids)" ]
	eventually 10 has_no_group "$id"
}

@test "a damaged record is told, and left to people" {
	local id
	insula run --name one "$E2E_IMAGE" true
	id=$(id_of one)
	echo '{' >"$INSULA_ROOT/containers/$id/record.json"
	finds damaged-container "$id"
	exits 1 insula doctor --repair
	contains 'not repaired'
	[ -f "$INSULA_ROOT/containers/$id/record.json" ]
	rm "$INSULA_ROOT/containers/$id/record.json"
}

@test "a keeper whose directory was removed under it is killed, and all that it held is freed" {
	local id pid keeper
	box one
	id=$(id_of one)
	pid=$(about one .State.Pid)
	keeper=$(about one .State.KeeperPid)
	rm -rf "${INSULA_RUNROOT:?}/containers/$id" "${INSULA_ROOT:?}/containers/$id"
	exits 1 insula doctor
	contains "found  keeper process $keeper"
	[ -d "/proc/$pid" ]
	cured
	[ ! -d "/proc/$pid" ]
	eventually 10 has_no_group "$id"
}

@test "a container's process that calls itself a keeper, and has a file of its name removed, is none" {
	local lock=$INSULA_RUNROOT/containers/$NOBODY pid
	ok insula run -d --name liar "$E2E_IMAGE" sh -c "mkdir -p $lock; exec 7>$lock/alive; rm $lock/alive; \
		cp /bin/busybox /tmp/insula-keeper; exec -a sleep /tmp/insula-keeper 1000"
	pid=$(about liar .State.Pid)
	eventually 5 test "/proc/$pid/exe" -ef "/proc/$pid/root/tmp/insula-keeper"
	[[ $(readlink "/proc/$pid/fd/7") == "$lock/alive (deleted)" ]] || fail
	ok insula doctor
}

@test "a name of no container; those of live ones and other files stay" {
	box live
	echo "$NOBODY" >"$INSULA_ROOT/names/ghost"
	echo 'mine' >"$INSULA_ROOT/names/notes"
	finds name ghost
	cured
	[ ! -e "$INSULA_ROOT/names/ghost" ]
	[ "$(cat "$INSULA_ROOT/names/notes")" = mine ]
	[ "$(about live .State.Running)" = true ]
}

@test "a name that was never written, as a host that went down leaves one; that of a container stays" {
	box live
	: >"$INSULA_ROOT/names/ghost"
	ok insula system check
	finds name ghost
	cured
	[ ! -e "$INSULA_ROOT/names/ghost" ]
	: >"$INSULA_ROOT/names/live"
	ok insula doctor
	exits 1 insula system check
	contains "its name 'live' leads nowhere"
	ok insula system check --repair
	ok insula system check
	[ "$(about live .State.Running)" = true ]
}

@test "a container has its layer as soon as it has a record" {
	INSULA_FAIL=run.made=kill insula run -d --name half "$E2E_IMAGE" sleep 600 || true
	local half
	half=$(echo "$INSULA_ROOT"/containers/*)
	[ -e "$half/record.json" ] || fail
	[ -d "$half/upper" ] && [ -d "$half/work" ] || fail
}

@test "an id range of no container; what is no range stays" {
	box live
	printf %s "$NOBODY" >"$INSULA_RUNROOT/ids/7"
	printf %s "$NOBODY" >"$INSULA_RUNROOT/ids/x"
	printf %s "$SHORTER" >"$INSULA_RUNROOT/ids/8"
	finds id-range 7
	cured
	[ ! -e "$INSULA_RUNROOT/ids/7" ]
	[ -e "$INSULA_RUNROOT/ids/x" ]
	[ -e "$INSULA_RUNROOT/ids/8" ]
	[ "$(ls "$INSULA_RUNROOT/ids" | wc -l)" -eq 3 ]
}

# One directory below every hierarchy: old enough to be nobody's start.
plant_group() {
	local top
	for top in $(awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/self/mounts); do
		mkdir "$top/insula-$1" 2>/dev/null || continue
		touch -d '2 minutes ago' "$top/insula-$1"
	done
	[ -n "$(own_groups "$1")" ]
}

@test "a control group of no container; look-alikes stay" {
	box live
	plant_group "$NOBODY"
	plant_group "$SHORTER"
	plant_group doctor-test
	finds control-group "insula-$NOBODY"
	cured
	[ -z "$(own_groups "$NOBODY")" ]
	[ -n "$(own_groups "$SHORTER")" ]
	[ -n "$(own_groups doctor-test)" ]
	[ -n "$(own_groups "$(id_of live)")" ]
	[ "$(about live .State.Running)" = true ]
}

@test "a control group with a process in it is somebody else's" {
	local group pid
	plant_group "$NOBODY"
	group=$(own_groups "$NOBODY" | grep -e /unified -e /pids -e '^/sys/fs/cgroup/insula' | head -n 1)
	sleep 600 3>&- &
	pid=$!
	echo $pid >"$group/cgroup.procs"
	ok insula doctor --repair
	[ -n "$(own_groups "$NOBODY")" ]
	[ -d "/proc/$pid" ]
	kill $pid
	wait $pid || true
	finds control-group "insula-$NOBODY"
	cured
}

@test "temporary files of dead writers; other dot files, and those of live containers, stay" {
	local id live
	insula run --name over "$E2E_IMAGE" true
	box live
	id=$(id_of over)
	live=$(id_of live)
	ok insula secret create db /etc/hostname
	touch "$INSULA_ROOT/names/.web.0123abcd" "$INSULA_ROOT/names/.web.0123ABCD" "$INSULA_ROOT/names/.keep" \
		"$INSULA_RUNROOT/ids/.7.00000000" "$INSULA_ROOT/containers/$id/.exit.json.11111111" \
		"$INSULA_ROOT/containers/$live/.record.json.22222222" "$INSULA_ROOT/secrets/.db.33333333"
	exits 1 insula doctor --format json
	[ "$(jq -r '.findings[] | .kind + " " + .object' <<<"$output")" = "temporary-file $INSULA_ROOT/names/.web.0123abcd
temporary-file $INSULA_ROOT/secrets/.db.33333333
temporary-file $INSULA_RUNROOT/ids/.7.00000000
temporary-file $INSULA_ROOT/containers/$id/.exit.json.11111111" ] || fail
	cured
	[ ! -e "$INSULA_ROOT/names/.web.0123abcd" ]
	[ ! -e "$INSULA_RUNROOT/ids/.7.00000000" ]
	[ ! -e "$INSULA_ROOT/containers/$id/.exit.json.11111111" ]
	[ ! -e "$INSULA_ROOT/secrets/.db.33333333" ]
	ok insula secret rm db
	rm "$INSULA_ROOT/names/.web.0123ABCD" "$INSULA_ROOT/names/.keep" "$INSULA_ROOT/containers/$live/.record.json.22222222"
}

@test "files of a removed container whose keeper was killed; other names stay, and what a keeper is at" {
	mkdir -p "$INSULA_ROOT/removed/$NOBODY/upper/a/b" "$INSULA_ROOT/removed/notes" "$INSULA_ROOT/removed/insula-$NOBODY"
	finds removed-container "$NOBODY"
	cured
	[ ! -e "$INSULA_ROOT/removed/$NOBODY" ]
	[ -d "$INSULA_ROOT/removed/notes" ] && [ -d "$INSULA_ROOT/removed/insula-$NOBODY" ]
	rmdir "$INSULA_ROOT/removed/notes" "$INSULA_ROOT/removed/insula-$NOBODY"
	mkdir "$INSULA_ROOT/removed/$NOBODY"
	(
		flock 9
		insula doctor
	) 9<"$INSULA_ROOT/removed/$NOBODY"
	ok insula rm --force --all # the next one that removes something does it, too
	[ ! -e "$INSULA_ROOT/removed/$NOBODY" ]
}

@test "a mount in the directory of a container that does not run; others stay" {
	local id live
	insula run --name over "$E2E_IMAGE" true
	box live
	id=$(id_of over)
	live=$(id_of live)
	mkdir "$INSULA_ROOT/containers/$id/upper/x" "$INSULA_ROOT/containers/$live/x" "$INSULA_ROOT/containers/mine"
	mount -t tmpfs none "$INSULA_ROOT/containers/$id/upper/x"
	mount -t tmpfs none "$INSULA_ROOT/containers/$live/x"
	mount -t tmpfs none "$INSULA_ROOT/containers/mine"
	finds mount "$INSULA_ROOT/containers/$id/upper/x"
	cured
	! mountpoint -q "$INSULA_ROOT/containers/$id/upper/x" || fail
	mountpoint -q "$INSULA_ROOT/containers/$live/x"
	mountpoint -q "$INSULA_ROOT/containers/mine"
	umount "$INSULA_ROOT/containers/$live/x" "$INSULA_ROOT/containers/mine"
	rmdir "$INSULA_ROOT/containers/mine"
}

@test "an unfinished mask of the host image; finished ones and other names stay" {
	local cache=$INSULA_ROOT/images/host
	mkdir -p "$cache"/{.mask-0123456789abcdef/layer.0,.mask-notes,mask-0123456789abcdef}
	finds unfinished-mask .mask-0123456789abcdef
	cured
	[ ! -e "$cache/.mask-0123456789abcdef" ]
	[ -d "$cache/.mask-notes" ]
	[ -d "$cache/mask-0123456789abcdef" ]
}

@test "the file of the launch pad with nothing pinned on it" {
	touch "$INSULA_RUNROOT/pad"
	finds pad-file "$INSULA_RUNROOT/pad"
	cured
	[ ! -e "$INSULA_RUNROOT/pad" ]
}

@test "directories that are no containers stay" {
	mkdir "$INSULA_ROOT/containers/notanid" "$INSULA_RUNROOT/containers/$SHORTER"
	touch "$INSULA_ROOT/containers/$NOBODY"
	ok insula doctor --repair
	[ -d "$INSULA_ROOT/containers/notanid" ]
	[ -d "$INSULA_RUNROOT/containers/$SHORTER" ]
	[ -f "$INSULA_ROOT/containers/$NOBODY" ]
	rm -r "$INSULA_ROOT/containers/notanid" "$INSULA_RUNROOT/containers/$SHORTER" "$INSULA_ROOT/containers/$NOBODY"
}

@test "the launch pad stays, until it is named and no container runs" {
	box one
	ok insula doctor --repair
	mountpoint -q "$INSULA_RUNROOT/pad"
	exits 125 insula doctor --repair --pad
	[[ $stderr == *'a container runs'* ]] || fail
	exits 125 insula doctor --pad
	insula rm -f one >/dev/null
	ok insula doctor --repair --pad
	contains 'launch pad: removed'
	! mountpoint -q "$INSULA_RUNROOT/pad" || fail
	[ ! -e "$INSULA_RUNROOT/pad" ]
}

@test "another store's containers are not ours to judge" {
	local other=$E2E_STATE/other pid
	box one
	pid=$(about one .State.Pid)
	ok insula --root "$other/lib" --runroot "$other/run" doctor --repair
	contains 'nothing of ours is left'
	[ -d "/proc/$pid" ]
	[ "$(about one .State.Running)" = true ]
}

@test "a repair beside commands that come and go disturbs none" {
	local i failed=$BATS_TEST_TMPDIR/failed
	for i in 1 2 3; do
		for _ in 1 2 3 4 5 6 7 8; do
			[ "$(insula run --rm "$E2E_IMAGE" echo here)" = here ] || echo "$i" >>"$failed"
		done &
	done
	for i in 1 2 3 4 5 6 7 8 9 10; do
		insula doctor --repair >"$BATS_TEST_TMPDIR/report.$i" || echo "doctor $i" >>"$failed"
	done
	wait
	[ ! -e "$failed" ] || fail "$(cat "$failed")"
	! grep -h -A 3 found "$BATS_TEST_TMPDIR"/report.* || fail
}
