#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula-runtime validate: everything that is wrong with a bundle, in the document, on the disk and on
# this host, before anything is made. What each of these bundles is told is written beside it.

load helpers

setup() {
	e2e_setup
	B=$E2E_STATE/bundle
	mkdir "$B"
	cp -a "$E2E_ROOT" "$B/rootfs"
	BASE='{
		"ociVersion": "1.3.0",
		"root": {"path": "rootfs"},
		"process": {"cwd": "/", "args": ["true"], "env": ["PATH=/bin"]},
		"linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "uts"},
			{"type": "ipc"}, {"type": "network"}]}
	}'
}

validate() {
	"$INSULA_BIN/insula-runtime" validate "$@"
}

# configure FILTER: the base configuration, changed.
configure() {
	jq "$1" <<<"$BASE" >"$B/config.json"
}

# told STATUS FILTER <<EXPECTED: the output is that, with BUNDLE for the directory. After it the same
# bundle is started: what was called an error fails, and what was not, runs.
told() {
	local before expected
	expected=$(cat)
	configure "$2"
	before=$(find "$B" | sort)
	run --separate-stderr validate "$B"
	[ "$status" -eq "$1" ] || fail "expected status $1 for $2"
	output=${output//$B/BUNDLE}
	[ "$output" = "$expected" ] || fail "for $2 expected: $expected"
	[ -z "$stderr" ] || fail "there is something on the standard error"
	[ "$(find "$B" | sort)" = "$before" ] || fail "something was made"
	stderr=$("$INSULA_BIN/insula-runtime" --root "$E2E_STATE/oci" --runroot "$E2E_STATE/run" run --bundle "$B" "${E2E_STATE##*.}" \
		2>&1 >/dev/null </dev/null) && status=0 || status=$?
	if [ "$1" -eq 0 ]; then
		[ "$status" -eq 0 ] || fail "validated, and does not run: $2"
	else
		[ "$status" -ne 0 ] || fail "not validated, and runs: $2"
		[ -n "$stderr" ] || fail "it failed without a word"
	fi
}

# An ELF program of this machine that wants a dynamic linker of that name, cut off behind it.
elf_with_interpreter() {
	head -c 32 "$E2E_ROOT/bin/busybox"
	printf '\100\0\0\0\0\0\0\0' # program headers at 64
	printf '\0\0\0\0\0\0\0\0\0\0\0\0\100\0\70\0\1\0\0\0\0\0\0\0'
	printf '\3\0\0\0\4\0\0\0\170\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
	# shellcheck disable=SC2059  # a byte by its number
	printf "\\$(printf %o $((${#1} + 1)))\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
	printf '%s\0' "$1"
}

@test "nothing is wrong" {
	told 0 . </dev/null
	told 0 '.process.args = ["/bin/sh", "-c", "true"]' </dev/null
	told 0 '.process.args = ["bin/true"]' </dev/null
	told 0 '.process.cwd = "/made/at/the/start"' </dev/null
	run validate --format json "$B"
	[ "$output" = "[]" ]
}

@test "every document with one mistake" {
	local file name member count=0
	for file in "$BATS_TEST_DIRNAME"/../data/spec/bad/*.json; do
		name=$(basename "$file" .json)
		cp "$file" "$B/config.json"
		exits 1 validate "$B"
		# The member that the reader's tests expect, for those that are about one.
		member=$(grep -P "^$name\t" "$BATS_TEST_DIRNAME/../data/spec/bad/expected" | cut -f3)
		case $member in *bad/* | line* | column*) member= ;; esac
		grep -qF -- "$member" <<<"$output" || fail "$name: expected: $member"
		count=$((count + 1))
	done
	[ "$count" -ge 200 ]
}

@test "documents with several mistakes: all at once, with paths" {
	local file line path count=0
	for file in "$BATS_TEST_DIRNAME"/../data/spec/many/*.json; do
		cp "$file" "$B/config.json"
		exits 1 validate "$B"
		while IFS=$'\t' read -r path _ line; do
			grep -qF -- "${path:-config.json}: $line" <<<"$output" ||
				fail "$file: $path: $line is not said"
			count=$((count + 1))
		done <"${file%.json}.expected"
	done
	[ "$count" -ge 100 ]
}

@test "the root file system" {
	told 1 '.root.path = "nowhere"' <<-'EOF'
		root.path: cannot open 'BUNDLE/nowhere': no such file or directory
		  hint: the root file system of the container belongs there
	EOF
	echo >"$B/file"
	told 1 '.root.path = "file"' <<-'EOF'
		root.path: 'BUNDLE/file' is not a directory
	EOF
	ln -s / "$B/slash"
	told 1 '.root.path = "slash"' <<-'EOF'
		root.path: leads to the host's own root
	EOF
	mkfifo "$B/fifo"
	told 1 '.root.path = "fifo"' <<-'EOF'
		root.path: 'BUNDLE/fifo' is not a directory
	EOF
	ln -s loop "$B/loop"
	told 1 '.root.path = "loop"' <<-'EOF'
		root.path: cannot open 'BUNDLE/loop': too many levels of symbolic links
		  hint: the root file system of the container belongs there
	EOF
	ln -s "$E2E_ROOT" "$B/out"
	told 0 '.root.path = "out"' <<-EOF
		root.path: warning: 'out' leads out of the bundle, to '$E2E_ROOT'
		  hint: write the absolute path if that is meant
	EOF
	told 0 ".root.path = \"$E2E_ROOT\"" </dev/null
}

@test "the command" {
	told 1 '.process.args[0] = "nothing"' <<-'EOF'
		process.args[0]: 'nothing' is not in the root file system
		  hint: looked for in /bin
	EOF
	told 1 '.process.args[0] = "nothing" | del(.process.env)' <<-'EOF'
		process.args[0]: 'nothing' is not in the root file system
		  hint: looked for in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	EOF
	told 1 '.process.args[0] = "/bin/nothing"' <<-'EOF'
		process.args[0]: '/bin/nothing' is not in the root file system
	EOF
	told 1 '.process.args[0] = "./true" | .process.cwd = "/etc"' <<-'EOF'
		process.args[0]: './true' is not in the root file system
	EOF
	# A link is followed as the container would: what the host has there does not count.
	ln -s /proc/self/exe "$B/rootfs/bin/magic"
	ln -s "$E2E_ROOT/bin/busybox" "$B/rootfs/bin/outside"
	told 1 '.process.args[0] = "outside"' <<-'EOF'
		process.args[0]: 'outside' is not in the root file system
		  hint: looked for in /bin
	EOF
	told 1 '.process.args[0] = "/bin"' <<-'EOF'
		process.args[0]: '/bin' cannot be executed: it is a directory
	EOF
	echo x >"$B/rootfs/bin/data"
	told 1 '.process.args[0] = "data"' <<-'EOF'
		process.args[0]: '/bin/data' cannot be executed: it is not executable
	EOF
	chmod 755 "$B/rootfs/bin/data"
	told 1 '.process.args[0] = "data"' <<-'EOF'
		process.args[0]: '/bin/data' cannot be executed: it is no program, nor a script with '#!'
	EOF
	: >"$B/rootfs/bin/empty" && chmod 755 "$B/rootfs/bin/empty"
	told 1 '.process.args[0] = "empty"' <<-'EOF'
		process.args[0]: '/bin/empty' cannot be executed: it is empty
	EOF
	mkfifo -m 755 "$B/rootfs/bin/fifo"
	told 1 '.process.args[0] = "fifo"' <<-'EOF'
		process.args[0]: '/bin/fifo' cannot be executed: it is no regular file
	EOF
}

@test "the command's interpreter" {
	local bin=$B/rootfs/bin
	printf '#! /bin/nothing -x\n' >"$bin/script" && chmod 755 "$bin/script"
	told 1 '.process.args[0] = "script"' <<-'EOF'
		process.args[0]: '/bin/script' needs '/bin/nothing', which is not in the root file system
	EOF
	printf '#!/bin/sh\nexit 0\n' >"$bin/script"
	told 0 '.process.args[0] = "script"' </dev/null
	printf '#!/bin/script\n' >"$bin/second" && chmod 755 "$bin/second"
	told 0 '.process.args[0] = "second"' </dev/null
	printf '#!/bin/second2\n' >"$bin/second" && printf '#!/bin/nothing\n' >"$bin/second2"
	told 1 '.process.args[0] = "second"' <<-'EOF'
		process.args[0]: '/bin/second' needs an interpreter: '/bin/second2' cannot be executed: it is not executable
	EOF
	printf '#!\n' >"$bin/script"
	told 1 '.process.args[0] = "script"' <<-'EOF'
		process.args[0]: '/bin/script' cannot be executed: its first line names no interpreter
	EOF
	printf '#!/bin/self\n' >"$bin/self" && chmod 755 "$bin/self"
	told 1 '.process.args[0] = "self"' <<-'EOF'
		process.args[0]: '/bin/self' needs an interpreter: '/bin/self' needs an interpreter: '/bin/self' needs an interpreter: '/bin/self' needs an interpreter: '/bin/self' needs an interpreter: '/bin/self': too many interpreters
	EOF
	elf_with_interpreter /lib/ld-nothing.so >"$bin/dynamic" && chmod 755 "$bin/dynamic"
	told 1 '.process.args[0] = "dynamic"' <<-'EOF'
		process.args[0]: '/bin/dynamic' needs '/lib/ld-nothing.so', which is not in the root file system
	EOF
	head -c 40 "$bin/busybox" >"$bin/dynamic"
	told 1 '.process.args[0] = "dynamic"' <<-'EOF'
		process.args[0]: '/bin/dynamic' cannot be executed: its ELF header is cut off
	EOF
}

@test "a command for another machine" {
	local bin=$B/rootfs/bin
	[ -z "$(ls /proc/sys/fs/binfmt_misc 2>/dev/null)" ] || skip "this host emulates machines"
	{
		printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\50\1\1\0\0\0'
		head -c 400 /dev/zero
	} >"$bin/foreign" && chmod 755 "$bin/foreign"
	told 1 '.process.args[0] = "foreign"' <<-'EOF'
		process.args[0]: '/bin/foreign' cannot be executed: it is a program for another machine
	EOF
	{
		printf '\177ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\2\0\26\0\0\0\1'
		head -c 400 /dev/zero
	} >"$bin/foreign"
	told 1 '.process.args[0] = "foreign"' <<-'EOF'
		process.args[0]: '/bin/foreign' cannot be executed: it is a program for s390
	EOF
}

@test "a command below a mount cannot be known, and is not complained about" {
	mkdir "$B/rootfs/opt"
	configure ".process.args[0] = \"/opt/x\" | .mounts =
		[{destination: \"/opt\", type: \"bind\", source: \"$E2E_ROOT\", options: [\"bind\"]}]"
	ok validate "$B"
	[ -z "$output" ]
}

@test "mounts" {
	told 1 '.mounts = [{destination: "/a", type: "bind", source: "/nowhere/x", options: ["bind"]}]' <<-'EOF'
		mounts[0].source: cannot open '/nowhere/x': no such file or directory
		  hint: make it first: a bind mount shows what is there
	EOF
	told 1 '.mounts = [{destination: "/bin/busybox", type: "bind", source: "/usr", options: ["bind"]}]' <<-'EOF'
		mounts[0].destination: '/bin/busybox' is no directory in the root file system, and what is mounted is one
	EOF
	told 1 '.mounts = [{destination: "/bin", type: "bind", source: "/etc/passwd", options: ["bind"]}]' <<-'EOF'
		mounts[0].destination: '/bin' is a directory in the root file system, and what is mounted is none
	EOF
	told 1 '.mounts = [{destination: "/bin/busybox/x", type: "tmpfs"}]' <<-'EOF'
		mounts[0].destination: cannot make '/bin/busybox/x' in the root file system: not a directory
	EOF
	ln -s loop "$B/rootfs/loop"
	told 1 '.mounts = [{destination: "/loop", type: "tmpfs"}]' <<-'EOF'
		mounts[0].destination: cannot make '/loop' in the root file system: too many levels of symbolic links
	EOF
	told 1 '.mounts = [{destination: "/a", type: "nosuchfs", source: "x"}]' <<-'EOF'
		mounts[0].type: this kernel has no file system 'nosuchfs'
		  hint: /proc/filesystems lists those that it has
	EOF
	# What an earlier mount brings is not in the root.
	told 0 '.mounts = [{destination: "/a", type: "tmpfs"}, {destination: "/a/b", type: "tmpfs"}]' </dev/null
}

@test "the working directory" {
	told 1 '.process.cwd = "/bin/busybox"' <<-'EOF'
		process.cwd: '/bin/busybox' is not a directory
	EOF
	told 1 '.process.cwd = "/bin/busybox/x"' <<-'EOF'
		process.cwd: cannot make '/bin/busybox/x' in the root file system: not a directory
	EOF
}

@test "namespaces by path" {
	told 1 '.linux.namespaces[4].path = "/nowhere"' <<-'EOF'
		linux.namespaces[4].path: cannot open namespace '/nowhere': no such file or directory
	EOF
	told 1 '.linux.namespaces[4].path = "/proc/self/ns/uts"' <<-'EOF'
		linux.namespaces[4].path: '/proc/self/ns/uts' is not a net namespace
	EOF
	told 1 '.linux.namespaces[4].path = "/etc/passwd"' <<-'EOF'
		linux.namespaces[4].path: '/etc/passwd' is not a net namespace
	EOF
}

@test "what this kernel does not have" {
	told 1 '.linux.sysctl = {"net.ipv4.no_such_thing": "1"}' <<-'EOF'
		linux.sysctl["net.ipv4.no_such_thing"]: this kernel has no such sysctl
		  hint: a module that is not loaded may have it
	EOF
	[ -e /sys/fs/selinux/enforce ] ||
		told 1 '.process.selinuxLabel = "system_u:system_r:container_t:s0"' <<-'EOF'
			process.selinuxLabel: this kernel does not run SELinux
			  hint: take the member out
		EOF
	if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
		told 1 '.process.apparmorProfile = "no-such-profile"' <<-'EOF'
			process.apparmorProfile: 'no-such-profile' is not loaded
			  hint: apparmor_parser -r FILE loads it
		EOF
	else
		told 1 '.process.apparmorProfile = "no-such-profile"' <<-'EOF'
			process.apparmorProfile: this kernel does not run AppArmor
			  hint: take the member out, or boot with lsm=...,apparmor
		EOF
	fi
	told 0 '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls:
		[{names: ["no_such_call", "mkdir"], action: "SCMP_ACT_ERRNO"}]}' <<-'EOF'
		linux.seccomp.syscalls: warning: 1 names are of no system call that is known here
		  hint: rules for them have no effect; a newer libseccomp may know them
	EOF
}

@test "values that this host does not take" {
	told 1 '.linux.resources.memory.limit = 100' <<-'EOF'
		linux.resources.memory.limit: is 100: the least is 4096
	EOF
	told 1 '.linux.resources.cpu.cpus = "5000"' <<-EOF
		linux.resources.cpu.cpus: asks for '5000', which this host does not have
		  hint: available: $(cat /sys/fs/cgroup/cpuset/cpuset.cpus 2>/dev/null || cat /sys/devices/system/cpu/online)
	EOF
	told 1 '.linux.resources = {memory: {limit: 100}, cpu: {quota: 1, shares: 1}, pids: {limit: -1}}' <<-'EOF'
		linux.resources.memory.limit: is 100: the least is 4096
		linux.resources.cpu.shares: is 1: the least is 2
	EOF
}

@test "annotations that the start obeys" {
	told 1 '.annotations = {"run.oci.mount_context_type": "nothing"}' <<-'EOF'
		annotations.run.oci.mount_context_type: 'nothing' is not a kind of label
		  hint: context, fscontext, defcontext or rootcontext
	EOF
	configure '.annotations = {"run.oci.systemd.subgroup": "a/b"}'
	exits 1 validate "$B"
	grep -qF "run.oci.systemd.subgroup" <<<"$output" || fail "not named"
}

@test "what a start would pass over with a warning" {
	told 0 '.mounts += [{destination: "/mnt", type: "bind", source: "/etc", options: ["bind", "size=1m"]}]' <<-'EOF'
		config.json: warning: mount on '/mnt': 'size=1m' is not an option of a bind mount, and has no effect
	EOF
	exits 1 validate --strict "$B"
	grep -qF "'size=1m' is not an option of a bind mount" <<<"$output" || fail "not named"
	told 0 '.process.user.uid = 1 | .process.capabilities = {bounding: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"], ambient: ["CAP_CHOWN"]}' <<-'EOF'
		config.json: warning: 1 ambient capabilities are not granted: CAP_CHOWN is not in inheritable
	EOF
}

@test "limits that this host does not have" {
	configure '.linux.resources.hugepageLimits = [{pageSize: "3MB", limit: 1}]'
	exits 1 validate "$B"
	grep -qF "linux.resources.hugepageLimits[0].pageSize: this machine has no pages of 3MB" <<<"$output"
	told 0 '.linux.resources.memory.kernel = 10000000' <<-'EOF'
		linux.resources.memory.kernel: warning: the kernel has no such limit
	EOF
}

@test "capabilities and limits that are not ours to give" {
	cat >"$E2E_STATE/less" <<-'EOF'
		#!/bin/sh
		exec setpriv --bounding-set -sys_resource,-net_raw --inh-caps -sys_resource,-net_raw "$@"
	EOF
	chmod 755 "$E2E_STATE/less"
	configure '.process.capabilities = {bounding: ["CAP_CHOWN", "CAP_NET_RAW"], permitted: ["CAP_CHOWN", "CAP_NET_RAW"]}
		| .process.rlimits = [{type: "RLIMIT_NPROC", soft: 1, hard: 5000}]'
	ok prlimit --nproc=1000 "$E2E_STATE/less" "$INSULA_BIN/insula-runtime" validate "$B"
	[ "$output" = "process.capabilities.bounding: warning: CAP_NET_RAW cannot be granted: we do not have it
process.rlimits[0].hard: warning: cannot raise RLIMIT_NPROC to 5000: the most allowed here is 1000
  hint: more takes CAP_SYS_RESOURCE" ] || fail "other words"
	exits 1 prlimit --nproc=1000 "$E2E_STATE/less" "$INSULA_BIN/insula-runtime" validate --strict "$B"
}

@test "an ordinary user is told what it may not" {
	chmod 755 "$E2E_STATE" "$B"
	configure .
	exits 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$INSULA_BIN/insula-runtime" validate "$B"
	grep -qF "linux.namespaces: without a user namespace this takes CAP_SYS_ADMIN" <<<"$output"
	configure '.linux.namespaces += [{type: "user"}] |
		.linux.uidMappings = [{containerID: 0, hostID: 1000, size: 2}] |
		.linux.gidMappings = [{containerID: 0, hostID: 65534, size: 1}]'
	exits 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$INSULA_BIN/insula-runtime" validate "$B"
	grep -qF "linux.uidMappings[0].hostID: to map others than our own id takes CAP_SETUID" <<<"$output"
	! grep -F gidMappings <<<"$output" || fail "the group is its own"
}

@test "several mistakes of different kinds" {
	told 1 '.root.path = "nowhere" | .hostname = "a\nb" | .process.args = [] |
		.mounts = [{destination: "/a", type: "nosuchfs", source: "x"}] |
		.linux.resources.memory.limit = 1 | .linux.sysctl = {"net.no.such": "1", "kernel.panic": "1"}' <<-'EOF'
		process.args: must name a command
		hostname: 'a?b' has control characters
		linux.sysctl["kernel.panic"]: sysctl 'kernel.panic' would change the host: the kernel keeps it for all containers together
		root.path: cannot open 'BUNDLE/nowhere': no such file or directory
		  hint: the root file system of the container belongs there
		mounts[0].type: this kernel has no file system 'nosuchfs'
		  hint: /proc/filesystems lists those that it has
		linux.sysctl["net.no.such"]: this kernel has no such sysctl
		  hint: a module that is not loaded may have it
		linux.resources.memory.limit: is 1: the least is 4096
	EOF
}

@test "as JSON" {
	configure '.root.path = "nowhere" | .hostname = "a\nb" |
		.linux.resources.memory.kernel = 10000000'
	exits 1 validate --format json "$B"
	[ "$(jq -c '.[] | [.path, .severity, .kind]' <<<"$output" | sort -u)" = '["hostname","error","invalid"]
["linux.resources.memory.kernel","warning","unsupported"]
["root.path","error","not-found"]' ] || fail "other problems"
	[ "$(jq -r '.[] | select(.path == "root.path") | .hint' <<<"$output")" = \
		"the root file system of the container belongs there" ]
	jq -e 'all(.[]; .message | length > 0)' <<<"$output"
}

@test "documents that are none" {
	local text
	for text in '' '{' '[]' '{"a":1}}' '{"a":1,"a":2}' 'null' '{"ociVersion":"1.0.2",}'; do
		printf %s "$text" >"$B/config.json"
		exits 1 validate "$B"
		[ "$text" = null ] || [ "${#lines[@]}" -eq 1 ] || fail "for '$text'"
		[ -n "$output" ] || fail "for '$text'"
	done
}

@test "what cannot be answered" {
	exits 125 validate "$B/nowhere"
	[ "$stderr" = "insula-runtime: cannot open bundle '$B/nowhere': no such file or directory" ] || fail "other words"
	rm -f "$B/config.json"
	exits 125 validate "$B"
	mkfifo "$B/config.json"
	exits 125 timeout 10 "$INSULA_BIN/insula-runtime" validate "$B"
	exits 125 validate --bundle "$B" "$B"
	exits 125 validate --format yaml "$B"
	rm "$B/config.json"
	configure .
	mv "$B/config.json" "$E2E_STATE/other.json"
	rm -f "$B/config.json"
	ok validate --bundle "$B" --config "$E2E_STATE/other.json"
}
