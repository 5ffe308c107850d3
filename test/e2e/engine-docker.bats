#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# dockerd with insula-runtime beside its own runtime (--add-runtime), and in its place as the default.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load engines

setup_file() {
	engine_has dockerd containerd containerd-shim-runc-v2 || return 0
	engine_up
	start_dockerd
	docker import "$ENGINE_DIR/box.tar" box >/dev/null
	box --rm box true # what is made once for all containers
	docker run --rm --network host box true
	engine_ready
}

teardown_file() { engine_down; }
setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

remove_all() {
	local ids
	ids=$(docker ps -aq)
	# shellcheck disable=SC2086  # ids are words
	[ -z "$ids" ] || docker rm --force --volumes $ids
}

# Directories, socket and containerd of its own, no bridge, no firewall rule.
start_dockerd() {
	guide_block Docker json >"$ENGINE_DIR/daemon.json"
	daemon dockerd dockerd --config-file "$ENGINE_DIR/daemon.json" --data-root "$ENGINE_DIR/lib" \
		--exec-root "$ENGINE_DIR/run" --pidfile "$ENGINE_DIR/pid" --host "unix://$ENGINE_DIR/sock" \
		--bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
		--cgroup-parent "/$ENGINE_GROUP" --storage-driver overlay2
	eventually 30 docker version
}

docker() {
	inside env DOCKER_CONFIG="$ENGINE_DIR/client" /usr/bin/docker --host "unix://$ENGINE_DIR/sock" "$@"
}

box() {
	docker run --network none "$@"
}

# As insula's in helpers.bash.
said() {
	docker logs "$1" 2>&1 | grep -q "$2"
}

# docker_state CONTAINER FIELD
docker_state() {
	docker inspect --format "{{.State.$2}}" "$1"
}

# docker_file CONTAINER FILE...
docker_file() {
	group_file "$(docker inspect --format '{{.Id}}' "$1")" "${@:2}"
}

# Of those that docker knows of and we have ourselves.
every_capability() {
	local mine=$((0x$(grep CapBnd /proc/self/status | cut -f2) & 0x3fffffffff))
	contains "$(printf '%016x' "$mine")"
}

is() {
	[ "$(docker_state "$1" "$2")" = "$3" ]
}

@test "info: it is the default runtime, and docker's own stands beside it" {
	ok docker info --format '{{.DefaultRuntime}} {{range $k, $v := .Runtimes}}{{$k}} {{end}}'
	contains 'insula '
	contains runc
	ok docker run --rm --network none --runtime insula box echo named
	shows named
	ok box -d --name default box sleep 1000
	[ "$(docker inspect --format '{{.HostConfig.Runtime}}' default)" = insula ]
}

@test "run: output, errors, input and exit status are the command's" {
	ok box --rm box sh -c 'echo out; echo err >&2'
	shows out
	[ "$stderr" = err ] || fail "its errors"
	[ "$(echo typed | box --rm -i box cat)" = typed ]
	exits 42 box --rm box sh -c 'exit 42'
}

@test "run: what cannot be executed is 126 or 127, what docker refuses 125" {
	exits 127 box --rm box no-such-command
	[[ $stderr == *no-such-command* ]] || fail "the command is named"
	exits 127 box --rm box /no/such/command
	exits 126 box --rm box /etc/passwd
	exits 125 box --rm --no-such-option box true
}

