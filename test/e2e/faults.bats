#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is around fails: files are damaged, the disk is full or may not be written, the clock is set, control
# groups and mounts are taken away, a keeper is stopped, a reader never reads. Each has an outcome that is
# said here; none hangs another command, and none loses an exit code.

# shellcheck disable=SC2030,SC2031,SC2154  # status and stderr are set by run --separate-stderr

load helpers

# One digit of it is another now.
spoil() {
	local before
	before=$(cksum <"$1")
	sed -i --follow-symlinks '1s/\(.*[^0-9]\)[0-8]/\19/' "$1"
	[ "$(cksum <"$1")" != "$before" ]
}

# damaged FILE: two containers, one with a damaged file; the other is not concerned.
damaged() {
	insula run -d --name hurt "$E2E_IMAGE" sleep 600 >/dev/null
	insula run -d --name whole "$E2E_IMAGE" sleep 600 >/dev/null
	local id
	id=$(insula inspect hurt | jq -r '.[0].Id')
	spoil "$(ls "$INSULA_ROOT/containers/$id/$1" 2>/dev/null || echo "$INSULA_RUNROOT/containers/$id/$1")"
	run --separate-stderr insula ps
	[ "$status" -eq 0 ] || fail
	contains whole
	if [ "$1" = record.json ]; then # of one that runs there is a copy
		contains hurt
	else
		[[ $stderr == *"container ${id:0:12}: $1"* ]] || fail
	fi
	exits 125 insula stop hurt
	[[ $stderr == *"container ${id:0:12}: $1"* ]] || fail
	[[ $stderr == *"hint: insula rm --force ${id:0:12}"* ]] || fail
	ok insula rm --force hurt
	! known_ids | grep -q "$id" || fail "files are left"
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "insula-$id")" ] || fail "groups are left"
	ok insula exec whole true
	ok insula run --rm --name hurt "$E2E_IMAGE" true # its name is free
	insula rm -f whole
}

@test "faults: a damaged record is said, concerns no other container, and can be removed" {
	damaged record.json
}

@test "faults: a damaged exit is said, is no other exit code, and can be removed" {
	insula run --name hurt "$E2E_IMAGE" sh -c 'exit 31' || true
	insula run --name whole "$E2E_IMAGE" sh -c 'exit 32' || true
	spoil "$INSULA_ROOT/containers/$(field hurt id)/exit.json"
	run --separate-stderr insula ps -a
	[ "$status" -eq 0 ] || fail
	contains whole
	lacks hurt
	[[ $stderr == *'exit.json'*checksum* ]] || fail
	exits 125 insula wait hurt
	[ -z "$output" ] || fail
	exits 1 insula doctor
	contains 'exit.json'
	ok insula rm -f hurt
	ok insula wait whole
	shows 32
}

# In a mount namespace of its own, where both directories are on a small disk.
@test "faults: on a disk that is full by then an exit code is recorded all the same" {
	cat >"$BATS_TEST_TMPDIR/script" <<-'EOF'
		mkdir -p "$INSULA_ROOT" "$INSULA_RUNROOT"
		mount -t tmpfs -o size=1m,mode=700 small "$INSULA_ROOT" || exit
		mount -t tmpfs -o size=1m,mode=700 small "$INSULA_RUNROOT" || exit
		insula() { "$INSULA_BIN/insula" "$@"; }
		# Before Linux 6.3 tmpfs maps no owners.
		start() { insula run --detach --userns host --name "$@" >/dev/null || exit; }
		start box "$E2E_IMAGE" sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
		start killed "$E2E_IMAGE" sleep 600
		until insula logs box | grep -q ready; do sleep 0.1; done
		for full in "$INSULA_ROOT" "$INSULA_RUNROOT"; do
			cat /dev/zero >"$full/filler" 2>/dev/null
			while echo x >>"$full/filler.$n" 2>/dev/null; do n=$((n + 1)); done
			! echo full >"$full/probe" 2>/dev/null || echo "there is space"
		done
		insula kill --signal KILL killed >/dev/null
		insula kill --signal TERM box >/dev/null
		insula wait box killed
		insula ps --all --format json | jq -r 'sort_by(.name)[] | "\(.name) \(.status) \(.exit_code)"'
		ls "$INSULA_ROOT"/containers/*/exit* | sed 's|.*/||'
		insula rm box killed
		umount -l "$INSULA_RUNROOT/pad" 2>/dev/null
	EOF
	ok unshare -m sh "$BATS_TEST_TMPDIR/script"
	shows '7
137
box exited 7
killed exited 137
exit.json
exit.json
box
killed'
}

