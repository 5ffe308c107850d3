#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What runc does and its callers count on, found by running its own tests on insula-runtime.

# shellcheck disable=SC2154  # output and stderr are set by run
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers
load oci

setup_file() {
	file_setup
	static_program "$E2E_DIR/call.c" "$BATS_FILE_TMPDIR/call"
}

# as_runc COMMAND...: the runtime under that name.
as_runc() {
	ln -sf "$INSULA_BIN/insula-runtime" "$E2E_STATE/runc"
	"$E2E_STATE/runc" --root "$OCI_ROOT" "$@"
}

has_status() {
	[ "$(runtime state "$1" | jq -r .status)" = "$2" ]
}

@test "oci peers: relative paths begin where the caller is, before and after the start" {
	bundle '.process.args = ["sleep", "600"]'
	mkdir "$E2E_STATE/elsewhere"
	cd "$E2E_STATE/elsewhere"
	create one --pid-file one.pid --bundle ../bundle
	[ "$(cat one.pid)" = "$(runtime state one | jq .pid)" ] || fail "$(ls)"
	bundle '.linux.cgroupsPath += "-two" | .process.terminal = true | .process.args = ["sh", "-c", "read -r line; echo got $line"]'
	receive_fd "$PWD/socket" >seen 3>&- &
	eventually 10 test -S socket
	ok runtime run --detach --bundle ../bundle --console-socket socket --pid-file two.pid two </dev/null
	wait $!
	[[ "$(cat seen)" == *'got hello'* ]] || fail "$(cat seen)"
	[ -s two.pid ] || fail "$(ls)"
	ok runtime exec --pid-file three.pid one true
	[ -s three.pid ] || fail "$(ls)"
}

@test "oci peers: a working directory that container root may enter and its user may not" {
	mkdir -m 700 "$BUNDLE/rootfs/private"
	chown 42:42 "$BUNDLE/rootfs/private"
	bundle '.process.args = ["sh", "-c", "readlink /proc/self/cwd; ls"] | .process.cwd = "/private" |
		.process.user = {uid: 1000, gid: 1000}'
	exits 1 runtime run --bundle "$BUNDLE" one
	[ "$output" = /private ] || fail
	[[ $stderr == *'Permission denied'* ]] || fail "it is nobody's but 42's"
	bundle '.process.args = ["sleep", "600"]'
	create two
	runtime start two
	ok runtime exec --cwd /private --user 1000:1000 two readlink /proc/self/cwd
	[ "$output" = /private ] || fail
	# What is outside stays outside.
	exits 125 runtime exec --cwd /proc/self/fd/9 --user 1000:1000 two true
}

@test "oci peers: hooks of the runtime begin in the bundle, those of the container in its root" {
	local hook='[{path: "/bin/sh", args: ["sh", "-c", "pwd >>\($out); ls >>\($out)"]}]'
	touch "$BUNDLE/rootfs/of-the-root"
	bundle '.process.args = ["true"]'
	jq --arg out "$OUT.hook" ".hooks = {createRuntime: $hook, createContainer: $hook}" \
		"$BUNDLE/config.json" >"$BUNDLE/hooks.json"
	cd /
	ok runtime run --bundle "$BUNDLE" --config "$BUNDLE/hooks.json" one
	[ "$(sed -n 1,3p "$OUT.hook")" = "$BUNDLE
config.json
hooks.json" ] || fail "$(cat "$OUT.hook")"
	grep -q -x "$BUNDLE/rootfs" "$OUT.hook" && grep -q -x of-the-root "$OUT.hook" || fail "$(cat "$OUT.hook")"
}

@test "oci peers: a hook of the image is bound by the filter as the command is" {
	local profile hook
	hook='.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "grep NoNewPrivs /proc/self/status >/seen; mkdir /made"]}]'
	profile='.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28},
		{names: ["close_range", "statx"], action: "SCMP_ACT_ERRNO", errnoRet: 1}]}'
	for privs in true false; do
		bundle ".process.args = [\"true\"] | .process.noNewPrivileges = $privs | $profile | $hook"
		refused_by 125 'No space left on device' runtime run --bundle "$BUNDLE" one
		[ ! -e "$BUNDLE/rootfs/made" ] || fail "the hook was not bound"
		case $privs in
		true) grep -q 'NoNewPrivs:.1' "$BUNDLE/rootfs/seen" ;;
		false) grep -q 'NoNewPrivs:.0' "$BUNDLE/rootfs/seen" ;;
		esac || fail "$(cat "$BUNDLE/rootfs/seen")"
	done
}

@test "oci peers: a call that is newer than the profile is not there, and others are refused as it says" {
	cp "$BATS_FILE_TMPDIR/call" "$BUNDLE/rootfs/bin/call"
	bundle '.process.args = ["sh", "-c", "call 1000; call 155"] | .linux.seccomp = {
		defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 95, syscalls: [{action: "SCMP_ACT_ALLOW", names: ["read",
		"write", "open", "close", "stat", "fstat", "lseek", "mmap", "mprotect", "munmap", "brk", "rt_sigaction",
		"rt_sigprocmask", "rt_sigreturn", "ioctl", "writev", "access", "execve", "exit", "wait4", "uname", "fcntl",
		"getcwd", "getuid", "getgid", "geteuid", "getegid", "getppid", "getpid", "arch_prctl", "exit_group",
		"set_tid_address", "openat", "newfstatat", "set_robust_list", "prlimit64", "getrandom", "rseq", "clone",
		"fork", "vfork", "poll", "dup2", "readlink", "getpgrp", "getpgid", "setpgid", "statx"]}]}'
	[ "$(uname -m)" = x86_64 ] || skip "the numbers of calls are those of x86_64"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = 'Function not implemented
