#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula-runtime as engines call it: the life of a container, verb by verb.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers
load oci

USERNS='.linux.namespaces += [{type: "user"}]
	| .linux.uidMappings = [{containerID: 0, hostID: 300000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings'

status_of() {
	runtime state "$1" | jq -r .status
}

has_status() {
	[ "$(status_of "$1")" = "$2" ]
}

@test "oci: created, running, stopped, deleted" {
	bundle '.process.args = ["sh", "-c", "echo begun; exec sleep 600"]'
	create one
	[ "$(status_of one)" = created ]
	[ ! -s "$OUT" ] || fail "the command ran before start"
	ok runtime start one
	eventually 10 grep -q begun "$OUT"
	[ "$(status_of one)" = running ]
	refused_by 125 'cannot start' runtime start one
	refused_by 125 'not stopped' runtime delete one
	ok runtime kill one KILL
	eventually 10 has_status one stopped
	[ "$(runtime state one | jq .pid)" = 0 ]
	refused_by 125 'container not running' runtime kill one
	ok runtime delete one
	refused_by 125 "container 'one' does not exist" runtime state one
	[ -z "$(ls "$OCI_ROOT")" ] || fail "left: $(ls "$OCI_ROOT")"
}

@test "oci: state has what the specification asks for" {
	bundle '.annotations = {"org.example.key": "a=b \"c\""}'
	create one
	ok runtime state one
	[ "$(jq -r '.ociVersion, .id, .status, .bundle, .annotations["org.example.key"]' <<<"$output")" = \
		"1.3.0
one
created
$BUNDLE
a=b \"c\"" ] || fail
	pid=$(jq .pid <<<"$output")
	[ "$(readlink "/proc/$pid/ns/pid")" != "$(readlink /proc/self/ns/pid)" ]
}

@test "oci: a created process is opaque and holds nothing of ours" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	pid=$(runtime state one | jq .pid)
	held=$(find "/proc/$pid/fd" -type l -exec readlink {} + | grep -v -e '^/dev/null$' -e "^$OUT" | sort)
	[ "$held" = "$OCI_ROOT/one/answer
$OCI_ROOT/one/start" ] || fail "holds: $held"
	ok runtime delete --force one
}

@test "oci: the user namespace of a container is its own, and its root file system not shifted" {
	bundle '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 300000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings
		| .process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map | tr -s \" \"; stat -c %u /bin"]'
	ok runtime run --bundle "$BUNDLE" one
	shows "0
 0 300000 65536
65534"
}

@test "oci: run ends with the exit code of the command, and nothing is left" {
	bundle '.process.args = ["sh", "-c", "echo out; echo err >&2; exit 7"]'
	exits 7 runtime run --bundle "$BUNDLE" one
	shows out
	[ "$stderr" = err ] || fail
	[ -z "$(ls "$OCI_ROOT")" ] || fail "left: $(ls "$OCI_ROOT")"
}

@test "oci: run --detach leaves it to delete, --keep to the curious" {
	bundle '.process.args = ["sleep", "600"]'
	runtime run --detach --bundle "$BUNDLE" one >"$OUT" 2>&1 3>&-
	[ "$(status_of one)" = running ]
	ok runtime delete --force one
	bundle '.process.args = ["true"]'
	ok runtime run --keep --bundle "$BUNDLE" two
	[ "$(status_of two)" = stopped ]
	ok runtime delete two
}

@test "oci: run hands signals on" {
	bundle '.process.args = ["sh", "-c", "trap \"echo got; exit 3\" TERM; echo ready; while :; do sleep 0.1; done"]'
	"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --bundle "$BUNDLE" one >"$OUT" 2>&1 3>&- &
	local runner=$!
	eventually 10 grep -q ready "$OUT"
	kill -TERM $runner
	wait $runner && fail "ended with 0" || [ $? -eq 3 ]
	grep -q got "$OUT"
}

@test "oci: run with a terminal joins it to ours" {
	bundle '.process.terminal = true | .process.args = ["sh", "-c", "tty; read line; echo got $line; exit 4"]'
	ok pty --expect '/dev/pts/0' --send 'hello\r' --expect 'got hello' -- \
		sh -c '"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --bundle "$BUNDLE" one; echo code $?'
	contains 'code 4'
}

@test "oci: a terminal goes over the console socket, of any length of path" {
	local dir
	dir=$BATS_TEST_TMPDIR/$(printf 'd%.0s' $(seq 120))
	mkdir -p "$dir"
	bundle '.process.terminal = true | .process.args = ["sh", "-c", "tty; echo typed $(head -n1)"]'
	refused_by 125 'console-socket' runtime create --bundle "$BUNDLE" one
	receive_fd "$dir/console.sock" >"$BATS_TEST_TMPDIR/seen" 3>&- &
	local receiver=$!
	eventually 10 test -S "$dir/console.sock"
	create one --console-socket "$dir/console.sock"
	ok runtime start one
	wait $receiver
	grep -q '/dev/pts/0' "$BATS_TEST_TMPDIR/seen" || fail "seen: $(cat "$BATS_TEST_TMPDIR/seen")"
	grep -q 'typed hello' "$BATS_TEST_TMPDIR/seen" || fail "seen: $(cat "$BATS_TEST_TMPDIR/seen")"
	ok runtime delete --force one
}

@test "oci: a socket that nobody listens on is an error, and nothing is left" {
	bundle '.process.terminal = true'
	refused_by 125 "cannot connect to '$BATS_TEST_TMPDIR/none'" \
		runtime create --bundle "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/none" one
	bundle .
	refused_by 125 "cannot connect to '$BATS_TEST_TMPDIR/none'" \
		runtime create --bundle "$BUNDLE" --pidfd-socket "$BATS_TEST_TMPDIR/none" one
	refused_by 125 "pid-file" runtime create --bundle "$BUNDLE" --pid-file /no/such/directory/pid one
}

@test "oci: --pid-file and --pidfd-socket" {
	bundle '.process.args = ["sleep", "600"]'
	receive_pidfd "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/pid" 3>&- &
	local receiver=$!
	eventually 10 test -S "$BATS_TEST_TMPDIR/s"
	create one --pid-file "$BATS_TEST_TMPDIR/file" --pidfd-socket "$BATS_TEST_TMPDIR/s"
	wait $receiver
	pid=$(runtime state one | jq .pid)
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = "$pid" ]
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$pid" ]
	ok runtime delete --force one
}