@test "faults: a damaged state is said, concerns no other container, and can be removed" {
	damaged state.json
}

@test "faults: a file of state that is cut short is said, concerns no other container, and can be removed" {
	local id
	insula run --name hurt "$E2E_IMAGE" sh -c 'exit 31' || true
	insula run -d --name whole "$E2E_IMAGE" sleep 600 >/dev/null
	id=$(field hurt id)
	for file in exit.json record.json; do
		truncate -s 20 "$INSULA_ROOT/containers/$id/$file"
		run --separate-stderr insula ps -a
		[ "$status" -eq 0 ] || fail
		contains whole
		[[ $stderr == *"container ${id:0:12}: $file"* ]] || fail
		exits 1 insula system check
		contains "${id:0:12}"
	done
	: >"$INSULA_ROOT/containers/$id/exit.json"
	exits 125 insula wait "$id"
	ok insula rm --force "$id"
	ok insula exec whole true
	ok insula system check
}

@test "faults: a damaged name is said with its remedy, its container does what it did, and the name can be mended" {
	local id file damage
	insula run -d --name box "$E2E_IMAGE" sleep 600 >/dev/null
	id=$(field box id) file=$INSULA_ROOT/names/box
	for damage in ": >'$file'" "tr 0-8 1-9 <'$file' >'$file.x'; mv '$file.x' '$file'" "rm '$file'; mkfifo '$file'" \
		"rm '$file'; ln -s /etc/passwd '$file'"; do
		bash -c "$damage"
		exits 125 timeout 20 "$INSULA_BIN/insula" inspect box
		[[ $stderr == *"insula system check --repair"* ]] || fail "$damage"
		ok insula exec "$id" true
		ok insula ps --format '{{.Names}}'
		shows box
		exits 1 insula system check
		run insula system check --repair
		run insula system check --repair # the second one has another name that it can see
		ok insula system check || fail "$damage"
		ok insula exec box true || fail "$damage"
	done
	rm "$file" && mkfifo "$file"
	run --separate-stderr timeout 20 "$INSULA_BIN/insula" rm --force "$id"
	[ "$status" -eq 0 ] || [[ $stderr == *"insula system check --repair"* ]] || fail
	insula system check --repair >/dev/null || true
	known_ids | xargs -r "$INSULA_BIN/insula" rm --force
	insula doctor --repair >/dev/null
	ok insula run --rm --name box "$E2E_IMAGE" true
}

@test "faults: a state that somebody removed: no verb hangs, and rm --force ends the container" {
	local id
	insula run -d --name box "$E2E_IMAGE" sleep 600 >/dev/null
	id=$(field box id)
	rm "$INSULA_RUNROOT/containers/$id/state.json"
	ok insula ps -a --format '{{.Names}}'
	shows box
	run --separate-stderr timeout 60 "$INSULA_BIN/insula" exec box true
	[ "$status" -eq 125 ] || fail
	ok timeout 60 "$INSULA_BIN/insula" rm --force box
	! known_ids | grep -q "$id" || fail "files are left"
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "insula-$id")" ] || fail "groups are left"
}

# In a mount namespace of its own, where the directories become read-only under running containers.
@test "faults: where the state cannot be written any more, what runs goes on, and each command says so" {
	cat >"$BATS_TEST_TMPDIR/script" <<-'EOF'
		mkdir -p "$INSULA_ROOT" "$INSULA_RUNROOT"
		insula() { timeout 30 "$INSULA_BIN/insula" "$@"; }
		insula run --detach --name box "$E2E_IMAGE" sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
		until insula logs box | grep -q ready; do sleep 0.1; done
		for place in "$INSULA_ROOT" "$INSULA_RUNROOT"; do
			mount --rbind "$place" "$place" && mount -o remount,bind,ro "$place" || exit
		done
		insula ps --format '{{.Names}} {{.State}}'
		insula exec box echo inside
		insula logs box
		insula inspect -f '{{.State.Status}}' box
		insula run --rm "$E2E_IMAGE" true 2>&1 | grep -c -i 'read-only'
		insula create --name other "$E2E_IMAGE" true 2>&1 | grep -c -i 'read-only'
		insula rename box other 2>&1 | grep -c -i 'read-only'
		umount -l "$INSULA_ROOT" && umount -l "$INSULA_RUNROOT" || exit
		insula stop box
		insula wait box
		insula rm box
		insula system check
		umount -l "$INSULA_RUNROOT/pad"
		rm "$INSULA_RUNROOT/pad"
	EOF
	run --separate-stderr unshare -m sh "$BATS_TEST_TMPDIR/script"
	shows 'box running
inside
ready
running
1
1
1
box
7
box
0 containers and 0 names looked at, 0 problems, 0 repaired'
}

