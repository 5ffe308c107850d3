#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula-runtime exec: a further process in a container.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # status is set by run

load helpers
load oci

# running FILTER: container "one" of that configuration, in which `sleep` runs.
running() {
	bundle '.process.args = ["sleep", "600"] | .process.noNewPrivileges = false
		| '"${1:-.}"
	create one
	ok runtime start one
}

inside() {
	ok runtime exec one "$@"
}

# The five sets of capabilities, in the order of /proc/PID/status, without leading zeros.
sets_of() {
	awk '/^Cap/ { sub(/^0+/, "", $2); print $2 == "" ? 0 : $2 }' | paste -s -d' '
}

USERNS='.linux.namespaces += [{type: "user"}]
	| .linux.uidMappings = [{containerID: 0, hostID: 300000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings'

# ---- what it is given ----

@test "oci exec: it is in the container, and ends with the code of the command" {
	running
	exits 7 runtime exec one sh -c 'hostname; echo err >&2; exit 7'
	shows insula
	[ "$stderr" = err ] || fail
	exits 137 runtime exec one sh -c 'kill -9 $$'
	ok runtime exec one cat /proc/1/comm
	shows sleep
	for kind in mnt pid net uts ipc; do
		[ "$(runtime exec one readlink "/proc/self/ns/$kind")" = \
			"$(readlink "/proc/$(runtime state one | jq .pid)/ns/$kind")" ] || fail "$kind"
	done
	ok sh -c 'echo typed | "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one cat'
	shows typed
}

@test "oci exec: options end at the id: what follows is the command's" {
	running
	inside echo -t --cwd /x
	shows '-t --cwd /x'
}

@test "oci exec: environment, working directory, user and groups" {
	running '.process.env += ["KEPT=1", "CHANGED=old"]'
	ok runtime exec --env CHANGED=new -e ADDED= one sh -c 'echo $KEPT $CHANGED ${ADDED-unset}.; pwd; echo $HOME'
	shows '1 new .
/
/root'
	ok runtime exec --cwd /srv one pwd
	shows /srv
	ok runtime exec --user 1000 one sh -c 'id -u; id -g; id -G; echo $HOME'
	shows '1000
0
0
/home'
	ok runtime exec -u 7:8 -g 9 --additional-gids 10 one sh -c 'id -u; id -g; id -G; echo $HOME'
	shows '7
8
8 9 10
/'
	ok runtime exec -u 0 -e HOME=/srv one sh -c 'echo $HOME'
	shows /srv
}

@test "oci exec: users that are no numbers are refused" {
	running
	local bad
	for bad in '' : 1: :1 0x 0x10 +5 -1 ' 1' '1 ' 1:2:3 1:+2 4294967295 4294967296 99999999999999999999 root; do
		refused_by 125 '--user' runtime exec --user "$bad" one true
	done
	for bad in x -1 4294967295 ''; do
		refused_by 125 '--additional-gids' runtime exec --additional-gids "$bad" one true
	done
	refused_by 125 "KEY=VALUE" runtime exec --env =x one true
	refused_by 125 "KEY=VALUE" runtime exec --env x one true
	refused_by 125 'process.cwd' runtime exec --cwd relative one true
	refused_by 125 'no such file' runtime exec --cwd /nowhere one true
	refused_by 125 'CAP_NOTHING' runtime exec --cap CAP_NOTHING one true
	refused_by 125 'a command is missing' runtime exec one
	refused_by 125 'descriptor 3 is not open' fds_from_3 -- "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" \
		exec --preserve-fds 1 one true
}

@test "oci exec: all five sets of capabilities are exact, for root and others, with --cap and ambient" {
	running '.process.capabilities = {bounding: ["CAP_CHOWN", "CAP_KILL"], permitted: ["CAP_CHOWN"],
		effective: ["CAP_CHOWN"], inheritable: ["CAP_KILL"]}'
	# inheritable, permitted, effective, bounding, ambient: root gains at execve what bounds it, less
	# what is not permitted by inheritance (capabilities(7))
	inside cat /proc/self/status
	[ "$(sets_of <<<"$output")" = '20 21 21 21 0' ] || fail
	ok runtime exec -u 1000:1000 one cat /proc/self/status
	[ "$(sets_of <<<"$output")" = '20 0 0 21 0' ] || fail
	ok runtime exec -u 1000:1000 -c net_raw --cap CAP_KILL one cat /proc/self/status
	[ "$(sets_of <<<"$output")" = '20 20 20 2021 20' ] || fail
	ok runtime delete --force one
	running "$USERNS"' | .process.capabilities = {bounding: ["CAP_SYS_RESOURCE", "CAP_SYS_ADMIN"],
		permitted: ["CAP_SYS_RESOURCE"], effective: ["CAP_SYS_RESOURCE"]}'
	inside cat /proc/self/status
	[ "$(sets_of <<<"$output")" = '0 1200000 1200000 1200000 0' ] || fail
	ok runtime exec -u 5:5 one cat /proc/self/status
	[ "$(sets_of <<<"$output")" = '0 0 0 1200000 0' ] || fail
	grep -q '^Groups:[[:space:]]*$' <<<"$output" || fail
}

