#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a container of an ordinary user's could do to that user, who is its root: to the programs, where they are his
# own, to its keeper, and to his other containers.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # each test has variables of its own

load helpers
load as_user

setup_file() {
	user_file_setup
	printf '#!/proc/self/exe --help\n' >"$BATS_FILE_TMPDIR/image/bin/again"
	cat >"$BATS_FILE_TMPDIR/image/bin/grasp" <<-'SH'
		#!/bin/sh
		while :; do
			for process in /proc/[0-9]*; do
				case $(readlink $process/exe) in /bin/busybox | "") continue ;; esac
				{ exec 3<$process/exe; } 2>/dev/null || continue
				echo "holds $(readlink /proc/self/fd/3)"
				sleep 0.1
				{ echo x 1<>/proc/self/fd/3; } 2>/dev/null && echo wrote
			done
		done
	SH
	chmod 755 "$BATS_FILE_TMPDIR"/image/bin/{again,grasp}
}

# The programs are in his home from here on.
programs_of_his() {
	cp -a "$PROGRAMS" "$HOME_DIR/bin"
	chown -R "$USER_ID:$USER_ID" "$HOME_DIR/bin"
	PROGRAMS=$HOME_DIR/bin
	PROGRAM_SUMS=$(sha256sum "$PROGRAMS"/*)
}

programs_are_whole() {
	[ "$(sha256sum "$PROGRAMS"/*)" = "$PROGRAM_SUMS" ] || fail "a program was changed"
	[ -z "$(find "$PROGRAMS" -perm /7022 -type f)" ] || fail "$(ls -l "$PROGRAMS")"
}

# A process of ours, three pid namespaces deep, that is held before it executes the container's command: FROZEN.
find_frozen() {
	local pid
	FROZEN=
	for pid in $(pgrep -u "$USER_ID" -x insula); do
		[ "$(grep -s ^NSpid: "/proc/$pid/status" | wc -w)" -ne 4 ] || FROZEN=$pid
	done
	[ -n "$FROZEN" ]
}

goes_on() {
	kill -CONT "$1" 2>/dev/null && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = insula ] || return 0
	return 1
}

# enters PATTERN: what is about to become the container's program is executed from that; it goes on.
enters() {
	eventually 20 find_frozen
	find_frozen
	# shellcheck disable=SC2053  # a pattern
	[[ $(readlink "/proc/$FROZEN/exe") == $1 ]] || fail "it is $(readlink "/proc/$FROZEN/exe")"
	eventually 20 goes_on "$FROZEN"
}

stops_inside() {
	as_user env INSULA_FAIL=init.exec=stop "$PROGRAMS/insula" "$@" </dev/null >/dev/null 2>&1 3>&- &
	COMMAND=$!
}

every_way_in() {
	stops_inside run -d --name web --restart on-failure:1 --health-cmd true --health-interval 200ms "$IMAGE" \
		sh -c 'while :; do [ ! -e /fail ] || { rm /fail; exit 1; }; sleep 0.1; done'
	enters "$1"
	wait $COMMAND
	enters "$1" # the first check of its health
	stops_inside exec web true
	enters "$1"
	# The next check may have come in between: then that one, and exec, are two.
	eventually 20 all_go_on $COMMAND
	ok mine update --restart no web
	ok mine rm -f web
}

all_go_on() {
	! find_frozen || kill -CONT "$FROZEN"
	! kill -0 "$1" 2>/dev/null
}

@test "programs of his own: what enters a container is a sealed copy, by every way in" {
	needs_failpoints
	programs_of_his
	every_way_in '/memfd:*'
	stops_inside run --name job --restart on-failure:1 "$IMAGE" false
	enters '/memfd:*'
	enters '/memfd:*' # by its keeper
	wait $COMMAND || true
	ok mine rm job
	ok mine create --name job "$IMAGE" true
	stops_inside start job
	enters '/memfd:*'
	wait $COMMAND
	eventually 10 has_ended job
	stops_inside restart -t 0 job
	enters '/memfd:*'
	wait $COMMAND
}

has_ended() {
	[ "$(mine inspect --format '{{.State.Status}}' "$1")" = exited ]
}

@test "programs of root's: what enters is no copy, as nobody there could write them" {
	needs_failpoints
	stops_inside run --rm "$IMAGE" true
	enters "$PROGRAMS/insula"
	wait $COMMAND
	chmod o+w "$PROGRAMS/insula" # as everybody could
	stops_inside run --rm "$IMAGE" true
	enters '/memfd:*'
	wait $COMMAND
	chmod o-w "$PROGRAMS/insula"
}

# Whether the moment is hit is luck; that there is nothing to be had in it is what the tests above say.
@test "programs of his own: container root gets hold of none of them, and writes none" {
	programs_of_his
	ok mine run -d --name web --cap-add all --security-opt seccomp=unconfined "$IMAGE" grasp
	for _ in $(seq 10); do mine exec web /bin/again >/dev/null 2>&1 || true; done
	ok mine logs web
	lacks "$HOME_DIR/bin"
	lacks wrote
	programs_are_whole
	ok mine run --rm --init "$IMAGE" sh -c 'readlink /proc/1/exe; chmod 4777 /proc/1/exe; exit 0'
	contains /memfd:
	programs_are_whole
}

# Of the processes that the host's /proc shows, by number: what of them can be had?
REACH='for pid in "$@"; do
	for what in environ mem maps fd/0 exe cwd root ns/mnt; do
		case $what in
		environ | maps) head -c 1 /host/proc/$pid/$what ;;
		mem) (exec 3<>/host/proc/$pid/mem) ;;
		*) readlink /host/proc/$pid/$what ;;
		esac >/dev/null 2>&1 && echo "$pid $what"
	done
done
exit 0'

reaches_nothing() {
	local pids keeper
	ok mine run -d --name web --cap-add all --security-opt seccomp=unconfined -v /proc:/host/proc "$@" "$IMAGE" sleep 1000
	ok mine run -d --name other "$IMAGE" sleep 1000
	keeper=$(mine inspect --format '{{.State.KeeperPid}}' web)
	pids="$keeper $(mine inspect --format '{{.State.KeeperPid}}' other) $(mine inspect --format '{{.State.Pid}}' other)"
	# shellcheck disable=SC2086  # numbers
	ok mine exec web sh -c "$REACH" sh $pids
	shows ''
	# It sees what it may.
	ok mine exec web sh -c "$REACH" sh "$(mine inspect --format '{{.State.Pid}}' web)"
	contains environ
	ok mine exec web sh -c 'kill -9 "$@"; exit 0' sh "$keeper"
	[ "$(mine ps --format '{{.Names}}' | wc -l)" = 2 ] || fail "$(mine ps -a)"
	ok mine rm -f web other
}

@test "keepers and other containers of his are closed to container root that sees the host's /proc" {
	reaches_nothing
}

@test "range: the same, whatever of his ids it has" {
	with_range
	reaches_nothing
	reaches_nothing --userns keep-id --user root
	reaches_nothing --userns nomap
}