@test "faults: an outsider moves its processes to another group and takes its own away" {
	local id group directory pid
	insula run -d --name box "$E2E_IMAGE" sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	eventually 5 said box ready
	id=$(field box id) group=insula-$(field box id)
	[ -n "$(find /sys/fs/cgroup -maxdepth 3 -name "$group")" ] || skip "its group is in a scope here"
	while read -r directory; do
		while [ -d "$directory" ]; do
			while read -r pid; do echo "$pid" >"${directory%/*}/cgroup.procs"; done <"$directory/cgroup.procs" 2>/dev/null || true
			rmdir "$directory" 2>/dev/null || true
		done
	done < <(find /sys/fs/cgroup -maxdepth 2 -name "$group")
	ok insula ps --format '{{.Names}}'
	shows box
	ok insula inspect box
	run --separate-stderr timeout 30 "$INSULA_BIN/insula" stats --no-stream box
	[ "$status" -ne 124 ] || fail
	run --separate-stderr timeout 30 "$INSULA_BIN/insula" pause box
	[ "$status" -eq 125 ] || fail
	run --separate-stderr timeout 30 "$INSULA_BIN/insula" update --pids-limit 50 box
	[ "$status" -eq 125 ] || fail
	run --separate-stderr timeout 30 "$INSULA_BIN/insula" exec box true
	[ "$status" -ne 124 ] || fail
	ok timeout 30 "$INSULA_BIN/insula" stop box
	ok insula wait box
	shows 7
	ok insula start box
	ok insula exec box true
	ok insula stop -t 0 box
}

@test "faults: a record that is not there: verbs say so, none writes another, and rm removes what is left" {
	local id verb
	insula run -d --name box "$E2E_IMAGE" sleep 600 >/dev/null
	id=$(field box id)
	rm "$INSULA_ROOT/containers/$id/record.json"
	exits 125 insula exec "$id" true
	[[ $stderr == *"just being made, or removed"* ]] || fail
	for verb in 'diff ID' 'mounts add ID /tmp:/mnt' 'update --pids-limit 50 ID' 'rename ID other' 'generate systemd ID'; do
		# shellcheck disable=SC2086  # words
		exits 125 insula ${verb/ID/$id}
		[ ! -e "$INSULA_ROOT/containers/$id/record.json" ] || fail "$verb"
	done
	ok insula rm --force "$id"
}

@test "faults: the launch pad is taken away under a running container" {
	insula run -d --name box "$E2E_IMAGE" sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	eventually 5 said box ready
	unpin_pad
	ok insula exec box ls /
	ok insula run --rm "$E2E_IMAGE" true
	ok insula cp box:/etc/passwd "$BATS_TEST_TMPDIR/passwd"
	ok insula stop box
	ok insula wait box
	shows 7
}

@test "faults: a keeper that is stopped hangs no command, and rm --force ends it" {
	local keeper verb
	insula run -d --name box "$E2E_IMAGE" sleep 600 >/dev/null
	insula run -d --name other "$E2E_IMAGE" sh -c 'exit 0' >/dev/null
	keeper=$(detail box .State.KeeperPid)
	kill -STOP "$keeper"
	for verb in 'ps -a' 'inspect box' 'exec box true' 'top box' 'stats --no-stream box' 'logs box' 'system check' doctor 'wait other'; do
		# shellcheck disable=SC2086  # words
		run --separate-stderr timeout 30 "$INSULA_BIN/insula" $verb
		[ "$status" -eq 0 ] || fail "$verb"
	done
	run --separate-stderr timeout 30 "$INSULA_BIN/insula" attach --no-stdin box
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *'keeper does not answer'* ]] || fail
	ok timeout 60 "$INSULA_BIN/insula" stop -t 1 box
	[ "$(field box exit_code)" = 137 ] || fail
	eventually 10 sh -c "! readlink /proc/$keeper/exe" # perhaps nobody has reaped it yet
}

