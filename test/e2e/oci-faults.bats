#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula-runtime when things go wrong: every verb killed, refused by the kernel, raced, and its files spoilt.
# After each of these `delete --force` leaves nothing, and no verb hangs.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # status is set by run

load helpers
load oci

setup_file() {
	file_setup
	static_program "$E2E_DIR/stuck.c" "$BATS_FILE_TMPDIR/stuck"
}

RUNTIME=$INSULA_BIN/insula-runtime

# within SECONDS ARGUMENT...: killed when it takes longer, which fails the test. Not by a pipe: a container
# would hold it.
within() {
	local limit=$1 file
	shift
	file=$(mktemp "$E2E_STATE/within.XXXXXX")
	status=0
	timeout "$limit" "$RUNTIME" --root "$OCI_ROOT" "$@" >"$file" 2>"$file.err" </dev/null 3>&- || status=$?
	output=$(cat "$file")
	stderr=$(cat "$file.err")
	rm -f "$file" "$file.err"
	[ "$status" -ne 124 ] || fail "hangs: $*"
}

# Background: its output is in $OUT.bg, its number in $bg.
in_background() {
	"$RUNTIME" --root "$OCI_ROOT" "$@" >"$OUT.bg" 2>&1 </dev/null 3>&- &
	bg=$!
}

ended_with() {
	local code=0
	wait "$bg" || code=$?
	[ $code -eq "$1" ] || fail "ended with $code: $(cat "$OUT.bg")"
}

status_of() {
	runtime state "$1" | jq -r .status
}

is_stopped() {
	[ "$(status_of "$1")" = stopped ]
}

group_of() {
	find /sys/fs/cgroup -maxdepth 3 -type d -name "insula-$UNIQUE-$1"
}

# processes: of the containers of this test, by their group or their bundle, and ours.
processes() {
	{
		find /sys/fs/cgroup -maxdepth 3 -type d -name "insula-$UNIQUE-*" -exec cat {}/cgroup.procs \;
		pgrep -f -- "--root $OCI_ROOT"
	} 2>/dev/null | sort -u
}

# gone WHAT: nothing is left of any container.
gone() {
	local end=$((SECONDS + 5))
	while [ -n "$(processes)" ] && [ $SECONDS -lt $end ]; do sleep 0.05; done
	[ -z "$(processes)" ] || fail "$1: processes are left: $(ps -o pid,stat,args -p "$(processes | paste -s -d,)")"
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -type d -name "insula-$UNIQUE-*")" ] || fail "$1: groups are left"
	[ -z "$(find "$OCI_ROOT" -mindepth 1 2>/dev/null)" ] || fail "$1: files are left: $(find "$OCI_ROOT" -mindepth 1)"
}

# The verbs of a life, with everything that has steps of its own.
rich_bundle() {
	bundle '.process.args = ["sleep", "600"]
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["swapon"], action: "SCMP_ACT_ERRNO"}]}
		| .hooks = {createRuntime: [{path: "/bin/true"}], createContainer: [{path: "/bin/true"}],
			startContainer: [{path: "/bin/true"}], poststart: [{path: "/bin/true"}], poststop: [{path: "/bin/true"}]}'
	jq --arg group "/insula-$UNIQUE-one" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$OUT.json"
	mv "$OUT.json" "$BUNDLE/config.json"
}

# A life of container "one" with a fault in it. Verbs may fail; none may hang.
life() {
	local verb
	for verb in "create --bundle $BUNDLE" start pause resume "kill" "delete --force"; do
		# shellcheck disable=SC2086  # words
		INSULA_FAIL=${1:-} within 30 $verb one || return
		[ "$verb" != kill ] || { INSULA_FAIL='' within 30 kill one KILL || return; }
	done
}

@test "oci faults: every failpoint that a life visits, as a kill and as an error" {
	rich_bundle
	local point points action
	INSULA_FAIL_LOG=$OUT.log life
	gone "without a fault"
	points=$(cut -d' ' -f1 "$OUT.log" | grep -v -e '^file\.' | sort -u)
	[ "$(wc -w <<<"$points")" -gt 25 ] || fail "visited: $points"
	for point in $points; do
		for action in kill error:EIO; do
			life "$point=$action"
			within 30 delete --force one
			[ "$status" -eq 0 ] || fail "$point=$action: $stderr"
			gone "$point=$action"
		done
	done
	echo "# $(wc -w <<<"$points") points" >&3
}

