#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# podman as root, with insula-runtime below it.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load engines

setup_file() {
	engine_has podman conmon || return 0
	engine_up
	podman_conf >"$ENGINE_DIR/containers.conf"
	podman import --change 'CMD ["sleep", "1000000"]' "$ENGINE_DIR/box.tar" box >/dev/null 2>&1
	box --rm box true # what is made once for all containers
	engine_ready
}

teardown_file() { engine_down; }
setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

remove_all() {
	podman pod rm --force --all --time 0 && podman rm --force --all --time 0 && podman volume prune --force
}

podman() {
	inside env CONTAINERS_CONF="$ENGINE_DIR/containers.conf" podman --root "$ENGINE_DIR/lib" \
		--runroot "$ENGINE_DIR/run" --tmpdir "$ENGINE_DIR/tmp" --storage-driver overlay \
		--cgroup-manager cgroupfs --events-backend file "$@"
}

# box OPTION...: podman run, in our control group and without a network.
box() {
	podman run --network none --cgroup-parent "/$ENGINE_GROUP" "$@"
}

# As insula's in helpers.bash.
said() {
	podman logs "$1" 2>&1 | grep -q "$2"
}

# libpod_file CONTAINER FILE...
libpod_file() {
	group_file "libpod-$(podman inspect --format '{{.Id}}' "$1")" "${@:2}"
}

# ---- run ----

@test "run: output, errors, input and exit status are the command's" {
	ok box --rm box sh -c 'echo out; echo err >&2'
	shows out
	[ "$stderr" = err ] || fail "its errors"
	[ "$(echo typed | box --rm -i box cat)" = typed ]
	exits 42 box --rm box sh -c 'exit 42'
	exits 137 box --rm box sh -c 'sh -c "kill -9 \$\$"; exit $?'
	exits 143 box --rm box sh -c 'sh -c "kill \$\$"; exit $?'
}

@test "run: what cannot be executed is 126 or 127, what podman refuses 125" {
	exits 127 box --rm box no-such-command
	[[ $stderr == *no-such-command* ]] || fail "the command is named"
	exits 127 box --rm box /no/such/command
	exits 126 box --rm box /etc/passwd
	exits 126 box --rm box /etc
	exits 125 box --rm --no-such-option box true
	exits 126 box --rm --workdir /etc/passwd box true
}

@test "run: user, groups, environment, working directory and host name" {
	ok box --rm --user user box id
	contains 'uid=1000(user) gid=1000(user)'
	ok box --rm --user 5:6 --group-add 7 --env A=b --workdir /srv --hostname inner box \
		sh -c 'id -u; id -g; id -G; echo $A; pwd; hostname'
	shows $'5\n6\n6 7\nb\n/srv\ninner'
}

@test "run -it: a terminal of the size of ours, which follows it" {
	local command
	mapfile -t command < <(words box --rm -it box sh)
	exits 9 at_terminal --size 33x101 --expect '# ' --send 'tty; until stty size | grep 33.101; do sleep 0.1; done\r' --expect '33 101' \
		--resize 44x99 --send 'sleep 1; stty size\r' --expect '44 99' \
		--send 'exit 9\r' -- "${command[@]}"
	contains /dev/pts/0
}

@test "run --privileged: every capability, and the host's devices" {
	ok box --rm --privileged box sh -c 'grep CapEff /proc/self/status; ls /dev; cat /proc/sys/kernel/ns_last_pid >/dev/null'
	contains "$(grep CapBnd /proc/self/status | cut -f2)"
	contains kmsg
}

@test "run: capabilities, seccomp and no_new_privs are what was asked for" {
	ok box --rm --cap-drop all --cap-add chown --security-opt no-new-privileges box \
		grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
	shows $'CapEff:\t0000000000000001\nCapBnd:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t2'
	exits 1 box --rm box unshare -m true
	exits 1 box --rm box mount -t tmpfs none /tmp
}

@test "run: what podman masks is masked, and what is read-only is read-only" {
	ok box --rm box sh -c 'cat /proc/kcore | wc -c; cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l'
	shows $'0\n0\n0'
	exits 1 box --rm box sh -c 'echo 1 >/proc/sys/kernel/panic'
	[[ $stderr == *'Read-only file system'* ]] || fail "read-only"
	exits 1 box --rm --read-only box touch /here
	exits 0 box --rm --read-only box touch /tmp/here
}

