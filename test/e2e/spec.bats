#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula-runtime spec: the configuration to begin with, which runs as it is.

load helpers

setup() {
	e2e_setup
	B=$E2E_STATE/bundle
	mkdir "$B"
}

runtime() {
	"$INSULA_BIN/insula-runtime" --root "$E2E_STATE/oci" --runroot "$E2E_STATE/run" "$@"
}

# has FILTER: true of the document.
has() {
	jq -e "$1" "$B/config.json" >/dev/null || fail "not so: $1"
}

@test "spec writes config.json into the bundle, and never over one" {
	ok runtime spec --bundle "$B"
	[ -z "$output$stderr" ]
	[ "$(stat -c %a "$B/config.json")" = 644 ]
	echo mine >"$B/config.json"
	exits 125 runtime spec -b "$B"
	[ "$stderr" = "insula-runtime: config.json is there already
hint: remove it first, or see another with --output -" ] || fail "other words"
	[ "$(cat "$B/config.json")" = mine ]
	rm "$B/config.json"
	ln -s "$E2E_STATE/elsewhere" "$B/config.json"
	exits 125 runtime spec -b "$B"
	[ ! -e "$E2E_STATE/elsewhere" ] || fail "a link was followed"
	[ "$(ls -A "$B")" = config.json ] || fail "something stays behind"
}

@test "spec: in the working directory, to the standard output, to another file" {
	cd "$B"
	ok runtime spec
	ok runtime spec --output -
	[ "$output" = "$(cat config.json)" ]
	ok runtime spec -o "$E2E_STATE/other.json"
	cmp "$E2E_STATE/other.json" config.json
	exits 125 runtime spec -o "$E2E_STATE/other.json"
	exits 125 runtime spec -o /nowhere/config.json
	exits 125 runtime spec -b /nowhere
	exits 125 runtime spec operand
	ln -s "$INSULA_BIN/insula-runtime" "$E2E_STATE/runc"
	exits 1 "$E2E_STATE/runc" spec
	rm config.json
	ok "$E2E_STATE/runc" spec --bundle .
	[ -s config.json ]
}

@test "spec has what users of runc expect" {
	runtime spec --bundle "$B"
	has '.ociVersion | startswith("1.")'
	has '.root == {"path": "rootfs", "readonly": true}'
	has '.process.terminal and .process.noNewPrivileges and .process.cwd == "/" and .process.args == ["sh"]'
	has '.process.user == {"uid": 0, "gid": 0}'
	has '.process.env == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]'
	has '.process.capabilities | [.bounding, .effective, .permitted] |
		all(sort == ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"])'
	has '.process.rlimits == [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]'
	has '[.mounts[].destination] == ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"]'
	has '[.linux.namespaces[].type] | sort == ["cgroup", "ipc", "mount", "network", "pid", "uts"]'
	has '.linux.resources.devices == [{"allow": false, "type": "a", "access": "rwm"}] or
		.linux.resources.devices == [{"allow": false, "access": "rwm"}]'
	has '.linux.maskedPaths - (.linux.maskedPaths - ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
		"/proc/scsi"]) | length == 10'
	has '.linux.readonlyPaths == ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]'
}

@test "spec runs as it is, on a terminal" {
	cp -a "$E2E_ROOT" "$B/rootfs"
	runtime spec --bundle "$B"
	ok runtime validate "$B"
	[ -z "$output" ] || fail "something is wrong with it"
	run -3 pty --expect "/ # " --send 'id; hostname; tty; exit 3\r' -- \
		"$INSULA_BIN/insula-runtime" --root "$E2E_STATE/oci" --runroot "$E2E_STATE/run" run --bundle "$B" "${E2E_STATE##*.}"
	grep -q "uid=0" <<<"$output"
	grep -q "^insula" <<<"$output"
	grep -q "/dev/pts/0" <<<"$output"
}

@test "spec --rootless: a user namespace with the caller as root, no limits, the host's network" {
	chmod 777 "$E2E_STATE" "$B"
	cp -a "$E2E_ROOT" "$B/rootfs"
	cd "$B"
	ok setpriv --reuid 65534 --regid 65533 --clear-groups "$INSULA_BIN/insula-runtime" spec --rootless
	has '[.linux.namespaces[].type] | sort == ["cgroup", "ipc", "mount", "pid", "user", "uts"]'
	has '.linux.uidMappings == [{"containerID": 0, "hostID": 65534, "size": 1}]'
	has '.linux.gidMappings == [{"containerID": 0, "hostID": 65533, "size": 1}]'
	has '.linux.resources == null'
	has '[.mounts[].options // [] | .[] | select(startswith("gid=") or startswith("uid="))] == []'
	has '.mounts[] | select(.destination == "/sys") | .source == "/sys" and (.options | index("rbind") != null)'
	ok setpriv --reuid 65534 --regid 65533 --clear-groups "$INSULA_BIN/insula-runtime" validate
	[ -z "$output" ] || fail "something is wrong with it"
	# Without limits it needs no control group, which nobody has delegated here.
	jq '.process.terminal = false | .process.args = ["id", "-u"]' config.json >other && mv other config.json
	ok setpriv --reuid 65534 --regid 65533 --clear-groups "$INSULA_BIN/insula-runtime" --root "$B/oci" \
		--runroot "$B/run" run "${E2E_STATE##*.}"
	[ "$output" = 0 ] || fail "it is not root inside"
}
