#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# containerd, by its own command line, with insula-runtime in the place of runc.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load engines
load containerd.bash

setup_file() {
	engine_has containerd ctr containerd-shim-runc-v2 || return 0
	engine_up
	containerd_conf >"$ENGINE_DIR/config.toml"
	daemon containerd containerd --config "$ENGINE_DIR/config.toml"
	eventually 30 ctr version
	containerd_image
	box --rm "$IMAGE" warm true # what is made once for all containers
	engine_ready
}

teardown_file() { engine_down; }
setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

# box OPTION... IMAGE ID COMMAND...
box() {
	ctr run --runc-binary "$ENGINE_RUNTIME" "$@"
}

@test "run: output, errors, input and exit status are the command's" {
	ok box --rm "$IMAGE" one sh -c 'echo out; echo err >&2'
	shows out
	[ "$stderr" = err ] || fail "its errors"
	# ctr misses an end of its input that comes before the container's start.
	[ "$({ echo typed; sleep 1; } | box --rm "$IMAGE" one cat)" = typed ]
	exits 42 box --rm "$IMAGE" one sh -c 'exit 42'
}

@test "run: what cannot be executed is said, and nothing stays" {
	exits 1 box --rm "$IMAGE" one no-such-command
	[[ $stderr == *no-such-command* && $stderr == *'not found'* ]] || fail "the command is named"
	exits 1 box --rm "$IMAGE" one /etc/passwd
	[[ $stderr == *'ermission denied'* ]] || fail "why"
	[ -z "$(ctr tasks ls -q)" ]
}

@test "run: environment, directory, read-only root, capabilities, seccomp" {
	ok box --rm --env A=b --cwd /srv "$IMAGE" one sh -c 'echo $A; pwd'
	shows $'b\n/srv'
	exits 1 box --rm --read-only "$IMAGE" one touch /here
	ok box --rm --cap-drop CAP_CHOWN --seccomp "$IMAGE" one grep -E 'CapEff|Seccomp:' /proc/self/status
	contains $'Seccomp:\t2'
	contains 00000000a80425fa
	ok box --rm --privileged "$IMAGE" one grep CapEff /proc/self/status
	contains "$(grep CapBnd /proc/self/status | cut -f2)"
}

@test "run --tty: a terminal" {
	local command
	mapfile -t command < <(words box --rm --tty "$IMAGE" one sh)
	exits 9 at_terminal --size 33x101 --expect '# ' --send 'tty; until stty size | grep 33.101; do sleep 0.1; done\r' --expect '33 101' \
		--send 'exit 9\r' -- "${command[@]}"
	contains /dev/pts/0
}

@test "run: mounts, devices, limits, and the host's network" {
	mkdir -p "$ENGINE_DIR/shared"
	echo given >"$ENGINE_DIR/shared/file"
	ok box --rm --mount "type=bind,src=$ENGINE_DIR/shared,dst=/data,options=rbind:ro" "$IMAGE" one cat /data/file
	shows given
	exits 1 box --rm --mount "type=bind,src=$ENGINE_DIR/shared,dst=/data,options=rbind:ro" "$IMAGE" one touch /data/x
	ok box --rm --device /dev/fuse "$IMAGE" one sh -c ': <>/dev/fuse'
	ok box -d --memory-limit 67108864 --cpus 0.5 "$IMAGE" limited sleep 1000
	[ "$(group_file limited memory.max memory/memory.limit_in_bytes)" = 67108864 ]
	ok box --rm --net-host "$IMAGE" one ip link
	contains lo
}

@test "run: a user namespace with a map" {
	ok box --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 --remap-labels=false "$IMAGE" one cat /proc/self/uid_map ||
		ok box --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 "$IMAGE" one cat /proc/self/uid_map
	[ "$(tr -s ' ' <<<"$output")" = ' 0 100000 65536' ] || fail "its map"
}

@test "tasks: list, exec, ps, and the end" {
	ok box -d "$IMAGE" here sleep 1000
	[ "$(task here)" = RUNNING ]
	ok ctr tasks exec --exec-id e1 here sh -c 'echo inside; id -u'
	shows $'inside\n0'
	exits 7 ctr tasks exec --exec-id e2 here sh -c 'exit 7'
	ok ctr tasks exec --exec-id e3 --user 5:6 --cwd /srv here sh -c 'id -u; pwd'
	shows $'5\n/srv'
	exits 1 ctr tasks exec --exec-id e4 here no-such-command
	[[ $stderr == *no-such-command* ]] || fail "the command is named"
	ok ctr tasks ps here
	contains "$(pid_of here)"
	ok ctr tasks kill --signal TERM here
	[ "$(task here)" = RUNNING ]
	ok ctr tasks kill --signal KILL here
	eventually 10 stopped here
	ok ctr tasks delete here
	[[ $stderr == *'exit code 137'* ]] || fail "its status"
	ok ctr containers rm here
}