@test "oci exec: no_new_privs, filter, umask, limits and score are the container's" {
	running '.process.noNewPrivileges = true | .process.user.umask = 63
		| .process.oomScoreAdj = 321 | .process.rlimits = [{type: "RLIMIT_NOFILE", hard: 77, soft: 66}]
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
			{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]}'
	inside sh -c 'grep -E "NoNewPrivs|^Seccomp:" /proc/self/status | tr -s "\t" " "; umask
		cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn'
	shows 'NoNewPrivs: 1
Seccomp: 2
0077
321
66
77'
	exits 1 runtime exec one mkdir /tmp/x
	[[ $stderr == *'not implemented'* ]] || fail
	ok runtime exec --no-new-privs=false one grep NoNewPrivs /proc/self/status
	contains 0
}

@test "oci exec: --process has it all in a file; what it does not say is the container's" {
	running '.process.noNewPrivileges = true | .process.oomScoreAdj = 5
		| .process.rlimits = [{type: "RLIMIT_NOFILE", hard: 77, soft: 66}]
		| .process.capabilities.bounding = ["CAP_KILL"]
		| .process.capabilities.permitted = [] | .process.capabilities.effective = []'
	jq -n '{args: ["sh", "-c", "id -u; id -G; pwd; echo $A; ulimit -n; cat /proc/self/oom_score_adj; umask
			grep -E \"CapBnd|NoNew\" /proc/self/status"],
		env: ["PATH=/bin", "A=b"], cwd: "/srv", user: {uid: 5, gid: 6, additionalGids: [7], umask: 7}}' >"$OUT"
	ok runtime exec --process "$OUT" one
	shows '5
6 7
/srv
b
66
5
0007
CapBnd:	0000000000000020
NoNewPrivs:	0'
	ok runtime exec -p "$OUT" -e A=c one sh -c 'echo $A'
	shows c
	ok runtime exec -p <(cat "$OUT") one sh -c 'echo $A'
	shows b
	jq '.rlimits = [{type: "RLIMIT_NOFILE", hard: 50, soft: 40}] | .oomScoreAdj = 9
		| .capabilities = {bounding: [], permitted: [], effective: []}' "$OUT" >"$OUT.2"
	ok runtime exec -p "$OUT.2" one sh -c 'ulimit -n; cat /proc/self/oom_score_adj; grep CapBnd /proc/self/status'
	shows '40
9
CapBnd:	0000000000000000'
}

