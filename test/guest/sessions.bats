#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# An ordinary user's containers in the user's own service manager: with linger they outlive the session,
# without it they end with the last one.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash

USER_ID=1000 # "user", who is made with the guest

setup_file() { file_setup; }
teardown_file() { file_teardown; }

setup() {
	oci_setup
	OCI_ROOT=$E2E_STATE/user/oci
	mkdir -p "$E2E_STATE/user"
	chmod 755 "$E2E_STATE"
	bundle "del(.linux.resources)
		| .linux.namespaces += [{type: \"user\"}]
		| .linux.uidMappings = [{containerID: 0, hostID: $USER_ID, size: 1}]
		| .linux.gidMappings = .linux.uidMappings
		| .linux.resources = {pids: {limit: 40}}
		| .linux.cgroupsPath = \":insula:$UNIQUE\"
		| (.mounts[] | select(.type == \"devpts\").options) |= map(select(startswith(\"gid=\") | not))
		| .process.args = [\"sleep\", \"600\"]"
	chown -R $USER_ID:$USER_ID "$E2E_STATE/user" "$BUNDLE"
	UNIT=insula-$UNIQUE.scope
	loginctl enable-linger user
	eventually 60 test -S /run/user/$USER_ID/bus
}

teardown() {
	loginctl enable-linger user
	eventually 60 test -S /run/user/$USER_ID/bus
	as_user "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" delete --force one || true
	loginctl disable-linger user
	eventually 60 test ! -e /run/user/$USER_ID/bus
	rm -rf "$E2E_STATE/user"
	oci_teardown
}

as_user() {
	setpriv --reuid $USER_ID --regid $USER_ID --init-groups env HOME=/home/user XDG_RUNTIME_DIR=/run/user/$USER_ID \
		DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$USER_ID/bus "$@"
}

create_in_the_manager() {
	as_user systemd-run --user --quiet --wait --pipe --property=Type=oneshot "$INSULA_BIN/insula-runtime" --systemd-cgroup \
		--root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" create --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "create: $(cat "$OUT")"
	PID=$(jq -r '.. | .pid? // empty' "$OCI_ROOT"/one/state.json 2>/dev/null | head -n 1)
	[ -n "$PID" ] || PID=$(as_user "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" state one | jq .pid)
}

@test "a container is in a scope of the user's manager, with its limit, and a service that made it may end" {
	create_in_the_manager
	group=$(sed -n 's/^0:://p' "/proc/$PID/cgroup")
	[[ $group == /user.slice/user-$USER_ID.slice/user@$USER_ID.service/*$UNIT* ]] || fail "$group"
	[ "$(cat "/sys/fs/cgroup$group/pids.max")" = 40 ]
	[ "$(as_user systemctl --user show --value --property Delegate "$UNIT")" = yes ]
}

@test "without linger the manager ends after the last session, and the container with it" {
	create_in_the_manager
	loginctl disable-linger user
	eventually 60 test ! -e "/proc/$PID"
	eventually 30 test -z "$(find /sys/fs/cgroup -name "$UNIT")"
}