@test "oci faults: a profile that cannot be compiled, which is seen when the process is there already" {
	local args='args: [{index: 0, value: 1, op: "SCMP_CMP_EQ"}]' verb
	bundle ".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [{names: [\"mkdir\"], action: \"SCMP_ACT_ERRNO\", $args},
		{names: [\"mkdir\"], action: \"SCMP_ACT_KILL_PROCESS\", $args}]}"
	for verb in create run; do
		within 30 "$verb" --bundle "$BUNDLE" one
		[ "$status" -eq 125 ]
		[[ $stderr == *"two actions for the same arguments of call number "* ]] || fail "$verb: $stderr"
		[ "$(grep -c . <<<"$stderr")" -le 2 ] || fail "$verb: $stderr"
		gone "$verb"
	done
}

@test "oci faults: files that are written half, in every verb" {
	rich_bundle
	local point points action nth
	INSULA_FAIL_LOG=$OUT.log life
	points=$(cut -d' ' -f1 "$OUT.log" | grep -e '^file\.' | sort -u)
	for point in $points; do
		for action in kill error:ENOSPC; do
			for nth in 1 2 3; do
				life "$point=$action@$nth"
				within 30 delete --force one
				[ "$status" -eq 0 ] || fail "$point=$action@$nth: $stderr"
				gone "$point=$action@$nth"
			done
		done
	done
}

@test "oci faults: every kind of system call that run is made of is refused once" {
	command -v strace >/dev/null || skip "no strace here"
	rich_bundle
	jq '.process.args = ["true"]' "$BUNDLE/config.json" >"$OUT.json" # strace stays as long as what it traces
	mv "$OUT.json" "$BUNDLE/config.json"
	local call nth hit=0
	for call in openat mkdirat write renameat clone3 setns unshare socketpair sendmsg open_tree move_mount fsconfig \
		openat2 pivot_root execve execveat; do
		for nth in 1 5; do
			run timeout 40 strace -f -qq -e signal=none -o "$OUT.trace" -e "trace=$call" \
				-e "inject=$call:error=EIO:when=$nth" sh -c 'exec "$@" >"$OUT.w" 2>&1 </dev/null 3>&-' sh \
				"$RUNTIME" --root "$OCI_ROOT" run --bundle "$BUNDLE" one
			[ "$status" -ne 124 ] || fail "hangs at $call $nth"
			grep -q INJECTED "$OUT.trace" || {
				within 30 delete --force one
				break
			}
			hit=$((hit + 1))
			[ "$status" -eq 0 ] || [ -z "$(runtime list -q)" ] || fail "$call $nth: failed, and is listed"
			within 30 delete --force one
			[ "$status" -eq 0 ] || fail "$call $nth: $stderr"
			gone "$call $nth"
		done
	done
	[ $hit -gt 20 ] || fail "only $hit calls were refused"
}

# ---- races ----

@test "oci faults: two starts at the same time: one of them starts it, once" {
	local i n ok
	bundle '.process.args = ["sh", "-c", "echo begun >>/begun; exec sleep 600"]'
	for n in $(seq 5); do
		rm -f "$BUNDLE/rootfs/begun"
		create one
		for i in 1 2 3 4; do
			(within 30 start one && echo "$status" >"$OUT.$i") 3>&- &
		done
		wait
		ok=$(grep -l -x 0 "$OUT".[1-4] | wc -l)
		[ "$ok" -eq 1 ] || fail "$ok succeeded"
		eventually 5 test -s "$BUNDLE/rootfs/begun"
		[ "$(wc -l <"$BUNDLE/rootfs/begun")" -eq 1 ] || fail "round $n: begun more than once"
		ok runtime delete --force one
	done
}

@test "oci faults: many creates and deletes of one id at the same time" {
	local n i
	bundle '.process.args = ["sleep", "600"]'
	for n in $(seq 4); do
		for i in 1 2 3 4; do
			(within 60 create --bundle "$BUNDLE" one) >"$OUT.c$i" 2>&1 </dev/null 3>&- &
			(within 60 delete --force one) >"$OUT.d$i" 2>&1 3>&- &
		done
		wait
		! grep -H hangs "$OUT".[cd]? || fail
		within 30 delete --force one
		[ "$status" -eq 0 ] || fail
		gone "round $n"
	done
}

# stopped_at POINT VERB...: in the background, until somebody of it has stopped there.
stopped_at() {
	local point=$1
	shift
	: >"$OUT.log"
	INSULA_FAIL="$point=stop" INSULA_FAIL_LOG="$OUT.log" in_background "$@"
	eventually 10 grep -q "^$point stop" "$OUT.log"
}

go_on() {
	pkill -CONT -f -- "--root $OCI_ROOT" || true
}

@test "oci faults: delete --force while it is created says that somebody is at it, and leaves him alone" {
	bundle '.process.args = ["sleep", "600"]'
	stopped_at start.mount create --bundle "$BUNDLE" one
	within 25 delete --force one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *"container 'one'"* ]] || fail
	within 5 kill one
	[[ $stderr == *'container not running'* ]] || fail
	within 5 exec one true
	[[ $stderr == *'container not running'* ]] || fail
	[ "$(status_of one)" = creating ] || fail
	within 5 create --bundle "$BUNDLE" one
	[[ $stderr == *'already exists'* ]] || fail
	go_on
	ended_with 0
	[ "$(status_of one)" = created ]
	ok runtime delete --force one
}