@test "oci exec: process files that are none" {
	running
	refused_by 125 'no such file' runtime exec -p /nowhere one
	refused_by 125 'is a directory' runtime exec -p /tmp one
	printf '{"args": ["true"], "cwd": "/"' >"$OUT"
	refused_by 125 "$OUT" runtime exec -p "$OUT" one
	echo '[]' >"$OUT"
	refused_by 125 "$OUT" runtime exec -p "$OUT" one
	echo '{"args": [], "cwd": "/"}' >"$OUT"
	refused_by 125 'process.args' runtime exec -p "$OUT" one
	echo '{"args": ["true"]}' >"$OUT"
	refused_by 125 'process.cwd' runtime exec -p "$OUT" one
	echo '{"args": ["true"], "cwd": "/", "user": {"uid": 4294967295}}' >"$OUT"
	refused_by 125 'process.user.uid' runtime exec -p "$OUT" one
	echo '{"args": ["true"], "args": ["false"], "cwd": "/"}' >"$OUT"
	refused_by 125 'args' runtime exec -p "$OUT" one
	head -c 9000000 /dev/zero | tr '\0' ' ' >"$OUT"
	refused_by 125 "$OUT" runtime exec -p "$OUT" one
}

# ---- how it is had ----

@test "oci exec: a terminal in the foreground" {
	running
	ok pty --expect '/dev/pts/0' --send 'hello\r' --expect 'got hello' -- sh -c '"$INSULA_BIN/insula-runtime" \
		--root "$OCI_ROOT" exec -t one sh -c "tty; read line; echo got \$line; exit 4"; echo code $?'
	contains 'code 4'
}

@test "oci exec: a terminal over the console socket, of the size that is asked for" {
	running
	jq -n '{terminal: true, consoleSize: {height: 33, width: 99}, cwd: "/", env: ["PATH=/bin"],
		args: ["sh", "-c", "tty; stty size; id -u; stat -c %u /dev/pts/0; echo typed $(head -n1)"],
		user: {uid: 1000, gid: 1000}}' >"$OUT"
	receive_fd "$E2E_STATE/console" >"$BATS_TEST_TMPDIR/seen" 3>&- &
	local engine=$!
	eventually 10 test -S "$E2E_STATE/console"
	ok runtime exec --detach --process "$OUT" --console-socket "$E2E_STATE/console" one
	wait $engine
	tr -d '\r' <"$BATS_TEST_TMPDIR/seen" >"$BATS_TEST_TMPDIR/text"
	for line in /dev/pts/0 '33 99' 1000 'typed hello'; do
		grep -qx "$line" "$BATS_TEST_TMPDIR/text" || fail "not seen: $line in $(cat "$BATS_TEST_TMPDIR/text")"
	done
	rm "$E2E_STATE/console"
}

@test "oci exec: sockets and terminals that do not go together" {
	running
	refused_by 125 'terminal' runtime exec --detach --tty one true
	refused_by 125 '--console-socket' runtime exec --console-socket "$E2E_STATE/none" one touch /tmp/ran
	refused_by 125 '--console-socket' runtime exec -t --console-socket "$E2E_STATE/none" one touch /tmp/ran
	refused_by 125 '--pidfd-socket' runtime exec --pidfd-socket "$E2E_STATE/none" one touch /tmp/ran
	refused_by 125 '--pid-file' runtime exec --pid-file /nowhere/pid one touch /tmp/ran
	inside ls /tmp
	shows ''
	[ "$(runtime ps --format json one | jq length)" = 1 ] || fail "left: $(runtime ps one)"
}

@test "oci exec: --detach, --pid-file and --pidfd-socket name the process" {
	running
	receive_pidfd "$E2E_STATE/pidfd" >"$BATS_TEST_TMPDIR/seen" 3>&- &
	local engine=$! pid
	eventually 10 test -S "$E2E_STATE/pidfd"
	runtime exec -d --pid-file "$OUT.pid" --pidfd-socket "$E2E_STATE/pidfd" one sleep 77 </dev/null >"$OUT" 2>&1 3>&-
	wait $engine
	pid=$(cat "$OUT.pid")
	[ "$(cat "$BATS_TEST_TMPDIR/seen")" = "$pid" ] || fail
	[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = 'sleep 77 ' ] || fail
	runtime ps --format json one | jq -e "index($pid)" >/dev/null || fail "not in the group"
	refused_by 127 'no such command' runtime exec --pid-file "$OUT.none" one nothing
	[ ! -e "$OUT.none" ] || fail "a pid file of nobody"
	rm "$E2E_STATE/pidfd"
}