@test "oci: --preserve-fds passes on just those" {
	bundle '.process.args = ["sh", "-c", "cat <&3; cat <&4; ls /proc/self/fd | tr \"\\n\" \" \""]'
	echo three >"$BATS_TEST_TMPDIR/3"
	echo four >"$BATS_TEST_TMPDIR/4"
	ok fds_from_3 "$BATS_TEST_TMPDIR/3" "$BATS_TEST_TMPDIR/4" "$BATS_TEST_TMPDIR/3" -- \
		"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --preserve-fds 2 --bundle "$BUNDLE" one
	shows "three
four
0 1 2 3 4 5 "
	refused_by 125 'is not open' fds_from_3 "$BATS_TEST_TMPDIR/3" -- \
		"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --preserve-fds 2 --bundle "$BUNDLE" one
}

@test "oci: from another time namespace a container is as it is, and the other way round" {
	[ -e /proc/self/ns/time ] || skip "this kernel has no time namespaces"
	local shifted=(unshare --time --boottime 123456)
	bundle '.process.args = ["sleep", "600"]'
	create one
	ok "${shifted[@]}" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" start one
	[ "$("${shifted[@]}" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" state one | jq -r .status)" = running ] || fail
	ok "${shifted[@]}" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one true
	ok "${shifted[@]}" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" kill one KILL
	ok runtime delete --force one
	"${shifted[@]}" "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --detach --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&-
	has_status one running || fail
	ok "${shifted[@]}" "$INSULA_BIN/insula" run --detach --name box "$E2E_IMAGE" sleep 600
	ok insula exec box true
	ok "${shifted[@]}" "$INSULA_BIN/insula" ps
	contains Up
	ok "${shifted[@]}" "$INSULA_BIN/insula" stop --time 0 box
}