@test "oci faults: whoever creates is killed while he is stopped: the next command clears up" {
	bundle '.process.args = ["sleep", "600"]'
	local point
	for point in start.clone init.wait create.done; do
		stopped_at $point create --bundle "$BUNDLE" one
		kill -9 "$bg"
		go_on
		wait "$bg" || true
		within 20 delete --force one
		[ "$status" -eq 0 ] || fail "$point: $stderr"
		gone "$point"
	done
}

@test "oci faults: the process dies between create and start, and while it starts" {
	bundle '.process.args = ["sleep", "600"] | .hooks.startContainer = [{path: "/bin/sleep", args: ["sleep", "60"]}]'
	create one
	kill -9 "$(runtime state one | jq .pid)"
	eventually 5 is_stopped one
	within 10 start one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *'it is stopped'* ]] || fail
	ok runtime delete one
	create one
	in_background start one
	sleep 0.3
	kill -9 "$(runtime state one | jq .pid)"
	ended_with 125
	grep -q 'died before it executed' "$OUT.bg" || fail "$(cat "$OUT.bg")"
	ok runtime delete one
	gone "a dead process"
}

# ---- frozen ----

freezer() {
	if [ -d /sys/fs/cgroup/freezer ]; then
		echo "/sys/fs/cgroup/freezer/$1"
	else
		echo "/sys/fs/cgroup/$1"
	fi
}

freeze() {
	if [ -e "$1/freezer.state" ]; then echo FROZEN >"$1/freezer.state"; else echo 1 >"$1/cgroup.freeze"; fi
}

thaw() {
	if [ -e "$1/freezer.state" ]; then echo THAWED >"$1/freezer.state"; else echo 0 >"$1/cgroup.freeze"; fi
}

@test "oci faults: below a frozen group nothing is created, and nothing waits" {
	local top
	top=$(freezer "insula-$UNIQUE-top")
	mkdir "$top"
	bundle '.process.args = ["sleep", "600"] | .linux.cgroupsPath = "/insula-'"$UNIQUE"'-top/one"'
	freeze "$top"
	within 20 create --bundle "$BUNDLE" one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *[Ff]rozen* ]] || fail
	[ -z "$(runtime list -q)" ] || fail "it is listed"
	[ ! -d "$top/one" ] || fail "its group is left"
	thaw "$top"
	within 20 create --bundle "$BUNDLE" one
	[ "$status" -eq 0 ] || fail
	freeze "$top"
	within 20 start one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *paused* ]] || fail
	thaw "$top"
	ok runtime start one
	ok runtime delete --force one
	rmdir "$top" 2>/dev/null || true
	gone "thawed"
}