@test "run: binds, tmpfs and volumes" {
	mkdir -p "$ENGINE_DIR/shared"
	echo given >"$ENGINE_DIR/shared/file"
	ok box --rm -v "$ENGINE_DIR/shared:/data" box sh -c 'cat /data/file; echo back >/data/back'
	shows given
	[ "$(cat "$ENGINE_DIR/shared/back")" = back ]
	exits 1 box --rm -v "$ENGINE_DIR/shared:/data:ro" box touch /data/no
	ok box --rm --tmpfs /scratch:size=1m,mode=700 box sh -c 'stat -c %a /scratch; df -k /scratch | tail -n 1'
	contains 700
	contains 1024
	ok box --rm -v kept:/kept box sh -c 'echo 1 >/kept/1'
	ok box --rm -v kept:/kept box ls /kept
	shows 1
}

@test "run: limits are in the control group, and hold" {
	ok box -d --name limited --memory 64m --memory-swap 64m --pids-limit 20 --cpus 0.5 --cpuset-cpus 0 \
		--cpu-shares 512 box sleep 1000
	[ "$(libpod_file limited memory.max memory/memory.limit_in_bytes)" = 67108864 ]
	[ "$(libpod_file limited pids.max pids/pids.max)" = 20 ]
	[ "$(libpod_file limited cpuset.cpus cpuset/cpuset.cpus)" = 0 ]
	exits 2 podman exec limited sh -c 'for n in $(seq 40); do sleep 5 & done; wait'
	[[ $stderr == *fork* ]] || fail "the limit of processes"
}

@test "run: a container that takes more memory than it may is killed" {
	exits 137 box --name hog --memory 16m --memory-swap 16m box tail /dev/zero
	[ "$(podman_state hog ExitCode)" = 137 ]
}

@test "run: more open files than this host allows is a warning, not an end" {
	ok box --rm --ulimit nofile=1048576:1048576 box sh -c 'ulimit -n'
	[ "$output" -ge 1024 ] || fail "its limit"
	ok box --rm --ulimit nofile=100:200 box sh -c 'ulimit -Sn; ulimit -Hn'
	shows $'100\n200'
}

@test "run: devices" {
	ok box --rm --device /dev/null:/dev/hole box sh -c 'ls -l /dev/hole; echo into >/dev/hole; ls -l /dev/null'
	contains '1,   3'
	[ -c /dev/fuse ] || skip "this host has no device that containers may not use by default"
	ok box --rm --device /dev/fuse:/dev/own box sh -c ': <>/dev/own'
	exits 1 box --rm --device /dev/fuse:/dev/own:r box sh -c ': </dev/own; : <>/dev/own'
	exits 1 box --rm box sh -c "mknod /dev/own c 10 229; : <>/dev/own"
}

@test "run: namespaces of the host and of other containers" {
	ok box -d --name first --ipc shareable --hostname first box sleep 1000
	ok box --rm --pid container:first --ipc container:first --uts container:first box sh -c 'hostname; ps'
	contains first
	contains 'sleep 1000'
	ok box --rm --pid host --uts host box sh -c 'hostname; ls -d /proc/1/ns'
	contains "$(hostname)"
	ok podman run --rm --network host --cgroup-parent "/$ENGINE_GROUP" box ip link
	contains lo:
}

@test "run: a user namespace with a map" {
	ok box --rm --uidmap 0:100000:65536 --gidmap 0:200000:65536 box \
		sh -c 'cat /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /etc/passwd; touch /tmp/x && stat -c %u /tmp/x'
	[ "$(tr -s ' ' <<<"$output")" = $' 0 100000 65536\n 0 200000 65536\n0:0\n0' ] || fail "its map"
}