@test "tasks exec --tty: a terminal of its own" {
	local command
	ok box -d "$IMAGE" here sleep 1000
	mapfile -t command < <(words ctr tasks exec --tty --exec-id t1 here sh)
	exits 3 at_terminal --size 30x90 --expect '# ' --send 'tty; until stty size | grep 30.90; do sleep 0.1; done\r' --expect '30 90' \
		--send 'exit 3\r' -- "${command[@]}"
	contains /dev/pts/0
}

@test "tasks: pause and resume" {
	ok box -d "$IMAGE" here sh -c 'while :; do echo . >>/count; usleep 20000; done'
	ok ctr tasks pause here
	[ "$(task here)" = PAUSED ]
	ok ctr tasks resume here
	[ "$(task here)" = RUNNING ]
	ok ctr tasks exec --exec-id e1 here test -s /count
	ok ctr tasks pause here
	ok ctr tasks kill --signal KILL here
	eventually 10 stopped here
}

@test "tasks: metrics" {
	ok box -d "$IMAGE" here sleep 1000
	ok ctr tasks metrics here
	grep -E 'memory.usage(_in_bytes)? +[1-9]' <<<"$output" || fail "memory"
	grep -E 'pids.current +1' <<<"$output" || fail "processes"
}

@test "events tell of the start, the end, and a kill for memory" {
	inside ctr --address "$ENGINE_DIR/sock" --namespace "$ENGINE_GROUP" events >"$ENGINE_DIR/events" 3>&- 4>&- &
	sleep 0.5
	ok box --rm "$IMAGE" seen true
	eventually 10 grep -q '/tasks/delete' "$ENGINE_DIR/events"
	grep -q '/tasks/create.*seen' "$ENGINE_DIR/events"
	grep -q '/tasks/exit.*seen' "$ENGINE_DIR/events"
	box --rm --memory-limit 16777216 "$IMAGE" hog sh -c 'tail /dev/zero; sleep 0.5' || true
	eventually 10 grep -q '/tasks/oom.*hog' "$ENGINE_DIR/events"
	inside pkill -f '[c]tr --address.* events'
	wait
}

@test "the first process killed from outside: the task is over, with its status" {
	ok box -d "$IMAGE" here sleep 1000
	inside kill -9 "$(pid_of here)"
	eventually 10 stopped here
	ok ctr tasks delete here
	[[ $stderr == *'exit code 137'* ]] || fail "its status"
	ok ctr containers rm here
}

@test "several at once" {
	local n
	for n in 1 2 3 4 5 6; do box --rm "$IMAGE" "several-$n" sh -c "sleep 0.$n; echo $n" >"$ENGINE_DIR/several.$n" & done
	wait
	[ "$(cat "$ENGINE_DIR"/several.*)" = $'1\n2\n3\n4\n5\n6' ] || fail "$(cat "$ENGINE_DIR"/several.*)"
}

@test "called runc, it is taken for that" {
	mkdir -p "$ENGINE_DIR/bin"
	ln -sf "$ENGINE_RUNTIME" "$ENGINE_DIR/bin/runc"
	ok ctr run --rm --runc-binary "$ENGINE_DIR/bin/runc" "$IMAGE" one echo 'as runc'
	shows 'as runc'
}

@test "kill storm: the shims killed at any moment" {
	local n pid
	for n in $(storm 9 30); do
		box -d "$IMAGE" "storm-$n" sleep 1000 >/dev/null 2>&1 &
		pid=$!
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		# shellcheck disable=SC2046  # pids
		inside kill -9 $(inside pgrep -f -e '[c]ontainerd-shim|[i]nsula-runtime' | sort -R | head -n 1) 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	remove_all
	for n in $(inside "$ENGINE_RUNTIME" --root "/run/containerd/runc/$ENGINE_GROUP" list --quiet); do
		inside "$ENGINE_RUNTIME" --root "/run/containerd/runc/$ENGINE_GROUP" delete --force "$n"
	done
}