@test "oci faults: frozen while it is created: an error soon, and it can be deleted after the thaw" {
	local top
	top=$(freezer "insula-$UNIQUE-top")
	mkdir "$top"
	bundle '.process.args = ["sleep", "600"] | .linux.cgroupsPath = "/insula-'"$UNIQUE"'-top/one"'
	stopped_at start.release create --bundle "$BUNDLE" one
	freeze "$top"
	go_on
	local begin=$SECONDS
	ended_with 125
	[ $((SECONDS - begin)) -lt 20 ] || fail "took $((SECONDS - begin)) s"
	grep -q paused "$OUT.bg" || fail "$(cat "$OUT.bg")"
	thaw "$top"
	within 20 delete --force one
	[ "$status" -eq 0 ] || fail
	rmdir "$top" 2>/dev/null || true
	gone "thawed"
}

# ---- hooks ----

@test "oci faults: a hook that hangs is killed at its deadline, with what it started" {
	bundle ".process.args = [\"sleep\", \"600\"] | .hooks.createRuntime = [{path: \"/bin/sh\", timeout: 1,
		args: [\"sh\", \"-c\", \"sleep 7777 & echo \$! >$OUT.pid; sleep 8888\"]}]"
	within 20 create --bundle "$BUNDLE" one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *'createRuntime[0]'*'did not end within 1 s'* ]] || fail
	eventually 5 sh -c "! kill -0 $(cat "$OUT.pid")"
	gone "a hook that hangs"
}

@test "oci faults: a hook that prints without end is killed at its deadline, and costs no memory" {
	bundle '.process.args = ["sleep", "600"]
		| .hooks.createRuntime = [{path: "/usr/bin/yes", timeout: 1, args: ["yes", "0123456789"]}]'
	within 20 create --bundle "$BUNDLE" one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *'did not end within 1 s'* ]] || fail
	gone "a hook that prints"
}

