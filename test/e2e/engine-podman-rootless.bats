#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# podman as an ordinary user, with insula-runtime below it. The user and the id range exist in the sandbox
# only.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load engines

BOXER=54321
RANGE=2000000000

setup_file() {
	engine_has podman conmon newuidmap newgidmap setpriv || return 0
	engine_up
	echo "boxer:x:$BOXER:$BOXER::$ENGINE_DIR/home:/bin/sh" >>"$ENGINE_DIR/passwd"
	echo "boxer:x:$BOXER:" >>"$ENGINE_DIR/group"
	echo "boxer:$RANGE:65536" >"$ENGINE_DIR/subuid"
	echo "boxer:$RANGE:65536" >"$ENGINE_DIR/subgid"
	podman_conf >"$ENGINE_DIR/containers.conf"
	inside install -d -m 755 -o 0 /run/user
	inside install -d -m 700 -o $BOXER -g $BOXER "/run/user/$BOXER" "$ENGINE_DIR/home"
	podman import --change 'CMD ["sleep", "1000000"]' "$ENGINE_DIR/box.tar" box >/dev/null 2>&1
	box --rm box true # what is made once for all containers
	engine_ready
}

teardown_file() { engine_down; }
setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

remove_all() {
	podman pod rm --force --all --time 0 && podman rm --force --all --time 0
}

# as_user COMMAND...: as a login of that user finds the world.
as_user() {
	inside setpriv --reuid $BOXER --regid $BOXER --clear-groups --inh-caps=-all \
		env -i PATH=/usr/bin:/bin HOME="$ENGINE_DIR/home" XDG_RUNTIME_DIR=/run/user/$BOXER USER=boxer \
		CONTAINERS_CONF="$ENGINE_DIR/containers.conf" "$@"
}

podman() {
	as_user podman --cgroup-manager cgroupfs --events-backend file "$@"
}

box() {
	podman run --network none "$@"
}

# As insula's in helpers.bash.
said() {
	podman logs "$1" 2>&1 | grep -q "$2"
}

@test "run: output, errors, input and exit status are the command's" {
	ok box --rm box sh -c 'echo out; echo err >&2'
	shows out
	[[ $stderr == *err* ]] || fail "its errors"
	[ "$(echo typed | box --rm -i box cat)" = typed ]
	exits 42 box --rm box sh -c 'exit 42'
	exits 127 box --rm box no-such-command
	exits 126 box --rm box /etc/passwd
}

@test "run: root inside is the user outside, and the others are of the user's range" {
	local pid
	ok box --rm box cat /proc/self/uid_map
	[ "$(tr -s ' ' <<<"$output")" = " 0 $BOXER 1"$'\n'" 1 $RANGE 65536" ] || fail "its map"
	ok box -d --name mapped box sleep 1000
	pid=$(podman_state mapped Pid)
	[ "$(inside stat -c %u "/proc/$pid")" = $BOXER ]
	ok box -d --name other --user 1000 box sleep 1000
	pid=$(podman_state other Pid)
	[ "$(inside stat -c %u "/proc/$pid")" = $((RANGE + 999)) ]
}

@test "run: --userns keep-id, and ids of one's own in a bind" {
	inside install -d -o $BOXER -g $BOXER "$ENGINE_DIR/home/own"
	ok box --rm --userns keep-id box id -u
	shows $BOXER
	ok box --rm --userns keep-id -v "$ENGINE_DIR/home/own:/own" box sh -c 'echo mine >/own/file'
	[ "$(stat -c %u "$ENGINE_DIR/home/own/file")" = $BOXER ]
	ok box --rm -v "$ENGINE_DIR/home/own:/own" box sh -c 'cat /own/file; stat -c %u /own/file'
	shows $'mine\n0'
}

@test "run: a user who cannot delegate control groups gets none, and a limit is not silently dropped" {
	ok box --rm box cat /proc/self/cgroup
	lacks libpod
	box --rm --pids-limit 20 box true >"$ENGINE_DIR/said" 2>&1 || true
	grep -i -E 'cgroup|limit' "$ENGINE_DIR/said" || fail "nothing was said of it"
}