@test "oci exec: --preserve-fds passes on just those, also from the sealed copy" {
	echo three >"$OUT.3"
	echo four >"$OUT.4"
	echo five >"$OUT.5"
	for kind in . "$USERNS"; do
		running "$kind"
		ok fds_from_3 "$OUT.3" "$OUT.4" "$OUT.5" -- "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" \
			exec --preserve-fds 2 one sh -c 'cat <&3; cat <&4; ls /proc/self/fd | wc -l'
		shows 'three
four
6' # 0 to 4, and that of ls
		ok fds_from_3 "$OUT.3" "$OUT.4" -- "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" \
			exec one sh -c 'ls /proc/self/fd | wc -l'
		shows 4
		ok runtime delete --force one
	done
}

@test "oci exec: signals are handed on" {
	running
	"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one \
		sh -c 'trap "echo got; exit 3" TERM; echo ready; while :; do sleep 0.1; done' >"$OUT" 2>&1 3>&- &
	local runner=$! status=0
	eventually 10 grep -q ready "$OUT"
	kill -TERM $runner
	wait $runner || status=$?
	[ $status -eq 3 ] || fail "ended with $status"
	grep -q got "$OUT"
}

@test "oci exec: neither side waits for the other for ever: a filter that prints more than it is fed" {
	local bytes
	ok insula run --detach --name box "$E2E_IMAGE" sleep 600
	bytes=$(head -c 1000000 /dev/zero | timeout 60 "$INSULA_BIN/insula" exec -i box od -v -t x1 | wc -c)
	[ "$bytes" = "$(head -c 1000000 /dev/zero | od -v -t x1 | wc -c)" ] || fail "$bytes bytes"
}

lacks_yes() {
	! insula exec box pidof yes
}

# stuck PID_FILE COMMAND...: its output goes to a reader who never reads; $READER is that.
stuck() {
	local pid_file=$1
	shift
	mkfifo "$E2E_STATE/unread"
	sh -c 'exec sleep 600' <"$E2E_STATE/unread" 3>&- &
	READER=$!
	sh -c 'echo $$ >"$1"; shift; exec "$@"' stuck "$pid_file" "$@" >"$E2E_STATE/unread" 2>&1 </dev/null 3>&- &
	eventually 10 grep -q . "$pid_file"
}

@test "oci exec: a reader who never reads keeps nobody from stopping the container, nor signals from us" {
	for tty in '' --tty; do
		running
		# shellcheck disable=SC2086  # no word, or one
		stuck "$E2E_STATE/pid" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec $tty one yes
		eventually 10 sh -c "$INSULA_BIN/insula-runtime --root $OCI_ROOT ps one | grep -q yes"
		ok timeout 30 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" delete --force one
		# The rest of the output waits for its reader, as in a pipeline; a signal ends that.
		eventually 10 sh -c "kill -TERM $(cat "$E2E_STATE/pid") 2>/dev/null; ! kill -0 $(cat "$E2E_STATE/pid") 2>/dev/null"
		kill "$READER"
		rm "$E2E_STATE/unread" "$E2E_STATE/pid"
	done
	ok insula run --detach --name box "$E2E_IMAGE" sleep 600
	stuck "$E2E_STATE/pid" "$INSULA_BIN/insula" exec box yes
	eventually 10 insula exec box pidof yes
	# The signal gets to the process although nothing of its output can be passed on.
	kill -TERM "$(cat "$E2E_STATE/pid")"
	eventually 10 lacks_yes
	ok timeout 30 "$INSULA_BIN/insula" stop --time 1 box
	kill -TERM "$(cat "$E2E_STATE/pid")"
	kill "$READER"
	eventually 10 sh -c "! kill -0 $(cat "$E2E_STATE/pid") 2>/dev/null"
}