@test "oci faults: a hook that prints a gigabyte and succeeds" {
	local limit=$((60 * ${INSULA_TEST_SLOW:-1}))
	bundle ".process.args = [\"true\"] | .hooks.createRuntime = [{path: \"/bin/sh\", timeout: $limit,
		args: [\"sh\", \"-c\", \"head -c 1000000000 /dev/zero; echo >&2 said\"]}]"
	run sh -c 'ulimit -v 200000; exec timeout '$limit' "$@"' sh "$RUNTIME" --root "$OCI_ROOT" run --bundle "$BUNDLE" one
	[ "$status" -eq 0 ] || fail
	gone "a hook that prints much"
}

@test "oci faults: a daemon that a hook leaves behind keeps nobody waiting" {
	bundle ".process.args = [\"true\"] | .hooks.createRuntime = [{path: \"/bin/sh\",
		args: [\"sh\", \"-c\", \"setsid sleep 7777 & echo \$! >$OUT.pid\"]}]"
	within 20 run --bundle "$BUNDLE" one
	[ "$status" -eq 0 ] || fail
	kill "$(cat "$OUT.pid")"
	gone "a daemon"
}

@test "oci faults: hooks that are not there, or no programs" {
	local hook
	for hook in /nowhere/hook /etc/passwd /tmp; do
		bundle '.process.args = ["true"] | .hooks.createRuntime = [{path: "'$hook'"}]'
		within 20 run --bundle "$BUNDLE" one
		[ "$status" -eq 125 ] || fail
		[[ $stderr == *"hook '$hook' (createRuntime[0])"*'cannot execute it'* ]] || fail
		gone "$hook"
	done
}

# ---- files ----

@test "oci faults: any byte of what is recorded is changed: an error that says so, and it can be deleted" {
	bundle '.process.args = ["sleep", "600"]'
	local file size at verb
	create one
	ok runtime start one
	for file in state.json config.json; do
		cp "$OCI_ROOT/one/$file" "$OUT.good"
		size=$(stat -c %s "$OUT.good")
		for at in 0 1 7 40 $((size / 3)) $((size / 2)) $((size - 20)) $((size - 2)) $((size - 1)); do
			python3 - "$OUT.good" "$OCI_ROOT/one/$file" "$at" <<-'PYTHON'
				import sys
				data = bytearray(open(sys.argv[1], "rb").read())
				data[int(sys.argv[3])] ^= 1
				open(sys.argv[2], "wb").write(data)
			PYTHON
			for verb in "exec one true" "start one" "state one" "delete one"; do
				# shellcheck disable=SC2086  # words
				within 20 $verb
				[ "$status" -ne 0 ] || [ "$file $verb" = "config.json state one" ] ||
					fail "$file, byte $at: $verb succeeds"
			done
			within 20 exec one true
			[[ $stderr == *damaged* ]] || fail "$file, byte $at"
			within 20 list
			[[ $output$stderr == *one* ]] || fail "$file, byte $at: not listed"
		done
		cp "$OUT.good" "$OCI_ROOT/one/$file"
	done
	inside_works
	for file in state.json config.json; do
		echo '{' >"$OCI_ROOT/one/$file"
		within 20 delete --force one
		[ "$status" -eq 0 ] || fail "$file: $stderr"
		gone "a damaged $file"
		create one
		ok runtime start one
	done
}

inside_works() {
	ok runtime exec one true
}

@test "oci faults: a record that names another container concerns only its own" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	create two
	cp "$OCI_ROOT/one/state.json" "$OCI_ROOT/two/state.json"
	within 20 state two
	[[ $stderr == *"container 'two'"*'another container'* ]] || fail
	within 20 kill two KILL
	[ "$status" -ne 0 ] || fail
	[ "$(status_of one)" = created ] || fail "the other was meant"
	within 20 delete --force two
	[ "$status" -eq 0 ] || fail
	[ "$(status_of one)" = created ] || fail "the other was deleted"
	ok runtime delete --force one
	local leftover
	leftover=$(group_of two)
	[ -z "$leftover" ] || fail "groups are left: $leftover"
}

@test "oci faults: a state directory that is full, or read-only" {
	bundle '.process.args = ["sleep", "600"]'
	mkdir "$OCI_ROOT"
	run unshare --mount --propagation private sh -c '
		mount -t tmpfs -o size=16k,mode=700 none "$OCI_ROOT"
		head -c 100000 /dev/zero >"$OCI_ROOT/.full"
		"$1" --root "$OCI_ROOT" create --bundle "$BUNDLE" one; echo "code $?"
		ls "$OCI_ROOT"
		rm "$OCI_ROOT/.full"; mount -o remount,ro "$OCI_ROOT"
		"$1" --root "$OCI_ROOT" create --bundle "$BUNDLE" one; echo "code $?"
		"$1" --root "$OCI_ROOT" list -q' sh "$RUNTIME"
	[ "$(grep -c 'code 125' <<<"$output")" -eq 2 ] || fail
	[[ $output == *'no space left'*'read-only file system'* ]] || fail
	! grep -qx one <<<"$output" || fail "it is there"
	gone "a full directory"
}

@test "oci faults: a directory that became read-only: delete ends the container, says so, and can be repeated" {
	bundle '.process.args = ["sleep", "600"]'
	mkdir "$OCI_ROOT"
	run unshare --mount --propagation private sh -c '
		mount -t tmpfs -o mode=700 none "$OCI_ROOT"
		"$1" --root "$OCI_ROOT" create --bundle "$BUNDLE" one </dev/null >/dev/null 2>&1 || exit 1
		mount -o remount,ro "$OCI_ROOT"
		"$1" --root "$OCI_ROOT" delete --force one; echo "code $?"
		mount -o remount,rw "$OCI_ROOT"
		"$1" --root "$OCI_ROOT" delete --force one; echo "code $?"
		ls "$OCI_ROOT"' sh "$RUNTIME"
	[[ $output == *'read-only file system'*'code 125'*'code 0' ]] || fail
	gone "a read-only directory"
}

@test "oci faults: pid files and sockets that are something else" {
	bundle '.process.args = ["sleep", "600"]'
	mkdir "$OUT.dir"
	mkfifo "$OUT.fifo"
	echo canary >"$OUT.canary"
	ln -s "$OUT.canary" "$OUT.link"
	within 20 create --bundle "$BUNDLE" --pid-file "$OUT.dir" one </dev/null
	[ "$status" -eq 125 ] || fail
	gone "a pid file that is a directory"
	within 20 create --bundle "$BUNDLE" --pid-file "$OUT.link" one </dev/null
	[ "$status" -eq 0 ] || fail
	[ "$(cat "$OUT.canary")" = canary ] || fail "written through a link"
	ok runtime delete --force one
	bundle '.process.terminal = true'
	within 20 create --bundle "$BUNDLE" --console-socket "$OUT.fifo" one
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *--console-socket* ]] || fail
	gone "a socket that is a FIFO"
}