@test "run -it: a terminal" {
	local command
	mapfile -t command < <(words box --rm -it box sh)
	exits 9 at_terminal --size 33x101 --expect '# ' --send 'tty; until stty size | grep 33.101; do sleep 0.1; done\r' --expect '33 101' \
		--send 'exit 9\r' -- "${command[@]}"
	contains /dev/pts/0
}

@test "run: what is masked is masked; devices are there; the network is its own" {
	ok box --rm box sh -c 'cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware | wc -l; echo x >/dev/null; head -c 4 /dev/urandom | wc -c'
	shows $'0\n0\n4'
	ok box --rm box grep -E 'NoNewPrivs|Seccomp:' /proc/self/status
	contains $'Seccomp:\t2'
	ok box --rm box ip -o link
	lacks eth
	exits 1 box --rm --read-only box touch /here
	ok box --rm --tmpfs /scratch:size=1m box touch /scratch/file
}

@test "run: the default limits of podman work, whatever this host allows" {
	ok box --rm box sh -c 'ulimit -n'
	ok box --rm --ulimit nofile=1048576:1048576 box true
	ok box --rm --ulimit host box true
}

@test "run --privileged: what this user may have" {
	ok box --rm --privileged box sh -c 'id -u; mount -t tmpfs none /mnt 2>/dev/null || mount -t tmpfs none /tmp && echo mounted'
	contains mounted
}

@test "exec, logs, top and ps" {
	ok box -d --name here box sh -c 'echo said; sleep 1000'
	ok podman exec here sh -c 'echo inside'
	shows inside
	exits 7 podman exec here sh -c 'exit 7'
	exits 127 podman exec here no-such-command
	ok podman exec --user 1000 here id -u
	shows 1000
	eventually 10 eval 'podman logs here | grep said'
	ok podman top here pid comm
	contains sleep
	ok podman ps --format '{{.Names}}'
	shows here
}

@test "stop, kill, restart and wait" {
	ok box -d --name polite box sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done'
	eventually 10 said polite ready
	ok podman stop --time 20 polite
	[ "$(podman_state polite ExitCode)" = 5 ]
	ok podman restart --time 0 polite
	ok podman kill polite
	ok podman wait polite
	shows 137
}

@test "cp, and a container made, started and attached to" {
	ok podman create --network none --name later box sh -c 'cat /srv/carried'
	inside install -o $BOXER /etc/hostname "$ENGINE_DIR/home/carried"
	ok podman cp "$ENGINE_DIR/home/carried" later:/srv/carried
	ok podman start --attach later
	shows "$(cat /etc/hostname)"
}

@test "pods: containers that share namespaces" {
	ok podman pod create --name pod --infra-image localhost/box --network none --hostname podded
	ok podman run -d --pod pod --name in-one box sleep 1000
	ok podman run --rm --pod pod box hostname
	shows podded
}

@test "root and the user do not see each other's containers" {
	ok box -d --name private box sleep 1000
	ok inside "$ENGINE_RUNTIME" list
	lacks "$(podman inspect --format '{{.Id}}' private)"
	ok as_user "$ENGINE_RUNTIME" list
	contains "$(podman inspect --format '{{.Id}}' private)"
}

@test "several at once" {
	local n
	for n in 1 2 3 4; do box --rm box sh -c "sleep 0.$n; echo $n" >"$ENGINE_DIR/several.$n" & done
	wait
	[ "$(cat "$ENGINE_DIR"/several.*)" = $'1\n2\n3\n4' ] || fail "$(cat "$ENGINE_DIR"/several.*)"
}

@test "kill storm: everything killed at any moment" {
	local n pid
	for n in $(storm 9 30); do
		box -d --name "storm-$n" box sleep 1000 >/dev/null 2>&1 &
		pid=$!
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		# shellcheck disable=SC2046  # pids
		inside kill -9 $(inside pgrep -f -e '[c]onmon|[i]nsula-runtime|[p]odman.*run' | sort -R | head -n 2) 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	remove_all
	for n in $(as_user "$ENGINE_RUNTIME" list --quiet); do as_user "$ENGINE_RUNTIME" delete --force "$n"; done
}
