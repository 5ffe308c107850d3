#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Containers of an ordinary user that share namespaces with one another: what is one, what stays its own, what the
# end of either means, and what root of the one can do to whoever keeps the other.

# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # each test has variables of its own
# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers
load as_user

setup_file() {
	user_file_setup
	static_program "$E2E_DIR/intrude.c" "$BATS_FILE_TMPDIR/image/bin/intrude"
	static_program "$E2E_DIR/unanswering.c" "$BATS_FILE_TMPDIR/image/bin/unanswering"
}

detail_of() { mine inspect "$1" | jq -r ".[0] | $2"; }

first() {
	ok mine run -d --name first "$@" "$IMAGE" sh -c 'echo from first >/dev/shm/note; exec sleep 600'
	eventually 10 mine exec first test -s /dev/shm/note
}

# in_second OPTION... -- COMMAND...
in_second() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	mine run --rm "${options[@]}" "$IMAGE" "$@"
}

NAMES='for kind in user net ipc uts pid; do readlink /proc/self/ns/$kind; done'

# Which of its namespaces are the first one's, of a container with these options.
common_with_first() {
	mine exec first sh -c "$NAMES" >"$E2E_STATE/first"
	ok in_second "$@" -- sh -c "$NAMES"
	[ "$(wc -l <<<"$output")" -eq 5 ] || fail
	sort <<<"$output" | comm -12 - <(sort "$E2E_STATE/first") | cut -d: -f1 | tr '\n' ' ' | sed 's/ $//'
}

shares() {
	local wanted=$1 found
	shift
	found=$(common_with_first "$@")
	[ "$found" = "$wanted" ] || fail "'$*' has in common: $found"
}

everything_but_processes() {
	first --hostname one
	shares '' --network none
	shares net --network container:first
	shares uts --uts container:first
	shares ipc --ipc container:first
	shares user --userns container:first
	shares 'ipc net user uts' --userns container:first --network container:first --ipc container:first --uts container:first
	ok in_second --ipc container:first -- sh -c 'cat /dev/shm/note; echo from second >/dev/shm/second'
	shows 'from first'
	ok mine exec first cat /dev/shm/second
	ok in_second --uts container:first -- hostname
	shows one
	mine exec -d first nc -l -p 7000 -e echo served
	eventually 10 in_second --network container:first -- sh -c 'nc 127.0.0.1 7000 </dev/null | grep served'
	ok in_second --network container:first -- sh -c 'cat /sys/class/net/lo/mtu /etc/hosts'
	contains 127.0.1.1
}

every_verb() {
	ok mine run -d --name second "$@" "$IMAGE" sh -c 'echo begun; exec sleep 600'
	ok mine ps --format '{{.Names}}'
	shows $'second\nfirst'
	ok mine exec second sh -c "$NAMES"
	ok mine top second
	contains 'sleep 600'
	ok mine system check
	ok mine doctor --format json
	[ "$(detail_of second .State.Running)" = true ]
	ok mine restart -t 0 second
	ok mine exec second touch /made
	echo hello >"$HOME_DIR/file"
	ok mine cp "$HOME_DIR/file" second:/file
	ok mine stop -t 0 second
	ok mine cp "$HOME_DIR/file" second:/ended
	ok mine start second
	[ "$(mine exec second stat -c %u /file)" = "$(mine exec second stat -c %u /ended)" ]
	ok mine exec first true
	ok mine rm -f second
	ok mine exec first true
}

@test "alone: the network, hostname, shared memory and ids of another container" {
	everything_but_processes
	every_verb --network container:first --ipc container:first
	every_verb --userns container:first
	ok mine create --name second --userns container:first --network container:first "$IMAGE" true
	[ "$(detail_of second '.HostConfig | .UsernsMode + " " + .NetworkMode')" = "container:$(detail_of first .Id) container:$(detail_of first .Id)" ]
}

@test "range: the same" {
	with_range
	everything_but_processes
	every_verb --network container:first --userns container:first
}