@test "oci faults: a socket whose owner does not accept costs seconds, not for ever" {
	bundle '.process.terminal = true'
	python3 - "$OUT.sock" <<-'PYTHON' 3>&- &
		import socket, sys, time
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen(0)
		held = []
		for _ in range(8):  # until the queue is full
		    c = socket.socket(socket.AF_UNIX)
		    c.setblocking(False)
		    try:
		        c.connect(sys.argv[1])
		    except OSError:
		        pass
		    held.append(c)
		print("full", flush=True)
		time.sleep(60)
	PYTHON
	local owner=$!
	eventually 10 test -S "$OUT.sock"
	sleep 0.5
	within 25 create --bundle "$BUNDLE" --console-socket "$OUT.sock" one
	kill $owner
	[ "$status" -eq 125 ] || fail
	gone "a socket that is full"
	rm "$OUT.sock"
}

@test "oci faults: the group is taken away by somebody else" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	ok runtime start one
	kill -9 "$(runtime state one | jq .pid)"
	eventually 5 is_stopped one
	local group
	for group in $(group_of one); do rmdir "$group"; done
	ok runtime delete one
	gone "a group that was removed"
}

@test "oci faults: a record of another boot" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	python3 - "$OCI_ROOT/one/state.json" <<-'PYTHON'
		import json, sys
		def fnv(data):
		    h = 0xcbf29ce484222325
		    for b in data:
		        h = ((h ^ b) * 0x100000001b3) & 0xffffffffffffffff
		    return h
		path = sys.argv[1]
		data = open(path, "rb").read()
		state = json.loads(data[:-18])
		state["boot_id"] = "00000000-0000-0000-0000-000000000000"
		out = json.dumps(state).encode()
		open(path, "wb").write(out + b"\n%016x\n" % fnv(out))
	PYTHON
	[ "$(status_of one)" = stopped ] || fail
	within 10 start one
	[ "$status" -eq 125 ] || fail
	ok runtime delete one
	gone "another boot"
}

# ---- processes that cannot be killed ----