# activated FDS PID COMMAND...: run it as a service manager would, with two descriptors from 3 on; PID "own" is
# its own.
activated() {
	local count=$1 pid=$2
	shift 2
	fds_from_3 "$BATS_TEST_TMPDIR/3" "$BATS_TEST_TMPDIR/4" -- \
		sh -c '[ "$2" != own ] || LISTEN_PID=$$ && export LISTEN_PID
			[ "$2" = own ] || [ "$2" = none ] || LISTEN_PID=$2
			[ "$2" != none ] || unset LISTEN_PID
			LISTEN_FDS=$1; LISTEN_FDNAMES=web:admin; export LISTEN_FDS LISTEN_FDNAMES
			shift 2; exec "$@"' activated "$count" "$pid" \
		"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" "$@"
}

@test "oci: socket activation: the descriptors, and for whom they are" {
	local listing='echo $$:$LISTEN_PID:$LISTEN_FDS:$LISTEN_FDNAMES; ls /proc/self/fd | tr "\n" " "'
	echo three >"$BATS_TEST_TMPDIR/3"
	echo four >"$BATS_TEST_TMPDIR/4"
	bundle ".process.args = [\"sh\", \"-c\", $(jq -n --arg x "$listing" '$x')]"
	for pid in own none; do
		ok activated 2 "$pid" run --bundle "$BUNDLE" one
		shows "1:1:2:web:admin
0 1 2 3 4 5 "
	done
	# What --preserve-fds names comes after them.
	ok activated 1 own run --preserve-fds 1 --bundle "$BUNDLE" one
	shows "1:1:1:web:admin
0 1 2 3 4 5 "
	# They are somebody else's.
	ok activated 2 1 run --bundle "$BUNDLE" one
	shows "1:::
0 1 2 3 "
	refused_by 125 'LISTEN_FDS=3: descriptor 5 is not open' activated 3 own run --bundle "$BUNDLE" one
	refused_by 125 '--preserve-fds 1: descriptor 5 is not open' \
		activated 2 own run --preserve-fds 1 --bundle "$BUNDLE" one
	refused_by 125 'LISTEN_FDS' activated many own run --bundle "$BUNDLE" one
}

@test "oci: socket activation without a pid namespace, over create and start, and of a further process" {
	echo three >"$BATS_TEST_TMPDIR/3"
	echo four >"$BATS_TEST_TMPDIR/4"
	bundle '.linux.namespaces |= map(select(.type != "pid")) |
		.process.args = ["sh", "-c", "echo $$:$LISTEN_PID; cat <&3; exec sleep 600"]'
	activated 1 own create --bundle "$BUNDLE" one >"$OUT" 2>"$OUT.err" </dev/null 3>&- || fail "$(cat "$OUT.err")"
	ok runtime start one
	eventually 10 grep -q three "$OUT"
	pid=$(runtime state one | jq .pid)
	[ "$(head -n1 "$OUT")" = "$pid:$pid" ] || fail "$(cat "$OUT")"
	ok activated 2 own exec one sh -c '[ $$ = "$LISTEN_PID" ] && cat <&4 && echo $LISTEN_FDS'
	shows "four
2"
}

@test "oci: the CPUs of whoever starts it mean nothing to a container" {
	[ "$(nproc)" -gt 1 ] || skip "there is but one CPU"
	local all
	all=$(grep Cpus_allowed_list /proc/self/status)
	bundle '.process.args = ["grep", "Cpus_allowed_list", "/proc/self/status"]'
	ok taskset -c 0 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --bundle "$BUNDLE" one
	shows "$all"
	bundle '.process.args = ["grep", "Cpus_allowed_list", "/proc/self/status"] |
		.linux.resources.cpu = {"cpus": "1"}'
	ok taskset -c 0 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --bundle "$BUNDLE" one
	shows 'Cpus_allowed_list:	1'
	bundle '.process.args = ["sleep", "600"]'
	create one
	ok runtime start one
	ok taskset -c 0 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one grep Cpus_allowed_list /proc/self/status
	shows "$all"
}