@test "range: who shares a user namespace has its ids, also on the disk and after the other's end" {
	with_range
	first --userns keep-id --user root
	ok in_second --userns container:first -- sh -c 'cat /proc/self/uid_map'
	local map=$output
	[ "$(mine exec first cat /proc/self/uid_map)" = "$map" ]
	every_verb --userns container:first --user root
	ok mine run -d --name second --userns container:first --user 7 "$IMAGE" sleep 600
	ok mine exec --user 0 second sh -c 'touch /made && chown 7:7 /made'
	ok mine rm -f first
	ok mine exec second stat -c %u:%g /made
	shows 7:7
	ok mine exec --user 0 second cat /proc/self/uid_map
	shows "$map"
	ok mine stop -t 0 second
	exits 125 mine start second
	[[ $stderr == *"first"*"not running"* || $stderr == *"no container"* ]] || fail
	ok mine cp second:/made "$HOME_DIR/made"
}

@test "sharing outlives whoever shared, and a third one joins by way of the second" {
	first
	ok mine run -d --name second --network container:first --ipc container:first "$IMAGE" sleep 600
	ok mine rm -f first
	ok mine exec second cat /dev/shm/note
	shows 'from first'
	ok in_second --network container:second --ipc container:second -- cat /dev/shm/note
	shows 'from first'
	ok mine exec second ip link show lo
}

@test "the restart policy: with the other as it was, and with one that was started anew" {
	first
	ok mine run -d --name second --restart always --network container:first --userns container:first "$IMAGE" \
		sh -c 'while [ ! -e /fail ]; do sleep 0.1; done; rm /fail'
	ok mine exec second touch /fail
	eventually 10 restarted second
	[ "$(mine exec second readlink /proc/self/ns/net)" = "$(mine exec first readlink /proc/self/ns/net)" ]
	ok mine restart -t 0 first
	ok mine exec second touch /fail
	eventually 10 ended second
	[[ $(detail_of second .State.Error) == *"'first' was started anew"* ]] || fail "$(detail_of second .State)"
	ok mine start second
	[ "$(mine exec second readlink /proc/self/ns/net)" = "$(mine exec first readlink /proc/self/ns/net)" ]
}

restarted() {
	[ "$(detail_of "$1" '.RestartCount, .State.Running' | tr '\n' ' ')" = '1 true ' ]
}

ended() {
	[ "$(detail_of "$1" .State.Status)" = exited ]
}

@test "what cannot be joined is refused, and nothing is made" {
	first
	ok mine run -d --name other "$IMAGE" sleep 600
	ok mine run -d --name hosts --network host "$IMAGE" sleep 600
	ok mine run --name ended "$IMAGE" true
	local option
	for option in --network --ipc --uts --pid --userns; do
		exits 125 in_second "$option" container:nobody -- true
		[[ $stderr == *nobody* ]] || fail "$option"
		exits 125 in_second "$option" container:ended -- true
		[[ $stderr == *'not running'* ]] || fail "$option"
	done
	exits 125 in_second --network container:hosts -- true
	[[ $stderr == *"has the host's"*'--network host'* ]] || fail
	exits 125 in_second --network container:first --ipc container:other -- true
	[[ $stderr == *"'first' and 'other' are apart"* || $stderr == *"'other' and 'first' are apart"* ]] || fail
	exits 125 in_second --userns host -- true
	has_groups || exits 125 in_second --pid container:first -- true
	has_groups || [[ $stderr == *'none was delegated'* ]] || fail
	[ "$(mine ps -aq | wc -l)" -eq 4 ]
	# Made by joining, they are together.
	ok mine run -d --name beside --uts container:first "$IMAGE" sleep 600
	ok in_second --network container:first --ipc container:beside -- true
}

# ---- processes ----

# crowd NAME OPTION...: a first process with children that leave its session and ignore what they can.
crowd() {
	local name=$1
	shift
	ok mine run -d --name "$name" "$@" "$IMAGE" sh -c '
		setsid sh -c "trap : TERM HUP; echo ready; while :; do sleep 600; done" &
		setsid setsid sleep 601 & trap "exit 7" TERM; while :; do sleep 0.1; done'
	eventually 10 says "$name" ready
}

says() { mine logs "$1" | grep -q "$2"; }

inmates() {
	find /sys/fs/cgroup -path "*/$1/cgroup.procs" -exec cat {} + 2>/dev/null | sort -u | grep -c .
}