@test "run: hooks get the state, and a hook that fails ends the start" {
	mkdir -p "$ENGINE_DIR/hooks"
	cat >"$ENGINE_DIR/hooks/h.json" <<-JSON
		{"version": "1.0.0", "hook": {"path": "/bin/sh", "args": ["sh", "-c",
		"cat >>$ENGINE_DIR/hooks/seen; test ! -e $ENGINE_DIR/hooks/fail"]},
		"when": {"always": true}, "stages": ["prestart", "poststop"]}
	JSON
	ok podman --hooks-dir "$ENGINE_DIR/hooks" run --network none --cgroup-parent "/$ENGINE_GROUP" --rm box true
	[ "$(jq -s -r 'map(.status) | join(" ")' "$ENGINE_DIR/hooks/seen")" = 'created stopped' ] ||
		fail "$(cat "$ENGINE_DIR/hooks/seen")"
	touch "$ENGINE_DIR/hooks/fail"
	exits 126 podman --hooks-dir "$ENGINE_DIR/hooks" run --network none --cgroup-parent "/$ENGINE_GROUP" box true
	[[ $stderr == *'prestart[0]'* ]] || fail "which hook"
	rm "$ENGINE_DIR/hooks/fail"
}

@test "run: descriptors are handed on when asked, and no others" {
	echo handed >"$ENGINE_DIR/handed"
	[ "$(exec 3<"$ENGINE_DIR/handed"; box --rm --preserve-fds 1 box sh -c 'cat <&3')" = handed ]
	[ "$(exec 3<"$ENGINE_DIR/handed"; box --rm box sh -c 'ls /proc/self/fd' | wc -l)" = 4 ]
	[ "$(exec 3<"$ENGINE_DIR/handed"; inside sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"' sh env \
		CONTAINERS_CONF="$ENGINE_DIR/containers.conf" podman --root "$ENGINE_DIR/lib" --runroot "$ENGINE_DIR/run" \
		--tmpdir "$ENGINE_DIR/tmp" --cgroup-manager cgroupfs --events-backend file run --network none --cgroup-parent "/$ENGINE_GROUP" --rm box \
		sh -c 'echo $LISTEN_PID $LISTEN_FDS; cat <&3')" = $'1 1\nhanded' ]
}

@test "run: readiness is told to podman by the container (sd_notify)" {
	python3 - "$ENGINE_DIR/notify" >"$ENGINE_DIR/told" <<-'PYTHON' 3>&- &
		import socket, sys
		told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		told.bind(sys.argv[1])
		told.settimeout(20)
		heard = ""
		while "READY=1" not in heard or "MAINPID=" not in heard: # in this order or the other
		    message = told.recv(1000).decode()
		    print(message, flush=True)
		    heard += message
	PYTHON
	eventually 10 [ -e "$ENGINE_DIR/notify" ]
	mkdir -p "$ENGINE_DIR/tools"
	cat >"$ENGINE_DIR/tools/tell.c" <<-'C'
		#include <stdlib.h>
		#include <string.h>
		#include <sys/socket.h>
		#include <sys/un.h>
		#include <unistd.h>
		int main(void)
		{
			struct sockaddr_un to = {.sun_family = AF_UNIX};
			int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
			strncpy(to.sun_path, getenv("NOTIFY_SOCKET"), sizeof to.sun_path - 1);
			if (sendto(fd, "READY=1", 7, 0, (void *)&to, sizeof to) != 7)
				return 1;
			return pause();
		}
	C
	static_program "$ENGINE_DIR/tools/tell.c" "$ENGINE_DIR/tools/tell"
	NOTIFY_SOCKET=$ENGINE_DIR/notify ok box -d --name ready --sdnotify container -v "$ENGINE_DIR/tools:/tools" \
		box /tools/tell
	wait
	ok cat "$ENGINE_DIR/told"
	contains READY=1
	contains MAINPID=
}

# ---- containers that run ----

@test "exec: output, errors, exit status, user, environment and directory" {
	ok box -d --name here box sleep 1000
	ok podman exec here sh -c 'echo out; echo err >&2'
	shows out
	[ "$(echo typed | podman exec -i here cat)" = typed ]
	exits 7 podman exec here sh -c 'exit 7'
	ok podman exec --user 5:6 --env A=b --workdir /srv here sh -c 'id -u; id -g; echo $A; pwd'
	shows $'5\n6\nb\n/srv'
	exits 127 podman exec here no-such-command
	exits 126 podman exec here /etc/passwd
	ok podman exec --detach here touch /tmp/detached
	eventually 10 podman exec here ls /tmp/detached
	ok podman exec here cat /proc/self/cgroup
	contains "$ENGINE_GROUP/libpod-"
}

@test "exec -it: a terminal of its own" {
	local command
	ok box -d --name here box sleep 1000
	mapfile -t command < <(words podman exec -it here sh)
	exits 3 at_terminal --size 30x90 --expect '# ' --send 'tty; until stty size | grep 30.90; do sleep 0.1; done\r' --expect '30 90' \
		--send 'exit 3\r' -- "${command[@]}"
	contains /dev/pts/0
}

@test "logs: of a container that runs and of one that ended" {
	ok box -d --name chatty box sh -c 'echo one; echo two >&2; sleep 1000'
	eventually 10 eval 'podman logs chatty 2>&1 | grep two'
	ok podman logs chatty
	shows one
	[ "$stderr" = two ] || fail "its errors"
	ok podman kill chatty
	ok podman logs --tail 1 chatty
}

@test "ps, top and stats show what there is" {
	ok box -d --name shown box sleep 1000
	ok podman ps --format '{{.Names}} {{.Status}}'
	contains 'shown Up'
	ok podman top shown pid comm
	contains sleep
	ok podman stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' shown
	[[ $output =~ ^1\ [1-9] ]] || fail "its numbers"
}

@test "stop, kill and wait: a signal arrives, and then the end" {
	ok box -d --name polite box sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done'
	eventually 10 said polite ready
	ok podman stop --time 20 polite
	[ "$(podman_state polite ExitCode)" = 5 ]
	ok box -d --name rude box sleep 1000
	ok podman stop --time 0 rude
	[ "$(podman_state rude ExitCode)" = 137 ]
	ok box -d --name usr1 box sh -c 'trap "echo got; exit 6" USR1; echo ready; while :; do sleep 0.1; done'
	eventually 10 said usr1 ready
	ok podman kill --signal USR1 usr1
	ok podman wait usr1
	shows 6
	exits 125 podman kill usr1
}

@test "pause and unpause: what is paused does not move" {
	local before
	ok box -d --name counter box sh -c 'while :; do echo . >>/count; usleep 20000; done'
	eventually 10 podman exec counter test -s /count
	ok podman pause counter
	[ "$(podman_state counter Status)" = paused ]
	exits 255 podman exec counter true
	[[ $stderr == *'running containers'* ]] || fail "why"
	before=$(podman cp counter:/count - | tar -xO | wc -c)
	sleep 0.3
	[ "$(podman cp counter:/count - | tar -xO | wc -c)" = "$before" ] || fail "it moved"
	ok podman unpause counter
	eventually 10 eval "[ \$(podman exec counter cat /count | wc -c) -gt $before ]"
	ok podman pause counter
	ok podman rm --force --time 0 counter
}

@test "update: limits of a container that runs" {
	ok box -d --name soft --memory 64m --cpus 1 box sleep 1000
	ok podman update --memory 96m --cpus 0.25 --cpu-shares 256 soft
	[ "$(libpod_file soft memory.max memory/memory.limit_in_bytes)" = 100663296 ]
	[[ $(libpod_file soft cpu.max cpu/cpu.cfs_quota_us) == 25000* ]]
	ok podman exec soft sh -c 'echo still >/dev/null'
}

@test "cp: both ways, of a container that runs and of one that does not" {
	ok box -d --name store box sleep 1000
	echo carried >"$ENGINE_DIR/carried"
	ok podman cp "$ENGINE_DIR/carried" store:/srv/
	ok podman exec store cat /srv/carried
	shows carried
	ok podman stop --time 0 store
	ok podman cp store:/srv/carried "$ENGINE_DIR/back"
	[ "$(cat "$ENGINE_DIR/back")" = carried ]
}

@test "restart, start and attach: the same container once more" {
	local first
	ok box -d --name again box sh -c 'echo run >>/runs; sleep 1000'
	eventually 10 podman exec again test -s /runs
	first=$(podman_state again Pid)
	ok podman restart --time 0 again
	[ "$(podman_state again Pid)" != "$first" ]
	eventually 10 podman exec again grep -c run /runs
	ok podman stop --time 0 again
	ok podman start again
	ok podman exec again wc -l /runs
	contains 3
	ok podman create --network none --cgroup-parent "/$ENGINE_GROUP" --name later box echo attached
	ok podman start --attach later
	shows attached
}

@test "restart policy: a container that fails comes back" {
	ok box -d --name keen --restart on-failure:2 box sh -c 'echo . >>/runs; exit 1'
	eventually 20 eval '[ "$(podman inspect --format "{{.RestartCount}} {{.State.Status}}" keen)" = "2 exited" ]'
}

@test "healthcheck: run by hand where there is no systemd" {
	ok box -d --name well --health-cmd 'test ! -e /ill' --health-retries 1 --health-interval disable box sleep 1000
	ok podman healthcheck run well
	ok podman exec well touch /ill
	exits 1 podman healthcheck run well
}

@test "pods: containers that share namespaces" {
	local shared=(sh -c 'for kind in ipc net uts; do readlink /proc/self/ns/$kind; done')
	ok podman pod create --name pod --infra-image localhost/box --network none --cgroup-parent "/$ENGINE_GROUP" --hostname podded
	ok podman run -d --pod pod --name in-one box sh -c 'sleep 1000'
	ok podman run --rm --pod pod box hostname
	shows podded
	ok podman exec in-one "${shared[@]}"
	[ "$(podman run --rm --pod pod box "${shared[@]}")" = "$output" ]
	ok podman pod pause pod
	[ "$(podman_state in-one Status)" = paused ]
	ok podman pod unpause pod
	ok podman pod stop --time 0 pod
	ok podman pod rm pod
}

@test "several at once" {
	local n
	for n in 1 2 3 4 5 6; do box --rm box sh -c "sleep 0.$n; echo $n" >"$ENGINE_DIR/several.$n" & done
	wait
	[ "$(cat "$ENGINE_DIR"/several.*)" = $'1\n2\n3\n4\n5\n6' ] || fail "$(cat "$ENGINE_DIR"/several.*)"
}

@test "kill -9 of the container's first process, and of conmon: podman can remove what is left" {
	local pid
	ok box -d --name orphan box sleep 1000
	inside kill -9 "$(podman_state orphan Pid)"
	eventually 10 eval '[ "$(podman_state orphan Status)" = exited ]'
	[ "$(podman_state orphan ExitCode)" = 137 ]
	ok box -d --name unwatched box sleep 1000
	pid=$(inside pgrep -f "[c]onmon.*$(podman inspect --format '{{.Id}}' unwatched)" | head -n 1)
	inside kill -9 "$pid"
	ok podman rm --force --time 0 unwatched
	forget_all
}

@test "kill storm: podman and everything below it killed at any moment" {
	local n pid
	for n in $(storm 12 60); do
		box -d --name "storm-$n" box sleep 1000 >/dev/null 2>&1 &
		pid=$!
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		# shellcheck disable=SC2046  # pids
		inside kill -9 $(inside pgrep -f -e '[c]onmon|[i]nsula-runtime|[p]odman.*run' | sort -R | head -n 2) 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	remove_all
	forget_all
}

@test "kill storm: many containers end at once" {
	local n
	for n in $(storm 12 60); do box -d --name "many-$n" box sleep 1000 >/dev/null; done
	[ "$(podman ps -q | wc -l)" -eq "$n" ]
	ok podman kill --all
	eventually 60 eval '[ "$(podman ps -q | wc -l)" -eq 0 ]'
}

# ---- under other names ----

@test "called runc or crun, it is taken for that" {
	local name
	for name in runc crun; do
		ln -sf "$ENGINE_RUNTIME" "$ENGINE_DIR/$name"
		ok podman --runtime "$ENGINE_DIR/$name" run --network none --cgroup-parent "/$ENGINE_GROUP" --rm box echo "as $name"
		shows "as $name"
		exits 127 podman --runtime "$ENGINE_DIR/$name" run --network none --cgroup-parent "/$ENGINE_GROUP" --rm box no-such-command
		exits 0 podman --runtime "$ENGINE_DIR/$name" info --format '{{.Host.OCIRuntime.Version}}'
		contains "$name"
	done
}

@test "without a control group, as podman asks crun for it" {
	ln -sf "$ENGINE_RUNTIME" "$ENGINE_DIR/crun"
	ok podman --runtime "$ENGINE_DIR/crun" run --network none --cgroups disabled --rm box cat /proc/self/cgroup
	lacks "$ENGINE_GROUP"
	lacks libpod
}
