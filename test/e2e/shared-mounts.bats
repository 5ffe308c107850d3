#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A container without a mount namespace of its own: in that of the runtime, or in one that is joined by its
# path. It has its root all the same, and nobody else's mounts change (docs/decisions/0013).

# shellcheck disable=SC2030,SC2031  # each test has an OTHER of its own
# shellcheck disable=SC2154  # output and stderr are set by run
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers
load oci

setup_file() {
	file_setup
	static_program "$E2E_DIR/climb.c" "$BATS_FILE_TMPDIR/climb"
}

setup() {
	oci_setup
	cp "$BATS_FILE_TMPDIR/climb" "$BUNDLE/rootfs/bin/"
	OTHER=
}

teardown() {
	[ -z "$OTHER" ] || kill "$OTHER" || true
	oci_teardown
}

# other_namespace: a process with a mount namespace of its own; its number is $OTHER.
other_namespace() {
	unshare --mount --propagation private sleep 600 3>&- &
	OTHER=$!
	eventually 10 is_apart
}

is_apart() {
	[ "$(readlink "/proc/$OTHER/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
}

# without_own FILTER, joins FILTER: the configuration.
without_own() {
	bundle ".linux.namespaces |= map(select(.type != \"mount\")) | $1"
}

joins() {
	bundle "(.linux.namespaces[] | select(.type == \"mount\")).path = \"/proc/$OTHER/ns/mnt\" | $1"
}

with_userns() {
	echo ".linux.namespaces += [{\"type\": \"user\"}] |
		.linux.uidMappings = [{\"containerID\": 0, \"hostID\": 700000, \"size\": 65536}] |
		.linux.gidMappings = .linux.uidMappings | $1"
}

# The mounts of a process.
mounts_of() {
	cat "/proc/$1/mountinfo"
}

# Of the host's, where others mount and unmount meanwhile: those below the test's directory, but for the pad's pin.
mounts_here() {
	grep -F "$E2E_STATE" /proc/self/mountinfo | grep -v -F " $INSULA_RUNROOT/pad " || true
}

# powers: every capability that has to do with roots and mounts.
powers() {
	echo '["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE", "CAP_MKNOD", "CAP_SYS_PTRACE"] as $all |
		.process.capabilities = {bounding: $all, effective: $all, permitted: $all} |
		del(.linux.seccomp)'
}

# is_whole: everything that the configuration mounts is there, and nothing of the host.
is_whole() {
	ok runtime exec one sh -c 'tail -n 1 /etc/os-release; pwd; stat -f -c %T /proc /dev /dev/shm
		wc -c </proc/interrupts; (echo x >/proc/sys/kernel/hostname) 2>&1; echo >/dev/null && ls /dev/pts'
	[ "$output" = "ID=e2e
/
proc
tmpfs
tmpfs
0
sh: can't create /proc/sys/kernel/hostname: Read-only file system
ptmx" ] || fail
	ok runtime exec one sh -c "ls -d '$E2E_STATE' 2>/dev/null; cat /proc/self/mountinfo"
	[ -z "$output" ] || fail "something of the host"
}

@test "in the runtime's mount namespace: a root of its own, and no mount for others" {
	without_own '.process.args = ["sh", "-c", "stat -f -c %T /proc; sleep 600"]'
	create one
	pid=$(runtime state one | jq .pid)
	[ "$(readlink "/proc/$pid/ns/mnt")" = "$(readlink /proc/self/ns/mnt)" ]
	[ -z "$(mounts_here)" ] || fail "mounted on the host: $(mounts_here)"
	ok runtime start one
	eventually 10 grep -q proc "$OUT"
	is_whole
	[ "$(ls "$BUNDLE/rootfs/proc")" = '' ]
	ok runtime delete --force one
	[ -z "$(mounts_here)" ] || fail "left on the host: $(mounts_here)"
}

@test "in a mount namespace that is joined: the same, and those in it keep their root and mounts" {
	local before root
	other_namespace
	before=$(mounts_of "$OTHER")
	root=$(stat -L -c %d:%i "/proc/$OTHER/root")
	joins '.process.args = ["sleep", "600"]'
	create one
	pid=$(runtime state one | jq .pid)
	[ "$(readlink "/proc/$pid/ns/mnt")" = "$(readlink "/proc/$OTHER/ns/mnt")" ]
	ok runtime start one
	is_whole
	[ "$(mounts_of "$OTHER")" = "$before" ] || fail "mounted there"
	[ "$(stat -L -c %d:%i "/proc/$OTHER/root")" = "$root" ]
	ok runtime delete --force one
	[ "$(mounts_of "$OTHER")" = "$before" ] || fail "left there"
}

@test "paths of the configuration are those of the runtime's mount namespace" {
	mkdir "$E2E_STATE/source"
	unshare --mount --propagation private sh -c "mount -t tmpfs none '$E2E_STATE/source'; exec sleep 600" 3>&- &
	OTHER=$!
	eventually 10 grep -q "$E2E_STATE/source" "/proc/$OTHER/mountinfo"
	echo ours >"$E2E_STATE/source/file"
	joins ".mounts += [{\"destination\": \"/m\", \"source\": \"$E2E_STATE/source\", \"options\": [\"bind\"]}] |
		.process.args = [\"cat\", \"/m/file\"]"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = ours ] || fail
}

@test "and a relative --pid-file is in the directory that the runtime was called in" {
	other_namespace
	joins '.process.args = ["sleep", "600"]'
	mkdir "$E2E_STATE/here"
	(cd "$E2E_STATE/here" && create one --pid-file "insula-e2e-$$.pid")
	[ ! -e "/insula-e2e-$$.pid" ] || fail "in the root of the host"
	[ "$(cat "$E2E_STATE/here/insula-e2e-$$.pid")" = "$(runtime state one | jq .pid)" ]
}

@test "with a user namespace as well" {
	chown -R 700000:700000 "$BUNDLE/rootfs"
	without_own "$(with_userns '.process.args = ["sh", "-c", "id -u; stat -c %u /bin; cat /proc/self/uid_map; sleep 600"]')"
	create one
	ok runtime start one
	eventually 10 grep -q 700000 "$OUT"
	[ "$(head -n 2 "$OUT" | paste -sd' ')" = '0 0' ] || fail "$(cat "$OUT")"
	is_whole
	ok runtime delete --force one
	other_namespace
	joins "$(powers) | $(with_userns ".process.args = [\"sh\", \"-c\",
		\"readlink /proc/self/ns/mnt; climb '$E2E_STATE'\"]")"
	ok runtime run --bundle "$BUNDLE" two
	[ "$output" = "$(readlink "/proc/$OTHER/ns/mnt")"$'\nat the root' ] || fail
}

@test "neither chroot(2) nor a mount leads out, and nothing can be changed or uncovered" {
	without_own "$(powers) | .linux.maskedPaths += [\"/etc/passwd\"] | .process.args = [\"sh\", \"-c\", \"
		climb '$E2E_STATE'
		mount -t tmpfs none /tmp 2>/dev/null || echo no mount
		mount -o bind /etc /tmp 2>/dev/null || echo no bind
		mount -o remount,rw,bind /proc/sys 2>/dev/null || echo no remount
		umount -l /etc/passwd 2>/dev/null || echo no umount
		umount -l / 2>/dev/null || echo no umount
		unshare -m umount -l /etc/passwd 2>/dev/null || echo no umount
		cat /etc/passwd
		climb '$E2E_STATE'\"]"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = 'at the root
no mount
no bind
no remount
no umount
no umount
no umount
at the root' ] || fail
	[[ $stderr == *"can leave its root, because it may have CAP_SYS_ADMIN"* ]] || fail "who is in danger is told"
}

@test "a terminal, hooks and --no-pivot" {
	cat >"$BATS_TEST_TMPDIR/hook" <<-'HOOK'
		#!/bin/sh
		cat >/dev/null
		echo "$1 $(readlink /proc/self/ns/mnt)" >>"$2"
	HOOK
	chmod 755 "$BATS_TEST_TMPDIR/hook"
	local log=$BATS_TEST_TMPDIR/log ours kind hooks=
	for kind in prestart createRuntime createContainer; do
		hooks+="$kind: [{path: \"$BATS_TEST_TMPDIR/hook\", args: [\"hook\", \"$kind\", \"$log\"]}],"
	done
	without_own ".hooks = {$hooks
		startContainer: [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"cat >/tmp/state; pwd >/tmp/where\"]}]} |
		.process.terminal = true | .process.args = [\"sh\", \"-c\", \"tty; tail -n 1 /etc/os-release\"]"
	receive_fd "$E2E_STATE/console" >"$E2E_STATE/shown" 3>&- &
	eventually 10 test -S "$E2E_STATE/console"
	ok runtime create --no-pivot --bundle "$BUNDLE" --console-socket "$E2E_STATE/console" one
	ours=$(readlink /proc/self/ns/mnt)
	[ "$(cat "$log")" = "prestart $ours
createRuntime $ours
createContainer $ours" ] || fail "$(cat "$log")"
	ok runtime start one
	eventually 10 grep -q 'ID=e2e' "$E2E_STATE/shown"
	grep -q '^/dev/pts/0' "$E2E_STATE/shown" || fail "$(cat "$E2E_STATE/shown")"
	[ "$(cat "$BUNDLE/rootfs/tmp/where")" = / ]
}

@test "propagation, a profile of AppArmor and an ordinary user are refused" {
	without_own '.process.apparmorProfile = "some-profile"'
	refused_by 125 'process.apparmorProfile: its rules about paths would not hold' runtime run --bundle "$BUNDLE" one
	without_own '.linux.rootfsPropagation = "rslave"'
	refused_by 125 "linux.rootfsPropagation: 'rslave' needs a mount namespace of the container's own" \
		runtime run --bundle "$BUNDLE" one
	without_own '.mounts += [{"destination": "/m", "source": "/srv", "options": ["bind", "shared"]}]'
	refused_by 125 "options: propagation needs a mount namespace of the container's own" \
		runtime run --bundle "$BUNDLE" one
	without_own '.'
	chmod 755 "$E2E_STATE"
	refused_by 125 'only root of the host can make a container without a mount namespace' \
		unshare --user --map-root-user --mount "$INSULA_BIN/insula-runtime" --root "$E2E_STATE/rootless" \
		run --bundle "$BUNDLE" one
}

@test "a start that fails leaves nothing" {
	local point
	without_own '.process.args = ["true"]'
	for point in start.clone start.pad start.mount start.detach start.release init.detached init.session; do
		INSULA_FAIL=$point=error:EIO exits 125 runtime run --bundle "$BUNDLE" one
		[ -z "$(runtime list -q)" ] || fail "$point"
		[ -z "$(mounts_here)" ] || fail "$point: left on the host: $(mounts_here)"
	done
}