# apart SCRIPT: with a file server that does not answer on $STUCK, in a mount namespace of its own. Whatever hangs
# there is free again at the end.
apart() {
	[ -c /dev/fuse ] || skip "no FUSE here"
	export -f runtime within status_of is_stopped group_of eventually fail
	export E2E_STATE STUCK=$E2E_STATE/stuck RUNTIME INSULA_RUNROOT=$E2E_STATE/apart PROGRAM=$BATS_FILE_TMPDIR/stuck
	mkdir -p "$STUCK" "$INSULA_RUNROOT"
	# shellcheck disable=SC2016  # expanded by that shell
	run unshare --mount --propagation private bash -euc '
		mount -t tmpfs -o mode=755 run "$INSULA_RUNROOT"
		"$PROGRAM" "$STUCK" >"$STUCK.out" 2>&1 </dev/null 3>&- & server=$!
		trap "kill \$server" EXIT
		eventually 10 grep -q -x ready "$STUCK.out" || fail "$(cat "$STUCK.out")"
		state() { sed -n "s/^State:\t\(.\).*/\1/p" "/proc/$1/status"; }
		hangs() { [ "$(state "$1")" = D ]; }
		ended() { ! [ -e "/proc/$1" ] || [ "$(state "$1")" = Z ]; }
		# refused TEXT SECONDS VERB...: an error with that text, not later
		refused() {
			local text=$1 limit=$2 begin=$SECONDS
			shift 2
			within 60 "$@"
			[ "$status" -ne 0 ] && [[ $stderr == *"$text"* ]] || fail "$*: $stderr"
			[ $((SECONDS - begin)) -le "$limit" ] || fail "$*: took $((SECONDS - begin)) s"
		}
		quick() {
			local begin=$SECONDS
			within 60 "$@"
			[ "$status" -eq 0 ] && [ $((SECONDS - begin)) -le 20 ] || fail "$*: $((SECONDS - begin)) s, $stderr"
		}
		'"$1"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "oci faults: a process that hangs in the kernel: every verb ends and says so, and it can be deleted afterwards" {
	bundle '.process.args = ["sh", "-c", "stat /stuck/anything"]
		| .mounts += [{destination: "/stuck", type: "bind", source: "'"$E2E_STATE/stuck"'", options: ["bind"]}]'
	jq --arg group "/insula-$UNIQUE-one" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$BUNDLE/one.json"
	apart '
		quick create --bundle "$BUNDLE" --config "$BUNDLE/one.json" one
		quick start one
		pid=$(runtime state one | jq .pid)
		# Its shell waits for the one that hangs, unless it has become that one.
		for child in $(pgrep -P "$pid") "$pid"; do break; done
		sleep 0.5
		kill -KILL "$child" # it is in vain, as is what the runtime does
		quick kill one KILL
		eventually 10 hangs "$child" || fail "state $(state "$child")"
		quick list
		quick state one
		quick ps one
		if [ -n "${INSULA_FULL:-}" ]; then # ten seconds each
			refused "within 10000 ms" 30 pause one
			refused "process $child" 30 kill --all one KILL
		fi
		refused "not stopped" 20 delete one
		refused "already exists" 20 create --bundle "$BUNDLE" --config "$BUNDLE/one.json" one
		refused "process $child of " 30 delete --force one
		[ "$(runtime list -q)" = one ] || fail "it is not known any more"
		kill "$server"
		wait "$server" || :
		eventually 10 ended "$child" || fail "still in state $(state "$child")"
		quick delete --force one
		[ -z "$(runtime list -q)" ] || fail "it is still known"
		trap - EXIT
	'
	gone "after it hung"
}

@test "oci faults: a command whose execution hangs in the kernel" {
	bundle '.process.args = ["/stuck/program"]
		| .mounts += [{destination: "/stuck", type: "bind", source: "'"$E2E_STATE/stuck"'", options: ["bind"]}]'
	jq --arg group "/insula-$UNIQUE-one" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$BUNDLE/one.json"
	apart '
		quick create --bundle "$BUNDLE" --config "$BUNDLE/one.json" one
		pid=$(runtime state one | jq .pid)
		if [ -n "${INSULA_FULL:-}" ]; then # it waits for two minutes
			code=0
			timeout 150 "$RUNTIME" --root "$OCI_ROOT" start one 2>"$OUT.start" >&2 || code=$?
			[ $code -eq 125 ] && grep -q "not executed within" "$OUT.start" || fail "$code: $(cat "$OUT.start")"
		else
			"$RUNTIME" --root "$OCI_ROOT" start one >"$OUT.start" 2>&1 </dev/null 3>&- & starter=$!
			sleep 1
			[ "$(status_of one)" = created ] || fail "$(cat "$OUT.start")"
			kill -KILL "$starter"
			wait "$starter" || :
		fi
		refused "process $pid of container '"'one'"' cannot be killed (state D)" 30 delete --force one
		quick list
		kill "$server"
		wait "$server" || :
		eventually 10 ended "$pid" || fail "still in state $(state "$pid")"
		quick delete --force one
		trap - EXIT
	'
	gone "after it hung"
}