@test "oci exec: exit codes of errors, and those under the names of runc and crun" {
	running
	refused_by 127 'no such command' runtime exec one nothing
	refused_by 126 'cannot run' runtime exec one /etc
	refused_by 125 'does not exist' runtime exec two true
	mkdir "$E2E_STATE/bin"
	ln -s "$INSULA_BIN/insula-runtime" "$E2E_STATE/bin/runc"
	ln -s "$INSULA_BIN/insula-runtime" "$E2E_STATE/bin/crun"
	exits 255 "$E2E_STATE/bin/runc" --root "$OCI_ROOT" exec one nothing
	[[ $stderr == *'level=error'*'executable file not found in $PATH'* ]] || fail
	exits 255 "$E2E_STATE/bin/runc" --root "$OCI_ROOT" exec two true
	exits 1 "$E2E_STATE/bin/crun" --root "$OCI_ROOT" exec two true
	exits 1 "$E2E_STATE/bin/runc" --root "$OCI_ROOT" state two
	exits 3 "$E2E_STATE/bin/runc" --root "$OCI_ROOT" exec one sh -c 'exit 3'
}

# ---- where it goes ----

@test "oci exec: in the container's control groups, or in one below" {
	running
	inside cat /proc/self/cgroup
	! grep -v -q -x '[0-9]*:.*:/' <<<"$output" || fail # as seen from its cgroup namespace
	refused_by 125 'bad sub cgroup path' runtime exec --cgroup .. one true
	refused_by 125 'bad sub cgroup path' runtime exec --cgroup a/../../b one true
	refused_by 125 'no such file' runtime exec --cgroup nowhere one true
	refused_by 125 'unknown controller' runtime exec --cgroup whatever:/ one true
	ok runtime exec --cgroup / one cat /proc/self/cgroup
	! grep -v -q -x '[0-9]*:.*:/' <<<"$output" || fail
	local group=insula-$UNIQUE-one
	if [ -d "/sys/fs/cgroup/memory/$group" ]; then
		mkdir "/sys/fs/cgroup/memory/$group/below"
		ok runtime exec --cgroup memory:below one cat /proc/self/cgroup
		[[ $output == *:memory:/below* ]] || fail
		[ "$(grep -c below <<<"$output")" -eq 1 ] || fail
		refused_by 125 'no such file' runtime exec --cgroup below one true
	else
		mkdir "/sys/fs/cgroup/$group/below"
		ok runtime exec --cgroup below one cat /proc/self/cgroup
		[[ $output == *0::/below* ]] || fail
	fi
}

@test "oci exec: where the first process has moved, and the group takes nobody any more" {
	running
	local group=/sys/fs/cgroup/unified/insula-$UNIQUE-one pid controller
	[ -d "$group" ] || group=/sys/fs/cgroup/insula-$UNIQUE-one
	[ -d "$group" ] || skip "no cgroup v2 here"
	mkdir "$group/moved"
	runtime state one | jq .pid >"$group/moved/cgroup.procs"
	controller=$(grep -o -w -e memory -e pids -e hugetlb "$group/cgroup.controllers" | head -n 1)
	[ -n "$controller" ] || skip "no controller on v2"
	echo "+$controller" >"$group/cgroup.subtree_control"
	inside grep '^0:' /proc/self/cgroup
	shows 0::/moved
	refused_by 125 'busy' runtime exec --cgroup / one true
}