@test "run: user, groups, environment, working directory and host name" {
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

@test "run: capabilities, seccomp, masked paths, read-only root" {
	ok box --rm --cap-drop all --cap-add chown --security-opt no-new-privileges box \
		grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
	shows $'CapEff:\t0000000000000001\nCapBnd:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t2'
	ok box --rm box sh -c 'cat /proc/kcore | wc -c; ls /sys/firmware | wc -l'
	shows $'0\n0'
	exits 1 box --rm --read-only box touch /here
	exits 1 box --rm box mount -t tmpfs none /tmp
	ok box --rm --privileged box sh -c 'grep CapEff /proc/self/status; mount -t tmpfs none /tmp'
	every_capability
}

@test "run: binds, tmpfs, volumes and devices" {
	mkdir -p "$ENGINE_DIR/shared"
	echo given >"$ENGINE_DIR/shared/file"
	ok box --rm -v "$ENGINE_DIR/shared:/data" box sh -c 'cat /data/file; echo back >/data/back'
	shows given
	[ "$(cat "$ENGINE_DIR/shared/back")" = back ]
	exits 1 box --rm -v "$ENGINE_DIR/shared:/data:ro" box touch /data/no
	ok box --rm --tmpfs /scratch:size=1m,mode=700 box stat -c %a /scratch
	shows 700
	ok box --rm -v kept:/kept box sh -c 'echo 1 >/kept/1'
	ok box --rm -v kept:/kept box ls /kept
	shows 1
	ok docker volume rm kept
	ok box --rm --device /dev/fuse:/dev/own box sh -c ': <>/dev/own'
	exits 1 box --rm --device /dev/fuse:/dev/own:r box sh -c ': <>/dev/own'
}

@test "run: limits are in the control group" {
	ok box -d --name limited --memory 64m --memory-swap 64m --pids-limit 20 --cpus 0.5 --cpuset-cpus 0 box sleep 1000
	[ "$(docker_file limited memory.max memory/memory.limit_in_bytes)" = 67108864 ]
	[ "$(docker_file limited pids.max pids/pids.max)" = 20 ]
	[ "$(docker_file limited cpuset.cpus cpuset/cpuset.cpus)" = 0 ]
	ok box --rm --ulimit nofile=1048576:1048576 box true
	exits 137 box --name hog --memory 16m --memory-swap 16m box sh -c 'tail /dev/zero; sleep 2; exit 137'
	is hog OOMKilled true || fail "OOMKilled: $(docker_state hog OOMKilled)"
}

@test "run --init, and namespaces of the host and of other containers" {
	ok box --rm --init box ps
	contains init
	ok box -d --name first --ipc shareable box sleep 1000
	ok box --rm --pid container:first --ipc container:first box ps
	contains 'sleep 1000'
	ok box --rm --pid host --uts host box hostname
	shows "$(hostname)"
	ok docker run --rm --network host box ip link
	contains lo:
	ok docker run --rm --network container:first box ip link
	contains lo:
}

@test "exec: output, errors, exit status, user, environment and directory" {
	ok box -d --name here box sleep 1000
	ok docker exec here sh -c 'echo out; echo err >&2'
	shows out
	[ "$(echo typed | docker exec -i here cat)" = typed ]
	exits 7 docker exec here sh -c 'exit 7'
	ok docker exec --user 5:6 --env A=b --workdir /srv here sh -c 'id -u; id -g; echo $A; pwd'
	shows $'5\n6\nb\n/srv'
	exits 126 docker exec here no-such-command
	exits 126 docker exec here /etc/passwd
	ok docker exec --detach here touch /tmp/detached
	eventually 10 docker exec here ls /tmp/detached
	ok docker exec --privileged here grep CapEff /proc/self/status
	every_capability
}

@test "exec -it: a terminal of its own" {
	local command
	ok box -d --name here box sleep 1000
	mapfile -t command < <(words docker exec -it here sh)
	exits 3 at_terminal --size 30x90 --expect '# ' --send 'tty; until stty size | grep 30.90; do sleep 0.1; done\r' --expect '30 90' \
		--send 'exit 3\r' -- "${command[@]}"
	contains /dev/pts/0
}

@test "logs, ps, top and stats show what there is" {
	ok box -d --name shown box sh -c 'echo one; echo two >&2; sleep 1000'
	eventually 10 eval 'docker logs shown 2>&1 | grep two'
	ok docker logs shown
	shows one
	ok docker ps --format '{{.Names}} {{.Status}}'
	contains 'shown Up'
	ok docker top shown
	contains 'sleep 1000'
	ok docker stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' shown
	[[ $output =~ ^[12]\ [1-9] ]] || fail "its numbers"
}

@test "update: limits of a container that runs" {
	ok box -d --name soft --memory 64m --memory-swap 128m box sleep 1000
	ok docker update --memory 96m --memory-swap 192m --cpus 0.25 --pids-limit 33 soft
	[ "$(docker_file soft memory.max memory/memory.limit_in_bytes)" = 100663296 ]
	[[ $(docker_file soft cpu.max cpu/cpu.cfs_quota_us) == 25000* ]]
	[ "$(docker_file soft pids.max pids/pids.max)" = 33 ]
	ok docker exec soft sh -c 'echo still >/dev/null'
}

@test "pause and unpause: what is paused does not move" {
	ok box -d --name counter box sh -c 'while :; do echo . >>/count; usleep 20000; done'
	ok docker pause counter
	is counter Status paused
	exits 1 docker exec counter true
	ok docker unpause counter
	ok docker exec counter test -s /count
	ok docker pause counter
	ok docker rm --force counter
}

@test "stop, kill, wait and restart" {
	local first
	ok box -d --name polite box sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done'
	eventually 10 said polite ready
	ok docker stop --time 20 polite
	is polite ExitCode 5
	ok docker start polite
	first=$(docker_state polite Pid)
	ok docker restart --time 0 polite
	[ "$(docker_state polite Pid)" != "$first" ]
	ok docker kill polite
	ok docker wait polite
	shows 137
	ok box -d --name usr1 box sh -c 'trap "exit 6" USR1; while :; do sleep 0.1; done'
	sleep 0.3
	ok docker kill --signal USR1 usr1
	ok docker wait usr1
	shows 6
}

@test "restart policy and health" {
	ok box -d --name keen --restart on-failure:2 box sh -c 'exit 1'
	eventually 20 is keen Status exited
	[ "$(docker inspect --format '{{.RestartCount}}' keen)" = 2 ]
	ok box -d --name well --health-cmd 'test ! -e /ill' --health-interval 300ms --health-retries 1 box sleep 1000
	eventually 10 is well Health.Status healthy
	ok docker exec well touch /ill
	eventually 10 is well Health.Status unhealthy
}

@test "cp and commit: files both ways" {
	ok box -d --name store box sleep 1000
	echo carried >"$ENGINE_DIR/carried"
	ok docker cp "$ENGINE_DIR/carried" store:/srv/
	ok docker exec store cat /srv/carried
	shows carried
	ok docker cp store:/srv/carried "$ENGINE_DIR/back"
	[ "$(cat "$ENGINE_DIR/back")" = carried ]
}

@test "several at once" {
	local n
	for n in 1 2 3 4 5 6; do box --rm box sh -c "sleep 0.$n; echo $n" >"$ENGINE_DIR/several.$n" & done
	wait
	[ "$(cat "$ENGINE_DIR"/several.*)" = $'1\n2\n3\n4\n5\n6' ] || fail "$(cat "$ENGINE_DIR"/several.*)"
}

@test "the first process, and the shim, killed from outside" {
	ok box -d --name orphan box sleep 1000
	inside kill -9 "$(docker_state orphan Pid)"
	eventually 10 is orphan Status exited
	is orphan ExitCode 137
	ok box -d --name unwatched box sleep 1000
	inside kill -9 "$(inside pgrep -f "[s]him.*$(docker inspect --format '{{.Id}}' unwatched)" | tail -n 1)"
	eventually 20 is unwatched Status exited
}

@test "kill storm: the shims and the runtime killed at any moment" {
	local n pid
	for n in $(storm 9 30); do
		box -d --name "storm-$n" box sleep 1000 >/dev/null 2>&1 &
		pid=$!
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		# shellcheck disable=SC2046  # pids
		inside kill -9 $(inside pgrep -f -e '[c]ontainerd-shim|[i]nsula-runtime' | sort -R | head -n 1) 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	remove_all
}

@test "kill storm: many containers end at once" {
	local n
	for n in $(storm 10 40); do box -d --name "many-$n" box sleep 1000 >/dev/null; done
	# shellcheck disable=SC2046  # ids
	docker kill $(docker ps -q) >/dev/null
	eventually 60 eval '[ -z "$(docker ps -q)" ]'
}