@test "group: the processes of another container, whose end is the end" {
	with_groups
	first
	shares pid --pid container:first
	shares 'pid user' --pid container:first --userns container:first
	ok in_second --pid container:first -- sh -c "tr '\\0' ' ' </proc/1/cmdline"
	shows 'sleep 600 '
	# Both are the same user on the host.
	ok in_second --pid container:first -- kill -0 1
	ok in_second --pid container:first --cap-add all --security-opt seccomp=unconfined -- intrude at 1
	every_verb --pid container:first
	crowd second --pid container:first --restart always
	crowd third --pid container:first --userns container:first
	local groups
	groups="$(detail_of second .CgroupName) $(detail_of third .CgroupName)"
	ok mine stats --no-stream second
	ok mine rm -f third
	ok mine exec first true
	[ "$(inmates "${groups#* }")" -eq 0 ]
	kill -KILL "$(detail_of second .State.KeeperPid)"
	eventually 10 sh -c '! pgrep -u "$0" -f "^sleep 601"' "$USER_ID"
	ok mine ps
	eventually 10 mine exec second true
	ok mine stop -t 0 first
	eventually 10 ended second
	[[ $(detail_of second .State.Error) == *"'first' is not running"* ]] || fail "$(detail_of second .State)"
	[ "$(inmates "${groups% *}")" -eq 0 ]
	ok mine start first
	ok mine start second
	ok mine exec second sh -c 'tr "\0" " " </proc/1/cmdline'
	shows 'sleep 600 '
	ok mine system check
}

@test "group: killed while it is started beside another one, nothing is left" {
	needs_failpoints
	with_groups
	first
	local point
	for point in start.clone start.release keeper.running keeper.state; do
		as_user env "INSULA_FAIL=$point=kill" "$PROGRAMS/insula" run -d --name second --pid container:first --userns container:first \
			"$IMAGE" sh -c 'setsid sleep 604 & exec sleep 605' >/dev/null 2>&1 || true
		mine doctor --repair >/dev/null
		mine rm -f second 2>/dev/null || true
		eventually 10 sh -c '! pgrep -u "$0" -f "^sleep 60[45]"' "$USER_ID" || fail "after $point"
	done
	# Its number is lost before anybody knows it: it does not begin.
	for point in kill error:EMFILE; do
		: >"$E2E_STATE/seen" && chmod 666 "$E2E_STATE/seen"
		exits 125 as_user env "INSULA_FAIL=rootless.born=$point" INSULA_FAIL_LOG="$E2E_STATE/seen" "$PROGRAMS/insula" run -d \
			--name second --uts container:first "$IMAGE" sleep 604
		eventually 10 sh -c '! pgrep -u "$0" -f "^sleep 604|^[^ ]*insula run"' "$USER_ID" || fail "after $point"
		! mine inspect second || fail
		grep -q '^rootless.born' "$E2E_STATE/seen" || fail
		! grep -q '^keeper.claimed' "$E2E_STATE/seen" || fail "it began: $(cat "$E2E_STATE/seen")"
	done
	exits 125 as_user env INSULA_FAIL=rootless.join=error:EPERM "$PROGRAMS/insula" run --rm --uts container:first "$IMAGE" true
	exits 125 as_user env INSULA_FAIL=rootless.rights=error:EPERM "$PROGRAMS/insula" run --rm --uts container:first "$IMAGE" true
	[[ $stderr == *"insula-rootless(7)"* ]] || fail
	[ "$(mine ps -aq | wc -l)" -eq 1 ]
	ok mine exec first true
}

# ---- attacks ----

# A process of ours that is held at a failpoint, as deep in pid namespaces as that.
find_frozen() {
	local pid
	FROZEN=
	for pid in $(pgrep -u "$USER_ID" -x insula); do
		! grep -q '^State:.[Tt]' "/proc/$pid/status" 2>/dev/null || FROZEN=$pid
	done
	[ -n "$FROZEN" ]
}

goes_on() {
	kill -CONT "$1" 2>/dev/null
	[ "$(cat "/proc/$1/comm" 2>/dev/null)" != insula ]
}

# held POINT OPTION...: a container that is started so far; FROZEN.
held() {
	local point=$1
	shift
	as_user env "INSULA_FAIL=$point=stop" "$PROGRAMS/insula" run --rm "$@" "$IMAGE" true </dev/null >"$E2E_STATE/held" 2>&1 3>&- &
	COMMAND=$!
	eventually 20 find_frozen
}

# Its number in the pid namespace that is the innermost of both.
number_of() {
	awk '/^NSpid:/ { print $NF }' "/proc/$1/status"
}

# closed POINT OPTION...: whoever is held there has nothing that root of "liar" could get at.
closed() {
	held "$@"
	ok mine exec liar intrude at "$(number_of "$FROZEN")" || fail "$*"
	shows 'nothing reached'
	eventually 20 goes_on "$FROZEN"
	FROZEN=
	wait "$COMMAND" || fail "$* ended with $?: $(cat "$E2E_STATE/held")"
}

liar() {
	ok mine run -d --name liar --cap-add all --security-opt seccomp=unconfined "$@" "$IMAGE" sleep 600
}

attacks_on_the_way_in() {
	local point
	liar
	for point in init.cgroup init.root init.user init.exec; do
		closed "$point" --pid container:liar
		closed "$point" --pid container:liar --userns container:liar
		closed "$point" --pid container:liar --userns container:liar --network container:liar --ipc container:liar
	done
	ok mine rm -f liar
	# One that sees the host's processes sees the keeper-to-be as well, which is in the user namespace above its own.
	liar --pid host
	for point in keeper.claimed keeper.running; do
		closed "$point" --pid host --userns container:liar
		closed "$point" --pid host --network container:liar --ipc container:liar
	done
	ok mine run -d --name second --userns container:liar --network container:liar "$IMAGE" sleep 600
	ok mine exec liar intrude at "$(detail_of second .State.KeeperPid)" "$(detail_of liar .State.KeeperPid)"
	shows 'nothing reached'
	# And the program can tell: who is in the same user namespace is reached.
	exits 1 mine exec liar intrude at "$(detail_of second .State.Pid)"
	contains 'reached by fd'
}

@test "group: root of the first one gets at nothing of whoever joins it, nor of its keeper" {
	needs_failpoints
	with_groups
	attacks_on_the_way_in
}

@test "group, programs of his own: what goes in is a copy, and nothing of it is reached" {
	needs_failpoints
	with_groups
	cp -a "$PROGRAMS" "$HOME_DIR/bin"
	chown -R "$USER_ID:$USER_ID" "$HOME_DIR/bin"
	local PROGRAMS=$HOME_DIR/bin sums
	sums=$(sha256sum "$PROGRAMS"/*)
	liar
	held init.exec --pid container:liar --userns container:liar --init
	[[ $(readlink "/proc/$FROZEN/exe") == /memfd:* ]] || fail "$(readlink "/proc/$FROZEN/exe")"
	ok mine exec liar intrude at "$(number_of "$FROZEN")"
	eventually 20 goes_on "$FROZEN"
	FROZEN=
	wait "$COMMAND"
	ok mine run -d --name second --pid container:liar --userns container:liar --init "$IMAGE" sleep 600
	ok mine exec liar sh -c 'for p in /proc/[0-9]*; do readlink $p/exe; chmod 4777 $p/exe; done; exit 0'
	lacks "$HOME_DIR"
	[ "$(sha256sum "$PROGRAMS"/*)" = "$sums" ]
	[ -z "$(find "$PROGRAMS" -perm /7022 -type f)" ]
}

@test "shared memory that never answers, or is none, is an error in time" {
	[ -c /dev/fuse ] || skip "this kernel has no FUSE"
	with_accounts
	mknod "$E2E_STATE/fuse" c 10 229
	chmod 666 "$E2E_STATE/fuse"
	"${INSIDE[@]}" mount --bind "$E2E_STATE/fuse" /dev/fuse
	as_user sh -c ': <>/dev/fuse' || skip "no device can be made here"
	liar --device /dev/fuse
	mine exec liar unanswering /dev >"$E2E_STATE/said" 2>&1 3>&- &
	local server=$!
	eventually 10 grep -qx mounted "$E2E_STATE/said"
	exits 125 in_second --ipc container:liar -- true
	[[ $stderr == *"/dev/shm"*"does not answer"* ]] || fail
	[ "$(mine ps -aq | wc -l)" -eq 1 ]
	ok mine rm -f liar
	wait "$server" || true
	liar
	ok mine exec liar mount --bind /bin /dev/shm
	exits 125 in_second --ipc container:liar -- true
	[[ $stderr == *"not in memory"* ]] || fail
}