@test "oci faults: a file server that does not answer: every verb that asks it says so in time, and leaves nothing" {
	local one=$BUNDLE/one.json
	bundle '.process.args = ["true"]'
	mkdir -p "$BUNDLE/rootfs/stuck"
	# at FILTER: the configuration, changed
	at() { jq --arg group "/insula-$UNIQUE-one" --arg stuck "$STUCK" ".linux.cgroupsPath = \$group | $1" "$BUNDLE/config.json" >"$BUNDLE/one.json"; }
	export -f at
	export INSULA_ANSWER_MS=1000 one
	apart '
		unanswered() {
			refused "has not answered for 1 s" 15 "$@"
			[[ $stderr == *"which asked it, is in state D"* ]] || fail "no hint: $stderr"
			[ -z "$(runtime list -q)" ] || fail "it is still known"
		}
		bind="{destination: \"/stuck\", type: \"bind\", source: \$stuck, options: [\"bind\"]}"
		# a name that nobody has looked for yet; afterwards whoever looks for it waits for the first
		at ".mounts += [$bind | .source += \"/anything\"]"
		unanswered create --bundle "$BUNDLE" --config "$one" one
		at ".root.path = (\$stuck + \"/root\")"
		unanswered create --bundle "$BUNDLE" --config "$one" one
		unanswered run --bundle "$STUCK/bundle" one
		unanswered run --bundle "$BUNDLE" --config "$STUCK/config" one
		at ".mounts += [$bind | .source += \"/another\"]"
		within 30 validate --config "$one" "$BUNDLE"
		[ "$status" -eq 1 ] && [[ $output == *"has not answered for 1 s"* ]] || fail "$output $stderr"
		insula() { timeout 30 "$INSULA_BIN/insula" "$@" 2>&1; }
		! insula run --rm -v "$STUCK/volume:/v" "$E2E_IMAGE" true >"$OUT.run" || fail
		! insula run --rm "dir:$STUCK/image" true >>"$OUT.run" || fail
		[ "$(grep -c "has not answered for 1 s" "$OUT.run")" -eq 2 ] || fail "$(cat "$OUT.run")"
		# below what was mounted: a walk in the tree of the container
		at ".mounts += [$bind, ($bind | .destination = \"/stuck/sub/here\" | .source = \"/etc\")]"
		refused "its file server does not answer" 15 create --bundle "$BUNDLE" --config "$one" one
		[ -z "$(runtime list -q)$(group_of one)" ] || fail "something is left"
		# one that answers costs nothing but the question
		at ".mounts += [$bind]"
		quick run --bundle "$BUNDLE" --config "$one" one
		waiting=$(pgrep -f "^$RUNTIME --root $OCI_ROOT " || :)
		[ -n "$waiting" ] || fail "nobody waits: nothing was tried"
		kill "$server"
		wait "$server" || :
		for pid in $waiting; do eventually 10 ended "$pid" || fail "state $(state "$pid")"; done
		trap - EXIT
	'
	gone "after it hung"
}

@test "oci faults: who creates waits for a file server: the others say who it is, and when it is killed all can be cleared up" {
	bundle '.process.args = ["true"]
		| .mounts += [{destination: "/stuck", type: "bind", source: "'"$E2E_STATE/stuck/anything"'", options: ["bind"]}]'
	jq --arg group "/insula-$UNIQUE-one" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$BUNDLE/one.json"
	INSULA_ANSWER_MS=600000 apart '
		"$RUNTIME" --root "$OCI_ROOT" create --bundle "$BUNDLE" --config "$BUNDLE/one.json" one >"$OUT.create" 2>&1 </dev/null 3>&- &
		creator=$!
		asks() { asker=$(pgrep -P "$creator") && kill -KILL "$asker" && hangs "$asker"; }
		eventually 10 asks || fail "nobody hangs: $(cat "$OUT.create")"
		quick list
		[ "$(status_of one)" = creating ] || fail "$(status_of one)"
		refused "held by process $creator" 30 delete --force one
		kill -KILL "$creator"
		wait "$creator" || :
		quick delete --force one
		[ -z "$(runtime list -q)$(group_of one)" ] || fail "something is left"
		hangs "$asker" || fail "state $(state "$asker")"
		kill "$server"
		wait "$server" || :
		eventually 10 ended "$asker" || fail "still in state $(state "$asker")"
		trap - EXIT
	'
	gone "after it hung"
}