@test "oci exec: namespaces that were joined, of another container and of the host" {
	running
	local pid
	pid=$(runtime state one | jq .pid)
	bundle '.process.args = ["sleep", "600"] | .linux.namespaces = [{type: "mount"},
		{type: "pid", path: "/proc/'"$pid"'/ns/pid"}, {type: "network", path: "/proc/'"$pid"'/ns/net"},
		{type: "ipc", path: "/proc/'"$pid"'/ns/ipc"}] | del(.hostname)'
	create two
	ok runtime start two
	for kind in pid net ipc; do
		[ "$(runtime exec two readlink "/proc/self/ns/$kind")" = "$(readlink "/proc/$pid/ns/$kind")" ] || fail "$kind"
	done
	[ "$(runtime exec two readlink /proc/self/ns/uts)" = "$(readlink /proc/self/ns/uts)" ] || fail uts
	ok runtime exec two cat /proc/1/comm
	shows sleep
	ok runtime delete --force two
}

@test "oci exec: the user namespace of a pod: a network of the host's, a user namespace by path" {
	running "$USERNS"
	local pid
	pid=$(runtime state one | jq .pid)
	bundle '.process.args = ["sleep", "600"] | .linux.namespaces = [{type: "mount"}, {type: "pid"},
		{type: "user", path: "/proc/'"$pid"'/ns/user"}, {type: "network", path: "/proc/'"$pid"'/ns/net"}]
		| del(.hostname) | .mounts |= map(select(.type != "sysfs"))'
	create two
	ok runtime start two
	ok runtime exec -u 5:6 two sh -c 'id -u; tr -s " " </proc/self/uid_map'
	shows '5
 0 300000 65536'
	ok runtime exec two sh -c 'cat <&0 >/dev/null; echo x >/dev/stdout; readlink /proc/self/ns/net'
	contains "$(readlink "/proc/$pid/ns/net")"
	refused_by 125 'does not exist in the container' runtime exec -u 65536 two true
	ok runtime delete --force two
}

@test "oci exec: a time namespace" {
	[ -e /proc/self/ns/time ] || skip "no time namespaces here"
	running '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000}}'
	inside cat /proc/uptime
	[ "${output%%.*}" -gt 1000000 ] || fail
}

@test "oci exec: a time namespace, where proc is mounted by a helper, as on Linux 6.1" {
	needs_failpoints
	[ -e /proc/self/ns/time ] || skip "no time namespaces here"
	export INSULA_FAIL=mount.pidns=error:EINVAL
	running '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000}}'
	unset INSULA_FAIL
	inside cat /proc/uptime
	[ "${output%%.*}" -gt 1000000 ] || fail
}

# ---- what it must not do ----

@test "oci exec: into one that is created, paused or stopped" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	inside echo before
	shows before
	ok runtime start one
	ok runtime pause one
	refused_by 125 'paused' runtime exec one true
	"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec --ignore-paused one echo thawed >"$OUT" 2>&1 3>&- &
	local waits=$!
	sleep 1
	[ ! -s "$OUT" ] || fail "it ran in a paused container"
	ok runtime resume one
	wait $waits
	[ "$(cat "$OUT")" = thawed ]
	ok runtime kill one KILL
	eventually 10 sh -c '! "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one true'
	refused_by 125 'container not running' runtime exec one true
}

# stopped_at POINT: an exec in the background, stopped there; its number is $exec, the stopped one's $at.
stopped_at() {
	local point=$1
	shift
	INSULA_FAIL="$point=stop" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec "$@" >"$OUT" 2>&1 3>&- &
	exec=$!
	eventually 10 is_stopped
}

is_stopped() {
	[ -n "$(stopped_pids)" ]
}

# In state T, of ours: the command line is a copy of it.
stopped_pids() {
	local pid
	for pid in $(pgrep -f -- "--root $OCI_ROOT"); do
		grep -q '^State:.T' "/proc/$pid/status" && echo "$pid"
	done
	return 0
}

