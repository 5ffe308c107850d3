# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For the files about an ordinary user's containers: load helpers, oci.bash, then this. A bundle for the user, whose
# service manager runs, and nothing of him after the test.

USER_ID=1000 # "user", who is made with the guest

sessions_setup() {
	exec {USER_LOCK}>/run/lock/insula-sessions # the user is one, and files run beside each other
	flock -w 600 "$USER_LOCK"
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
		| .annotations = {\"org.systemd.property.TimeoutStopUSec\": \"uint64 2000000\"}
		| (.mounts[] | select(.type == \"devpts\").options) |= map(select(startswith(\"gid=\") | not))
		| .process.args = [\"sleep\", \"600\"]"
	chown -R $USER_ID:$USER_ID "$E2E_STATE/user" "$BUNDLE"
	UNIT=insula-$UNIQUE.scope
	loginctl enable-linger user
	eventually 60 test -S /run/user/$USER_ID/bus
}

sessions_teardown() {
	as_user_runtime delete --force one || true
	loginctl disable-linger user
	eventually 60 test ! -e /run/user/$USER_ID/bus
	rm -rf "$E2E_STATE/user"
	oci_teardown
}

as_user() {
	setpriv --reuid $USER_ID --regid $USER_ID --init-groups env HOME=/home/user XDG_RUNTIME_DIR=/run/user/$USER_ID \
		DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$USER_ID/bus "$@"
}

as_user_runtime() {
	as_user "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" "$@"
}

# in_a_login SCRIPT: what the user types in a session on a terminal, up to its end. $RUNTIME stands for the program.
in_a_login() {
	cat >"$E2E_STATE/user/script" <<-SCRIPT
		RUNTIME="$INSULA_BIN/insula-runtime --root $OCI_ROOT --runroot $E2E_STATE/user/run"
		cat /proc/self/cgroup
		$1
		echo "script: ended"
	SCRIPT
	E2E_STATE=$E2E_STATE timeout 240 expect -c 'set timeout 200
		spawn login -f user
		expect -re {[$] $}
		send "sh $env(E2E_STATE)/user/script >$env(E2E_STATE)/user/said 2>&1; exit\r"
		expect eof' >"$OUT" 2>&1 </dev/null 3>&-
	grep -qx 'script: ended' "$E2E_STATE/user/said" || fail "the session: $(cat "$OUT" "$E2E_STATE/user/said")"
	grep -q '^0::/user.slice/user-[0-9]*.slice/session-.*.scope$' "$E2E_STATE/user/said" || fail "no session: $(cat "$E2E_STATE/user/said")"
}

has_no_unit() {
	[ -z "$(find /sys/fs/cgroup -name "$UNIT")" ]
}

# Nothing of the user runs outside of his manager.
has_no_session() {
	! loginctl list-sessions --no-legend | grep -q ' user '
}

said() {
	grep -qx -e "$1" "$E2E_STATE/user/said" || fail "expected: $1, in: $(cat "$E2E_STATE/user/said")"
}

create_in_the_manager() {
	as_user systemd-run --user --quiet --wait --pipe --property=Type=oneshot "$INSULA_BIN/insula-runtime" --systemd-cgroup \
		--root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" create --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "create: $(cat "$OUT")"
	PID=$(jq -r '.. | .pid? // empty' "$OCI_ROOT"/one/state.json 2>/dev/null | head -n 1)
	[ -n "$PID" ] || PID=$(as_user_runtime state one | jq .pid)
}