Operation not supported' ] || fail
}

@test "oci peers: an agent that reads once has all of the message, with the descriptor" {
	bundle '.process.args = ["true"] | .annotations = {"org.example": ("x" * 3000)} | .linux.seccomp = {
		defaultAction: "SCMP_ACT_ALLOW", listenerPath: "'"$E2E_STATE/agent"'",
		syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}'
	python3 - "$E2E_STATE/agent" >"$OUT.agent" 3>&- <<-'PYTHON' &
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.bind(sys.argv[1])
		s.listen(1)
		s.settimeout(20)
		peer, _ = s.accept()
		data, ancillary, _, _ = peer.recvmsg(65536, socket.CMSG_SPACE(4))
		print(len(ancillary), json.loads(data)["state"]["id"])
	PYTHON
	eventually 10 test -S "$E2E_STATE/agent"
	ok runtime run --bundle "$BUNDLE" one
	wait $!
	[ "$(cat "$OUT.agent")" = '1 one' ] || fail "$(cat "$OUT.agent")"
}

@test "oci peers: signal 0 asks for a process; ps of a container that has stopped shows none" {
	bundle '.process.args = ["sleep", "600"]'
	create one
	runtime start one
	ok runtime kill one 0
	ok runtime kill --all one 0
	ok runtime kill one KILL
	eventually 10 has_status one stopped
	refused_by 125 'container not running' runtime kill one 0
	ok runtime kill --all one 0
	ok runtime ps one
	[ "${#lines[@]}" -eq 1 ] || fail "a heading"
	[[ $output == *PID* ]] || fail
	ok runtime ps --format json one
	[ "$output" = '[]' ] || fail
}

@test "oci peers: the list is sorted" {
	bundle '.process.args = ["sleep", "600"]'
	for id in c a e b d; do create "$id"; done
	[ "$(runtime list -q | tr '\n' ' ')" = 'a b c d e ' ] || fail "$(runtime list -q)"
	[ "$(runtime list --format json | jq -r 'map(.id) | join(" ")')" = 'a b c d e' ] || fail
}

@test "oci peers: --debug writes each step, and nothing does without it" {
	bundle '.process.args = ["true"]'
	ok runtime --log "$OUT.log" run --bundle "$BUNDLE" one
	[ ! -s "$OUT.log" ] || fail "$(cat "$OUT.log")"
	ok runtime --log "$OUT.log" --debug run --bundle "$BUNDLE" one
	grep -q 'level=debug msg="start: pivot"' "$OUT.log" || fail "$(cat "$OUT.log")"
	[ "$(grep -c -v level=debug "$OUT.log")" = 0 ] || fail "$(cat "$OUT.log")"
	bundle '.process.args = ["sleep", "600"]'
	create two
	runtime start two
	ok runtime --log "$OUT.json" --log-format json --log-level debug exec two true
	jq -e -s 'map(select(.level == "debug" and (.msg | startswith("exec: ")))) | length > 1' "$OUT.json" ||
		fail "$(cat "$OUT.json")"
	ok runtime --debug state two
	[[ $stderr == *'debug: insula-runtime'*state* ]] || fail
}

@test "oci peers: an empty group that is frozen is somebody's, and refused" {
	local group name freezer
	bundle '.process.args = ["true"]'
	name=insula-$UNIQUE-frozen
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		group=/sys/fs/cgroup/$name freezer=cgroup.freeze
	else
		group=/sys/fs/cgroup/freezer/$name freezer=freezer.state
	fi
	mkdir "$group"
	case $freezer in
	cgroup.freeze) echo 1 ;;
	*) echo FROZEN ;;
	esac >"$group/$freezer"
	jq --arg group "/$name" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$BUNDLE/frozen.json"
	for verb in run create; do
		refused_by 125 "cgroup '$name' is there already, and frozen" \
			runtime "$verb" --bundle "$BUNDLE" --config "$BUNDLE/frozen.json" one
	done
	rmdir "$group"
	ok runtime run --bundle "$BUNDLE" --config "$BUNDLE/frozen.json" one
}

@test "oci peers: the terminal has a path inside, in a user namespace too" {
	local userns='.linux.namespaces += [{type: "user"}] | .linux.gidMappings = .linux.uidMappings |
		.linux.uidMappings = [{containerID: 0, hostID: 700000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chmod 755 "$E2E_STATE"
	chown 700000:700000 "$BUNDLE/rootfs"
	bundle ".process.terminal = true | .process.args = [\"sh\", \"-c\", \"read -r line; readlink /proc/self/fd/0\"] | $userns"
	receive_fd "$E2E_STATE/socket" >"$OUT.tty" 3>&- &
	eventually 10 test -S "$E2E_STATE/socket"
	ok runtime run --bundle "$BUNDLE" --console-socket "$E2E_STATE/socket" one </dev/null
	wait $!
	[[ "$(cat "$OUT.tty")" == */dev/pts/0* ]] || fail "$(cat "$OUT.tty")"
}

@test "oci peers: under the name of runc, spec makes a cgroup namespace where that does" {
	local wanted=false
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || wanted=true
	ok as_runc spec --output -
	[ "$(jq '.linux.namespaces | any(.type == "cgroup")' <<<"$output")" = $wanted ] || fail
	ok runtime spec --output -
	[ "$(jq '.linux.namespaces | any(.type == "cgroup")' <<<"$output")" = true ] || fail
	ok as_runc --root / -v
	[[ $output == 'runc version '* ]] || fail
	ok as_runc --help
	[ "$(grep -c '^Options:' <<<"$output")" = 1 ] || fail
}