@test "oci exec: one that is paused, or ends, while it is entered" {
	local code what
	for what in pause kill; do
		running
		stopped_at exec.enter one touch /tmp/ran
		[ $what = pause ] && ok runtime pause one
		[ $what = kill ] && ok runtime kill one KILL && eventually 10 has_ended one
		kill -CONT $exec
		code=0
		wait $exec || code=$?
		[ $code -eq 125 ] || fail "$what: ended with $code: $(cat "$OUT")"
		grep -q -e paused -e 'not running' "$OUT" || fail "$(cat "$OUT")"
		ok runtime delete --force one
	done
	running
	stopped_at exec.joined one touch /tmp/ran
	ok runtime kill one KILL
	eventually 10 has_ended one
	kill -CONT "$(stopped_pids)"
	code=0
	wait $exec || code=$?
	[ $code -eq 125 ] || fail "ended with $code: $(cat "$OUT")"
	grep -q 'not running' "$OUT" || fail "$(cat "$OUT")"
}

has_ended() {
	[ "$(runtime state "$1" | jq -r .status)" = stopped ]
}

@test "oci exec: what enters is opaque to the container's root, and holds nothing of the host" {
	running '.process.capabilities |= map_values(. + ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"])'
	stopped_at init.wait one true
	ok runtime exec one sh -c 'for p in /proc/[0-9]*; do
			[ "$(cut -d" " -f3 $p/stat)" = T ] || continue
			echo found
			for f in mem fd/0 fd/3 root exe cwd environ maps ns/mnt; do
				{ readlink $p/$f || head -c1 $p/$f; } >/dev/null 2>&1 && echo "can: $f"
			done
		done'
	shows found
	local at
	at=$(stopped_pids)
	[ -n "$at" ] || fail "nobody is stopped"
	! find "/proc/$at/fd" -type l -exec readlink {} + | grep -v -q -e '^/dev/null$' -e "^$OUT$" -e '^socket:' ||
		fail "$(ls -l "/proc/$at/fd")"
	kill -CONT "$at"
	wait $exec
}

@test "oci exec: #!/proc/self/exe and writers to /proc/PID/exe do not reach our program" {
	local before
	cat >"$BUNDLE/rootfs/bin/overwrite" <<-'SH'
		#!/bin/sh
		while :; do
			for pid in /proc/[0-9]*; do
				[ "$(readlink $pid/exe)" != /bin/busybox ] || continue
				echo x 2>/dev/null >>$pid/exe && echo "wrote $pid"
			done
		done
	SH
	printf '#!/proc/self/exe\n' >"$BUNDLE/rootfs/bin/again"
	chmod 755 "$BUNDLE/rootfs/bin/overwrite" "$BUNDLE/rootfs/bin/again"
	before=$(find "$INSULA_BIN" -maxdepth 1 -type f -exec sha256sum {} +)
	bundle '.process.args = ["/bin/overwrite"] | .process.noNewPrivileges = false | del(.linux.seccomp)
		| .process.capabilities |= map_values(["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE",
			"CAP_DAC_READ_SEARCH", "CAP_SETPCAP", "CAP_MKNOD"])'
	create one
	ok runtime start one
	for _ in $(seq 10); do runtime exec one /bin/again >/dev/null 2>&1 || true; done
	[ ! -s "$OUT" ] || fail "$(cat "$OUT")"
	[ "$(find "$INSULA_BIN" -maxdepth 1 -type f -exec sha256sum {} +)" = "$before" ] || fail "a program of ours was changed"
}

@test "oci exec: a map that holds host root under another number needs the sealed copy, too" {
	running '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 300000, size: 1000}, {containerID: 1000, hostID: 0, size: 1}]
		| .linux.gidMappings = .linux.uidMappings'
	stopped_at init.wait one true
	local at
	at=$(stopped_pids)
	[ "$(stat -L -c %d:%i "/proc/$at/exe")" != "$(stat -c %d:%i "$INSULA_BIN/insula-runtime")" ] || fail
	kill -CONT "$at"
	wait $exec
	ok runtime delete --force one
	running "$USERNS"
	stopped_at init.wait one true
	at=$(stopped_pids)
	[ "$(stat -L -c %d:%i "/proc/$at/exe")" = "$(stat -c %d:%i "$INSULA_BIN/insula-runtime")" ] || fail
	kill -CONT "$at"
	wait $exec
}