@test "oci: a further process has the session keyring of the container, not one of its own" {
	[ -e /proc/keys ] || skip "this kernel has no keyrings"
	static_program "$E2E_DIR/keyring.c" "$BUNDLE/rootfs/bin/keyring"
	for users in . "$USERNS"; do
		bundle '.process.args = ["sh", "-c", "keyring add; exec sleep 600"] | '"$users"
		create one
		ok runtime start one
		eventually 10 grep -q added "$OUT"
		ok runtime exec one keyring find
		[[ $output == "found in _ses.one."* ]] || fail
		ok runtime exec --user 1000:1000 one keyring find
		contains 'found in _ses.one.'
		# Whoever knows but the id of the container cannot prepare one, nor find it.
		exits 1 runtime exec one keyring join _ses.one
		ok runtime delete --force one
	done
	# The caller's, where that is asked for.
	bundle '.process.args = ["sh", "-c", "keyring find; exec sleep 600"]'
	"$BUNDLE/rootfs/bin/keyring" session "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" \
		run --no-new-keyring --detach --bundle "$BUNDLE" one >"$OUT" 2>"$OUT.err" </dev/null 3>&-
	eventually 10 grep -q 'found in _ses.caller' "$OUT"
	ok "$BUNDLE/rootfs/bin/keyring" session "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec one keyring find
	shows 'found in _ses.caller'
}

@test "oci: a command that is not there is an error of create, in the words that engines know" {
	bundle '.process.args = ["no-such-command"]'
	refused_by 127 'executable file not found in $PATH' runtime create --bundle "$BUNDLE" one
	bundle '.process.args = ["/etc/passwd"]'
	refused_by 126 'ermission denied' runtime create --bundle "$BUNDLE" one
	printf 'no program\n' >"$BUNDLE/rootfs/bin/text"
	chmod 755 "$BUNDLE/rootfs/bin/text"
	bundle '.process.args = ["/bin/text"]'
	create one
	refused_by 126 "cannot run '/bin/text'" runtime start one
	eventually 10 has_status one stopped
	ok runtime delete one
}

