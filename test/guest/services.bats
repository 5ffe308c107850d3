#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Containers as services of the real manager: units that 'generate systemd' wrote, readiness, slices, an ordinary
# user's manager.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash
load sessions.bash

setup_file() {
	file_setup
	static_program "$E2E_DIR/notify.c" "$E2E_ROOT/bin/notify"
}

setup() {
	sessions_setup
	UNITS=/run/systemd/system
	SERVICE=insula-test-$UNIQUE.service
}

teardown() {
	systemctl stop "$SERVICE" 2>/dev/null || true
	rm -f "$UNITS"/*"$UNIQUE"*
	systemctl daemon-reload
	systemctl reset-failed 2>/dev/null || true
	sessions_teardown
}

# unit FLAG... NAME: the unit of a container, as it is generated.
unit() {
	insula generate systemd "$@" >"$UNITS/$SERVICE"
	systemctl daemon-reload
}

# own_unit LINE...: one that a user wrote.
own_unit() {
	{
		echo "[Service]"
		printf '%s\n' "Environment=INSULA_ROOT=$INSULA_ROOT INSULA_RUNROOT=$INSULA_RUNROOT" "$@"
	} >"$UNITS/$SERVICE"
	systemctl daemon-reload
}

shown() {
	systemctl show --property "$1" --value "$SERVICE"
}

is_shown() {
	[ "$(shown "$1")" = "$2" ]
}

# What says that it is ready when there is a file, and goes on.
WAITING='until [ -e /go ]; do sleep 0.2; done; notify -q "STATUS=serving 3" READY=1; exec sleep 1000'

@test "a service begins when its container says that it is ready, and its end is the container's" {
	ok insula create --init --name web --sdnotify container "$E2E_IMAGE" sh -c "$WAITING"
	unit web
	systemctl start --no-block "$SERVICE"
	eventually 60 running web
	sleep 2
	is_shown ActiveState activating || fail "$(systemctl status "$SERVICE")"
	insula exec web touch /go
	eventually 60 is_shown ActiveState active
	eventually 20 is_shown StatusText 'serving 3'
	[[ $(cat "/proc/$(shown MainPID)/comm") == insula* ]] || fail
	systemctl stop "$SERVICE"
	[ "$(field web status)" = exited ] || fail
	is_shown Result success || fail "$(systemctl status "$SERVICE")"
	# The file is there now.
	systemctl start "$SERVICE"
	[ "$(field web status) $(field web ready)" = 'running true' ] || fail
	systemctl stop "$SERVICE"
	insula rm web
}

running() {
	[ "$(field "$1" status)" = running ]
}

@test "one that ends before it is ready has not started" {
	ok insula create --name web --sdnotify container "$E2E_IMAGE" sh -c 'echo no; exit 3'
	unit --restart-policy no web
	not_ok systemctl start "$SERVICE"
	is_shown ExecMainStatus 3 || fail "$(systemctl status "$SERVICE")"
	is_shown Result exit-code || fail
}

not_ok() {
	! "$@" || fail "it was expected to fail: $*"
}

@test "the manager makes a new one of a container that was killed, with --new as well" {
	ok insula create --init --name web --sdnotify container "$E2E_IMAGE" sh -c 'notify -q READY=1; exec sleep 1000'
	unit --new --name web
	insula rm web
	systemctl start "$SERVICE"
	[ "$(field web ready)" = true ] || fail
	first=$(field web id)
	insula kill --signal KILL web
	eventually 60 is_shown NRestarts 1
	eventually 60 is_another "$first"
	eventually 60 is_shown ActiveState active
	systemctl stop "$SERVICE"
	[ -z "$(insula ps --all --quiet)" ] || fail "$(insula ps --all)"
}

is_another() {
	local id
	id=$(field web id 2>/dev/null) && [ -n "$id" ] && [ "$id" != "$1" ]
}

@test "in the background: the keeper is the service's main process, wherever it is" {
	own_unit Type=notify NotifyAccess=all TimeoutStartSec=200 \
		"ExecStart=$INSULA_BIN/insula run -d --name web --sdnotify container $E2E_IMAGE sh -c 'notify -q READY=1; until [ -e /go ]; do sleep 0.2; done; exit 7'"
	systemctl start "$SERVICE" || fail "$(systemctl status "$SERVICE")"
	[ "$(shown MainPID)" = "$(detail web .State.KeeperPid)" ] || fail "$(systemctl status "$SERVICE")"
	[ "$(field web ready)" = true ] || fail
	# It says of itself what a service may: the manager hears it from the keeper.
	insula exec -e NOTIFY_SOCKET=/run/notify/notify.sock web notify -q 'STATUS=later'
	eventually 20 is_shown StatusText later
	insula exec web touch /go
	eventually 60 is_shown ActiveState failed
	is_shown ExecMainStatus 7 || fail "$(systemctl status "$SERVICE")"
	systemctl reset-failed "$SERVICE"
	[ "$(field web exit_code)" = 7 ] || fail
}

@test "conmon and healthy: ready at its start, and by its check" {
	own_unit Type=notify NotifyAccess=all TimeoutStartSec=200 \
		"ExecStart=$INSULA_BIN/insula run -d --replace --name web --sdnotify conmon $E2E_IMAGE sleep 1000" \
		"ExecStop=$INSULA_BIN/insula stop --time 1 web"
	systemctl start "$SERVICE" || fail "$(systemctl status "$SERVICE")"
	systemctl stop "$SERVICE"
	[ "$(field web status)" = exited ] || fail
	own_unit Type=notify NotifyAccess=all TimeoutStartSec=200 \
		"ExecStart=$INSULA_BIN/insula run -d --replace --name web --sdnotify healthy --health-interval 500ms --health-cmd 'test -e /well' $E2E_IMAGE sleep 1000"
	systemctl start --no-block "$SERVICE"
	eventually 60 running web
	sleep 2
	is_shown ActiveState activating || fail
	insula exec web touch /well
	eventually 60 is_shown ActiveState active
}

@test "a slice of one's own: the containers in it share its limit, and go by it" {
	local slice=insulatest${UNIQUE//-/}.slice place # a dash would be a slice in a slice
	printf '[Slice]\nMemoryMax=200M\nTasksMax=50\n' >"$UNITS/$slice"
	systemctl daemon-reload
	for name in one two; do
		ok insula run -d --name "$name" --memory 64m --cgroup-parent "$slice" "$E2E_IMAGE" sleep 1000
		[ "$(detail "$name" .CgroupName)" = "$slice/insula-$(field "$name" id).scope/container" ] || fail
	done
	place=/sys/fs/cgroup/$slice
	[ "$(cat "$place/memory.max")" = 209715200 ]
	[ "$(cat "$place/insula-$(field one id).scope/container/memory.max")" = 67108864 ]
	systemctl stop "$slice"
	[ "$(field one status) $(field two status)" = 'exited exited' ] || fail
	eventually 30 test ! -e "$place"
	refused 125 . insula run --cgroup-parent /somewhere "$E2E_IMAGE" true
	rm "$UNITS/$slice"
}

@test "an ordinary user's service, with linger, and his containers of the new kinds" {
	local directory=$E2E_STATE/user
	cp -a "$E2E_ROOT" "$directory/image"
	mkdir -p "$directory/units"
	chown -R "$USER_ID:$USER_ID" "$directory"
	as_user env INSULA_ROOT="$directory/lib" INSULA_RUNROOT="$directory/engine" USER_DIR="$directory" \
		PATH="$INSULA_BIN:$PATH" WAITING="$WAITING" SERVICE="$SERVICE" sh -eu <<-'SCRIPT' >"$directory/said" 2>&1 || fail "$(cat "$directory/said")"
		insula create --name web --sdnotify container "dir:$USER_DIR/image" sh -c "$WAITING" >/dev/null
		mkdir -p "$XDG_RUNTIME_DIR/systemd/user"
		insula generate systemd web >"$XDG_RUNTIME_DIR/systemd/user/$SERVICE"
		systemctl --user daemon-reload
		systemctl --user start --no-block "$SERVICE"
		until [ "$(insula inspect --format '{{.State.Status}}' web)" = running ]; do sleep 0.5; done
		echo "before: $(systemctl --user show --property ActiveState --value "$SERVICE")"
		insula exec web touch /go
		until [ "$(systemctl --user show --property ActiveState --value "$SERVICE")" = active ]; do sleep 0.5; done
		echo "status: $(systemctl --user show --property StatusText --value "$SERVICE")"
		systemctl --user stop "$SERVICE"
		echo "after: $(insula inspect --format '{{.State.Status}}' web)"
		insula rm web >/dev/null
		rm "$XDG_RUNTIME_DIR/systemd/user/$SERVICE"
		printf hidden | insula secret create word - >/dev/null
		insula run --rm --secret word --cgroup-parent insulatest.slice --memory 64m "dir:$USER_DIR/image" \
			sh -c 'echo "secret: $(cat /run/secrets/word)"'
		insula run -d --name kept --pid host "dir:$USER_DIR/image" sleep 1000 >/dev/null
		insula pause kept >/dev/null
		echo "paused: $(insula inspect --format '{{.State.Status}}' kept)"
		insula unpause kept >/dev/null
		insula update --memory 100m kept >/dev/null
		insula stats --no-stream --format '{{.Name}}' kept
		echo text >"$USER_DIR/file"
		insula cp "$USER_DIR/file" kept:/file
		insula exec kept cat /file | sed 's/^/copied: /'
	SCRIPT
	for line in 'before: activating' 'status: serving 3' 'after: exited' 'secret: hidden' 'paused: paused' kept 'copied: text'; do
		said "$line"
	done
	# The script has ended; he has no session, and the container is there until his manager ends.
	keeper=$(as_user env INSULA_ROOT="$directory/lib" INSULA_RUNROOT="$directory/engine" "$INSULA_BIN/insula" inspect --format '{{.State.KeeperPid}}' kept)
	[ -d "/proc/$keeper" ]
	loginctl disable-linger user
	eventually 60 test ! -e "/proc/$keeper"
	[ "$(as_user env INSULA_ROOT="$directory/lib" INSULA_RUNROOT="$directory/engine" "$INSULA_BIN/insula" inspect --format '{{.State.Status}}' kept)" = exited ] || fail
	as_user env INSULA_ROOT="$directory/lib" INSULA_RUNROOT="$directory/engine" "$INSULA_BIN/insula" rm kept
}