@test "oci exec: a working directory, libraries and loaders of the container mean nothing to us" {
	ln -s /proc/self/fd/3 "$BUNDLE/rootfs/out"
	mkdir -p "$BUNDLE/rootfs/lib64" "$BUNDLE/rootfs/lib"
	printf '#!/bin/sh\ntouch /poisoned\n' >"$BUNDLE/rootfs/lib64/ld-linux-x86-64.so.2"
	printf 'passwd: evil\n' >"$BUNDLE/rootfs/etc/nsswitch.conf"
	chmod 755 "$BUNDLE/rootfs/lib64/ld-linux-x86-64.so.2"
	running
	local n
	for n in $(seq 3 20); do
		run runtime exec --cwd "/proc/self/fd/$n" one ls
		[ "$status" -ne 0 ] || fail "entered descriptor $n: $output"
	done
	refused_by 125 '/out' runtime exec --cwd /out one true
	ok runtime exec -u 1000 one ls /
	lacks poisoned
}

@test "oci exec: a terminal directory, a null device and a passwd that the container has spoilt" {
	running '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN", "CAP_MKNOD"])'
	inside sh -c 'rm /etc/passwd; mkfifo /etc/passwd; umount /dev/pts; rmdir /dev/pts; mkfifo /dev/pts'
	ok timeout 20 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec -u 1000 one sh -c 'echo $HOME'
	shows /
	exits 125 timeout 20 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec -t one true
	[[ $stderr == *'no terminals'* ]] || fail
}

@test "oci exec: killed or failing at any step, nothing is left" {
	running
	local point points
	INSULA_FAIL_LOG="$OUT.log" runtime exec one true
	points=$(cut -d' ' -f1 "$OUT.log" | sort -u)
	for point in exec.enter exec.joined exec.birth exec.born exec.release init.wait init.cwd init.exec; do
		grep -qx "$point" <<<"$points" || fail "not visited: $point"
	done
	for point in $points; do
		for action in kill error:EIO; do
			run timeout 20 env INSULA_FAIL="$point=$action" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" \
				exec one sleep 0.2
			[ "$status" -ne 124 ] || fail "hangs at $point=$action"
			[ "$status" -ne 0 ] || [[ $point == file.* ]] || fail "succeeds at $point=$action"
			eventually 5 is_alone one || fail "$point=$action: left $(runtime ps one)"
		done
	done
	inside true
}

is_alone() {
	[ "$(runtime ps --format json "$1" | jq length)" = 1 ] && [ -z "$(pgrep -f -- "--root $OCI_ROOT exec")" ]
}

@test "oci exec: every kind of system call that it is made of is refused once" {
	command -v strace >/dev/null || skip "no strace here"
	running
	local call nth hit=0
	for call in openat read write clone3 setns socketpair sendmsg recvmsg prctl capset setresuid setgroups \
		setsid dup2 chdir close_range fcntl poll prlimit64 seccomp execve execveat keyctl; do
		for nth in 1 2 3 5; do
			run timeout 30 strace -f -qq -e signal=none -o "$OUT.trace" -e "trace=$call" \
				-e "inject=$call:error=EIO:when=$nth" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one sleep 0.1
			[ "$status" -ne 124 ] || fail "hangs at $call $nth"
			grep -q INJECTED "$OUT.trace" || break
			hit=$((hit + 1))
			eventually 5 is_alone one || fail "$call $nth: left $(runtime ps one)"
		done
	done
	[ $hit -gt 40 ] || fail "only $hit calls were refused"
	inside true
}

@test "oci exec: many at once, while it ends" {
	running
	local i
	for i in $(seq 8); do
		timeout 30 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one sleep 600 >"$OUT.$i" 2>&1 </dev/null 3>&- &
	done
	sleep 0.2
	ok runtime delete --force one
	for i in $(jobs -p); do
		local code=0
		wait "$i" || code=$?
		[ $code -eq 137 ] || [ $code -eq 125 ] || fail "ended with $code"
	done
}