@test "faults: a reader that never reads holds up nobody, and the exit code is there" {
	local reader
	insula run -d --name box "$E2E_IMAGE" sh -c 'while ! test -e /go; do sleep 0.1; done; i=0; while [ $i -lt 40000 ]; do echo "a line of some length, number $i"; i=$((i + 1)); done; exit 7' >/dev/null
	mkfifo "$E2E_STATE/pipe"
	exec 8<>"$E2E_STATE/pipe"
	"$INSULA_BIN/insula" logs -f box >"$E2E_STATE/pipe" 3>&- &
	reader=$!
	sleep 0.3
	insula exec box touch /go
	[ "$(timeout 60 "$INSULA_BIN/insula" wait box)" = 7 ] || fail
	kill -0 $reader || fail "it did read"
	[ "$(insula logs box | wc -l)" -eq 40000 ] || fail
	ok timeout 30 "$INSULA_BIN/insula" rm box
	kill $reader
	exec 8>&-
}

# INSULA_TEST_CLOCK: so many seconds are added to what the host's clock says.
@test "faults: the clock is set ten years off, either way, under what runs and for what is started then" {
	local off
	insula run -d --name box --health-cmd true --health-interval 200ms "$E2E_IMAGE" \
		sh -c 'trap "exit 7" TERM; while :; do echo tick; sleep 0.1; done' >/dev/null
	for off in 315360000 -315360000; do
		export INSULA_TEST_CLOCK=$off
		ok insula ps -a
		contains box
		ok insula exec box true
		ok insula inspect box
		ok insula logs -n 1 box
		shows tick
		ok insula stats --no-stream box
		ok insula wait --condition healthy box
		ok insula run -d --name later --restart on-failure:1 "$E2E_IMAGE" sh -c 'sleep 0.2; exit 5'
		eventually 20 sh -c '[ "$("$INSULA_BIN/insula" inspect -f "{{.State.Status}} {{.RestartCount}}" later)" = "exited 1" ]'
		unset INSULA_TEST_CLOCK
		ok insula wait later
		shows 5
		ok insula logs later
		ok insula events --no-stream
		ok insula rm later
		ok insula system check
	done
	INSULA_TEST_CLOCK=315360000 ok timeout 30 "$INSULA_BIN/insula" stop -t 5 box
	ok insula wait box
	shows 7
}

# In a mount namespace of its own, with a file server that does not answer.
@test "faults: a command whose execution hangs in the kernel: nobody waits for long, each says why, and it can be removed afterwards" {
	[ -c /dev/fuse ] || skip "no FUSE here"
	static_program "$E2E_DIR/stuck.c" "$BATS_TEST_TMPDIR/stuck"
	mkdir -p "$E2E_STATE/server"
	cat >"$BATS_TEST_TMPDIR/script" <<-'EOF'
		"$1" "$E2E_STATE/server" >"$E2E_STATE/said" 2>&1 3>&- & server=$!
		trap "kill $server" EXIT
		until grep -q ready "$E2E_STATE/said"; do sleep 0.05; done
		insula() { timeout 50 "$INSULA_BIN/insula" "$@"; }
		env --default-signal=INT "$INSULA_BIN/insula" run --name box -v "$E2E_STATE/server:/server" "$E2E_IMAGE" /server/program \
			2>"$E2E_STATE/said-run" >&2 </dev/null 3>&- & command=$!
		until [ "$(insula ps -a --format '{{.State}}')" = starting ]; do sleep 0.05; done
		sleep 1
		insula logs box
		kill -INT $command
		if [ -n "${INSULA_FULL:-}" ]; then # for fifteen seconds more
			insula rm --force box 2>"$E2E_STATE/said-rm" && echo "removed"
			grep '^hint: it .*file server' "$E2E_STATE/said-rm" >/dev/null || cat "$E2E_STATE/said-rm"
		fi
		wait $command
		echo "run: $?"
		tail -n 1 "$E2E_STATE/said-run"
		insula ps -a --format '{{.Names}} {{.State}}'
		insula run --rm "$E2E_IMAGE" echo another
		kill $server
		trap - EXIT
		until insula rm --force box 2>/dev/null; do sleep 0.2; done
		insula doctor | grep -c found
		umount -l "$INSULA_RUNROOT/pad"
		rm "$INSULA_RUNROOT/pad"
	EOF
	export E2E_STATE
	run --separate-stderr timeout 120 unshare -m --propagation private sh "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR/stuck"
	shows 'run: 130
insula: interrupted by SIGINT
box starting
another
box
0'
}