@test "oci: without a process it can be created, not started" {
	bundle "del(.process) | .hooks = {
		startContainer: [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"echo >/tmp/started\"]}],
		poststop: [{path: \"/bin/touch\", args: [\"touch\", \"$E2E_STATE/stopped\"]}]}"
	refused_by 125 'process: is missing: there is nothing to run' runtime run --bundle "$BUNDLE" one
	create one
	[ "$(status_of one)" = created ]
	[ "$(grep CapEff "/proc/$(runtime state one | jq .pid)/status")" = $'CapEff:\t0000000000000000' ]
	ok runtime exec one sh -c 'pwd; id -u; ls /tmp'
	[ "$output" = $'/\n0' ] || fail
	exits 125 runtime start one
	[[ $stderr == *'process: is missing: there is nothing to start'* ]] || fail
	[ "$(status_of one)" = stopped ]
	[ ! -e "$BUNDLE/rootfs/tmp/started" ] || fail "a hook of the start has run"
	ok runtime delete one
	[ -e "$E2E_STATE/stopped" ]
	create one
	ok runtime kill one KILL
	eventually 10 has_status one stopped
	ok runtime delete one
}

@test "oci: the log has errors as engines parse them" {
	bundle '.process.args = ["no-such-command"]'
	exits 127 runtime --log "$BATS_TEST_TMPDIR/log" --log-format json create --bundle "$BUNDLE" one
	[[ $(jq -r 'select(.level == "error") | .msg' "$BATS_TEST_TMPDIR/log") == *'executable file not found'* ]] || fail
	jq -e '.time | test("^[0-9]{4}-")' "$BATS_TEST_TMPDIR/log" >/dev/null
	exits 125 runtime --log "$BATS_TEST_TMPDIR/text" state none
	grep -q "^time=\"[^\"]*\" level=error msg=\"container 'none' does not exist\"$" "$BATS_TEST_TMPDIR/text"
}

@test "oci: called runc or crun, errors are 1" {
	ln -s "$INSULA_BIN/insula-runtime" "$BATS_TEST_TMPDIR/runc"
	ln -s "$INSULA_BIN/insula-runtime" "$BATS_TEST_TMPDIR/crun"
	exits 1 "$BATS_TEST_TMPDIR/runc" --root "$OCI_ROOT" state none
	[[ $stderr == time=*"level=error msg=\"container 'none' does not exist\"" ]] || fail
	exits 1 "$BATS_TEST_TMPDIR/crun" --root "$OCI_ROOT" state none
	[[ $stderr == "crun: container 'none' does not exist"* ]] || fail
	ok "$BATS_TEST_TMPDIR/runc" --version
	[[ ${lines[0]} =~ ^runc\ version\ [0-9.]+$ && ${lines[1]} =~ ^commit:\ insula-runtime\ [0-9.]+$ &&
		${lines[2]} =~ ^spec:\ [0-9.]+$ ]] || fail
	bundle '.process.args = ["sleep", "600"]'
	create one
	exits 0 "$BATS_TEST_TMPDIR/runc" --root "$OCI_ROOT" delete one # a created one, as runc does
}

@test "oci: an id is taken once, and two that are made at the same time are one" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	refused_by 125 'already exists' runtime create --bundle "$BUNDLE" one
	ok runtime delete --force one
	local pids=() made=0 i
	for i in 1 2 3 4 5 6; do
		"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" create --bundle "$BUNDLE" two >/dev/null 2>&1 </dev/null 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		if wait "$i"; then made=$((made + 1)); fi
	done
	[ $made -eq 1 ] || fail "made: $made"
	[ "$(runtime list -q)" = two ]
	ok runtime delete --force two
}

@test "oci: a control group that another container is in stays his" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	ok runtime start one
	refused_by 125 "insula-$UNIQUE-one" runtime create --bundle "$BUNDLE" --config "$BUNDLE/one.json" two
	[ "$(status_of one)" = running ] || fail
	# not even where the other one is killed before it finds out
	INSULA_FAIL=create.planned=kill runtime create --bundle "$BUNDLE" --config "$BUNDLE/one.json" two \
		>/dev/null 2>&1 3>&- && fail "was not killed"
	ok runtime delete --force two
	[ "$(status_of one)" = running ] || fail
	ok runtime delete --force one
}

@test "oci: of the groups above its own delete removes those that were made for it, in each hierarchy" {
	local parent=insula-$UNIQUE-above there others
	there=$(find /sys/fs/cgroup -maxdepth 1 -mindepth 1 -type d -name 'memory*' | head -n1)
	[ -n "$there" ] || skip "there is but one hierarchy"
	mkdir "$there/$parent"
	bundle '.process.args = ["true"]'
	jq --arg group "/$parent/below/one" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$BUNDLE/above.json"
	runtime create --bundle "$BUNDLE" --config "$BUNDLE/above.json" one >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	others=$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$parent" | wc -l)
	[ "$others" -gt 1 ] || fail "made in no other hierarchy"
	ok runtime delete --force one
	[ "$(find /sys/fs/cgroup -maxdepth 3 -type d -path "*/$parent*")" = "$there/$parent" ] || fail
	ok runtime run --bundle "$BUNDLE" --config "$BUNDLE/above.json" one
	[ "$(find /sys/fs/cgroup -maxdepth 3 -type d -path "*/$parent*")" = "$there/$parent" ] || fail
	# Nothing was made there, and all of it elsewhere.
	mkdir "$there/$parent/below"
	ok runtime run --bundle "$BUNDLE" --config "$BUNDLE/above.json" one
	[ "$(find /sys/fs/cgroup -maxdepth 3 -type d -path "*/$parent*" | sort)" = "$there/$parent
$there/$parent/below" ] || fail
	rmdir "$there/$parent/below" "$there/$parent"
}

@test "oci: ids that are no names" {
	bundle .
	local id
	for id in '' . .. ../x -rf a/b $'a\nb' 'ä' "$(printf 'x%.0s' $(seq 256))"; do
		refused_by 125 'is not a container id' runtime create --bundle "$BUNDLE" -- "$id"
	done
	bundle '.process.args = ["true"]'
	ok runtime run --bundle "$BUNDLE" "$(printf 'x%.0s' $(seq 255))"
}

@test "oci: list, ps, pause and resume" {
	bundle '.process.args = ["sh", "-c", "while :; do echo x >>/tmp/ticks; sleep 0.05; done"]'
	create one
	ok runtime start one
	create two
	ok runtime list
	[ "${#lines[@]}" -eq 3 ] || fail
	[ "$(runtime list --format json | jq -r '.[] | .id + " " + .status' | sort)" = "one running
two created" ] || fail
	[ "$(runtime list -q | sort)" = "one
two" ]
	ok runtime ps one
	contains 'sh -c while'
	ok runtime ps --format json one
	[ "$(jq '.[0]' <<<"$output")" = "$(runtime state one | jq .pid)" ]
	ok runtime ps one -o pid,comm
	[[ ${lines[0]} =~ PID\ +COMMAND ]] || fail
	ok runtime pause one
	[ "$(status_of one)" = paused ]
	before=$(wc -c <"$BUNDLE/rootfs/tmp/ticks")
	sleep 0.3
	[ "$(wc -c <"$BUNDLE/rootfs/tmp/ticks")" = "$before" ] || fail "it goes on"
	refused_by 125 'not running' runtime pause one
	ok runtime resume one
	refused_by 125 'not paused' runtime resume one
	[ "$(status_of one)" = running ]
	ok runtime delete --force one
	ok runtime delete --force two
	ok runtime delete --force two # there is none
}

@test "oci: one that is paused can be killed and deleted" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	ok runtime start one
	ok runtime pause one
	ok runtime kill one KILL
	eventually 10 has_status one stopped
	ok runtime delete one
	create one
	ok runtime start one
	ok runtime pause one
	ok runtime delete --force one
}

@test "oci: kill --all, and by expression" {
	bundle '.process.args = ["sh", "-c", "sleep 600 & sleep 600"]'
	create one
	ok runtime start one
	eventually 10 sh -c '[ "$("$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" ps --format json one | jq length)" -ge 2 ]'
	ok runtime kill --all one KILL
	eventually 10 has_status one stopped
	bundle '.process.args = ["sleep", "600"]'
	create group-1
	create group-2
	create other
	ok runtime kill --regex '^group-' KILL
	eventually 10 has_status group-1 stopped
	eventually 10 has_status group-2 stopped
	[ "$(status_of other)" = created ]
	refused_by 125 'not a regular expression' runtime delete --regex '('
	ok runtime delete --force --regex '.'
	[ -z "$(runtime list -q)" ]
}

@test "oci: hooks run in their order, each in its namespaces, with the state" {
	cat >"$BATS_TEST_TMPDIR/hook" <<-'HOOK'
		#!/bin/sh
		state=$(cat)
		sees=no
		[ ! -e "$2/rootfs/proc/1" ] || sees=yes
		echo "$1 $(echo "$state" | jq -r '.id + " " + .status') $(readlink /proc/self/ns/net) $sees $3" >>"$4"
	HOOK
	chmod 755 "$BATS_TEST_TMPDIR/hook"
	local log=$BATS_TEST_TMPDIR/log
	hook() {
		echo "{path: \"$BATS_TEST_TMPDIR/hook\", args: [\"hook\", \"$1\", \"$BUNDLE\", \"second\", \"$log\"]}"
	}
	bundle ".hooks = {
			prestart: [$(hook prestart)], createRuntime: [$(hook createRuntime)],
			createContainer: [$(hook createContainer)], poststart: [$(hook poststart)],
			poststop: [$(hook poststop)],
			startContainer: [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"cat >/tmp/state\"]}]}
		| .process.args = [\"sleep\", \"600\"]"
	create one
	pid=$(runtime state one | jq .pid)
	local host inside
	host=$(readlink /proc/self/ns/net)
	inside=$(readlink "/proc/$pid/ns/net")
	# "created" is what comes after step 2 of the life cycle, and these are its steps 3 to 5.
	[ "$(cat "$log")" = "prestart one created $host no second
createRuntime one created $host no second
createContainer one created $inside yes second" ] || fail "$(cat "$log")"
	[ ! -e "$BUNDLE/rootfs/tmp/state" ]
	ok runtime start one
	# "For hooks executed in the container namespace, it is the pid as seen by the container."
	[ "$(jq -r '.status + " " + (.pid | tostring)' "$BUNDLE/rootfs/tmp/state")" = "created 1" ]
	ok runtime delete --force one
	[ "$(tail -n 2 "$log")" = "poststart one running $host no second
poststop one stopped $host no second" ] || fail "$(cat "$log")"
	run grep "$BUNDLE" /proc/self/mountinfo
	[ "$status" -eq 1 ] || fail "mounted on the host"
}

@test "oci: a hook that fails says so, and ends what it belongs to" {
	local kind
	for kind in prestart createRuntime createContainer; do
		bundle ".hooks.$kind = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"echo one; echo the reason >&2; exit 3\"]}]"
		refused_by 125 "hook '/bin/sh' (${kind}[0]): exited with 3: the reason" runtime create --bundle "$BUNDLE" one
	done
	bundle '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "kill -9 $$"]}]'
	create one
	refused_by 125 "hook '/bin/sh' (startContainer[0]): was ended by signal 9" runtime start one
	ok runtime delete --force one
	bundle '.hooks.poststart = [{path: "/bin/false"}] | .process.args = ["sleep", "600"]'
	create one
	refused_by 125 "(poststart[0]): exited with 1" runtime start one
	eventually 10 has_status one stopped
	ok runtime delete one
	# Of these the remaining ones run, and the end goes on.
	bundle ".hooks.poststop = [{path: \"/no/such/hook\"}, {path: \"/bin/false\"},
			{path: \"/bin/touch\", args: [\"touch\", \"$E2E_STATE/last\"]}] | .process.args = [\"true\"]"
	ok runtime run --bundle "$BUNDLE" one
	[[ $stderr == *"warning: hook '/no/such/hook' (poststop[0])"* ]] || fail
	[[ $stderr == *"warning: hook '/bin/false' (poststop[1]): exited with 1"* ]] || fail
	[ -e "$E2E_STATE/last" ] || fail "a hook that failed has kept the next from running"
	rm "$E2E_STATE/last"
	INSULA_FAIL=resctrl.remove=error:EBUSY ok runtime run --bundle "$BUNDLE" one
	[[ $stderr == *"warning: failpoint resctrl.remove"* ]] || fail
	[ -e "$E2E_STATE/last" ] || fail "a group that stays has kept the hooks from running"
	[ -z "$(runtime list -q)" ]
	bundle '.hooks.createRuntime = [{path: "/bin/sleep", args: ["sleep", "60"], timeout: 1}]'
	refused_by 125 "did not end within 1 s, and was killed" runtime create --bundle "$BUNDLE" one
}

@test "oci: what hooks print goes where annotations say" {
	bundle ".annotations = {\"run.oci.hooks.stdout\": \"$BATS_TEST_TMPDIR/o\", \"run.oci.hooks.stderr\": \"$BATS_TEST_TMPDIR/e\"}
		| .hooks = ([\"prestart\", \"createRuntime\", \"createContainer\", \"startContainer\", \"poststart\", \"poststop\"]
			| map({(.): [{path: \"/bin/sh\", args: [\"sh\", \"-c\", (\"echo \" + . + \"; echo no-\" + . + \" >&2\")]}]}) | add)
		| .process.args = [\"true\"]"
	ok runtime run --bundle "$BUNDLE" one
	[ "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/o")" = "prestart createRuntime createContainer startContainer poststart poststop " ] || fail "$(cat "$BATS_TEST_TMPDIR/o")"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/e")" = 6 ] || fail "$(cat "$BATS_TEST_TMPDIR/e")"
	bundle '.annotations = {"run.oci.hooks.stdout": "/no/such/directory/file"} | .hooks.prestart = [{path: "/bin/true"}]'
	refused_by 125 "annotation run.oci.hooks.stdout: cannot open '/no/such/directory/file'" runtime create --bundle "$BUNDLE" one
}

@test "oci: a hook has the environment that it lists, and no descriptor of ours" {
	bundle ".hooks.createRuntime = [{path: \"/bin/sh\", env: [\"ONLY=this\"],
		args: [\"sh\", \"-c\", \"env | grep -v -e ^PWD -e ^SHLVL -e ^_= >$BATS_TEST_TMPDIR/env; ls /proc/self/fd | wc -l >>$BATS_TEST_TMPDIR/env\"]}]"
	create one
	[ "$(cat "$BATS_TEST_TMPDIR/env")" = "ONLY=this
4" ] || fail "$(cat "$BATS_TEST_TMPDIR/env")"
	ok runtime delete --force one
}

@test "oci: a service manager is told when the command is ready, and nothing else" {
	bundle '.process.args = ["/bin/notify", "STATUS=working", "MAINPID=1", "READY=1"]'
	static_program "$E2E_DIR/notify.c" "$BUNDLE/rootfs/bin/notify"
	python3 - "$BATS_TEST_TMPDIR/manager" >"$BATS_TEST_TMPDIR/heard" 3>&- <<-'PYTHON' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		s.settimeout(30)
		print(s.recv(4096).decode())
	PYTHON
	local manager=$!
	eventually 10 test -S "$BATS_TEST_TMPDIR/manager"
	NOTIFY_SOCKET=$BATS_TEST_TMPDIR/manager create one
	NOTIFY_SOCKET=$BATS_TEST_TMPDIR/manager ok timeout 30 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" start one
	wait $manager
	[ "$(cat "$BATS_TEST_TMPDIR/heard")" = "MAINPID=$(runtime state one | jq .pid)
READY=1" ] || fail "heard: $(cat "$BATS_TEST_TMPDIR/heard")"
	ok runtime delete --force one
	# one that ends without a word is not waited for
	bundle '.process.args = ["true"]'
	NOTIFY_SOCKET=$BATS_TEST_TMPDIR/manager create two
	NOTIFY_SOCKET=$BATS_TEST_TMPDIR/manager ok timeout 30 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" start two
	ok runtime delete --force two
}

@test "oci: container root that is host root does not reach our program" {
	local before
	before=$(sha256sum <"$INSULA_BIN/insula-runtime")
	printf '#!/proc/self/exe\n' >"$BUNDLE/rootfs/bin/again"
	chmod 755 "$BUNDLE/rootfs/bin/again"
	bundle '.process.args = ["/bin/again"]'
	run runtime run --bundle "$BUNDLE" one
	bundle '.process.args = ["sleep", "600"]'
	create one
	pid=$(runtime state one | jq .pid)
	[ "$(stat -L -c %d:%i "/proc/$pid/exe")" != "$(stat -c %d:%i "$INSULA_BIN/insula-runtime")" ] || fail
	cmp "/proc/$pid/exe" "$INSULA_BIN/insula-runtime"
	[ "$(stat -f -L -c %T "/proc/$pid/exe")" = tmpfs ] || fail "$(stat -f -L -c %T "/proc/$pid/exe")"
	run sh -c 'echo x >"/proc/$1/exe"' sh "$pid"
	[[ $output == *'Read-only file system'* ]] || fail
	run python3 - "$pid" <<-'PYTHON'
		# Whoever has every capability in the container's mount namespace: make that mount writable again.
		import ctypes, os, struct, sys
		libc = ctypes.CDLL(None, use_errno=True)
		ns = os.open("/proc/%s/ns/mnt" % sys.argv[1], os.O_RDONLY)
		exe = os.open("/proc/%s/exe" % sys.argv[1], os.O_PATH)
		assert libc.setns(ns, 0x20000) == 0
		attr = struct.pack("QQQQ", 0, 1, 0, 0)  # clear MOUNT_ATTR_RDONLY
		print(libc.syscall(442, exe, b"", 0x1000, attr, len(attr)))
		print(libc.syscall(433, exe, b"", 0x8))  # fspick, FSPICK_EMPTY_PATH
		try:
		    os.open("/proc/self/fd/%d" % exe, os.O_WRONLY)
		    print("opened")
		except OSError as e:
		    print("refused")
	PYTHON
	[ "$output" = "-1
-1
refused" ] || fail
	[ "$(sha256sum <"$INSULA_BIN/insula-runtime")" = "$before" ]
	ok runtime delete --force one
}

@test "oci: what a killed create left is removed by delete, and by the next create" {
	bundle '.process.args = ["sleep", "600"]'
	local point
	for point in state.claimed state.written create.planned start.cgroup start.clone start.mount \
		start.pivot start.born start.release create.done; do
		INSULA_FAIL="$point=kill" runtime create --bundle "$BUNDLE" one >/dev/null 2>&1 3>&- &&
			fail "was not killed at $point"
		ok runtime delete --force one
		[ -z "$(runtime list -q)" ] || fail "left after $point"
		[ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "insula-$UNIQUE-one")" ] || fail "group left after $point"
	done
	INSULA_FAIL="start.clone=kill" runtime create --bundle "$BUNDLE" one >/dev/null 2>&1 3>&- && fail "was not killed"
	create one
	ok runtime delete --force one
}
