#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula inspect, info and version: what they say is what is there.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup_file() { file_setup; }
teardown_file() { file_teardown; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }

box() {
	insula run -d --name "$@" "$E2E_IMAGE" sleep 600 >/dev/null
}

# about REF FILTER: a value of what inspect shows.
about() {
	insula inspect "$1" | jq -r ".[0]$2"
}

# in_force FILTER: a value of what the kernel enforces on "box".
in_force() {
	insula inspect --security box | jq -cr ".[0].Security$1"
}

@test "inspect: what was asked for, under the names that docker has" {
	box box --label tier=front --label alone -e COLOUR=red -w /srv -u user --hostname inside \
		--stop-signal INT --stop-timeout 3
	[ "$(about box .Name)" = box ]
	[ "$(about box .Image)" = "$E2E_IMAGE" ]
	[ "$(about box '.Config.Cmd | join(" ")')" = 'sleep 600' ]
	[ "$(about box .Config.Labels.tier)" = front ]
	[ "$(about box '.Config.Labels.alone')" = "" ]
	[ "$(about box .Config.WorkingDir)" = /srv ]
	[ "$(about box .Config.User)" = user ]
	[ "$(about box .Config.Hostname)" = inside ]
	[ "$(about box .Config.StopSignal)" = SIGINT ]
	[ "$(about box .Config.StopTimeout)" = 3 ]
	about box '.Config.Env[]' | grep -q -x COLOUR=red
	[ "$(about box .Spec.process.cwd)" = /srv ]
}

@test "inspect: paths are where things are" {
	insula run -d --name box "$E2E_IMAGE" sh -c 'echo said; echo kept >/file; exec sleep 600' >/dev/null
	eventually 5 test -s "$(about box .LogPath)"
	grep -q said "$(about box .LogPath)"
	eventually 5 test -s "$(about box .GraphDriver.Data.UpperDir)/file"
	[ -S "$(about box .Directories.Run)/ctl" ]
	[ -n "$(find /sys/fs/cgroup -maxdepth 3 -type d -name "$(about box .CgroupName)")" ]
}

@test "inspect: a running one has a process, one that ended has an end" {
	box box
	[ "$(about box .State.Status)" = running ]
	tr '\0' ' ' <"/proc/$(about box .State.Pid)/cmdline" | grep -q 'sleep 600'
	[ "$(basename "$(readlink "/proc/$(about box .State.KeeperPid)/exe")")" = insula-keeper ]
	[ "$(awk '/^Uid/ { print $2 }' "/proc/$(about box .State.Pid)/status")" = "$(about box .IdMap.HostId)" ]
	insula kill box >/dev/null
	eventually 5 sh -c '"$INSULA_BIN/insula" inspect box | grep -q "\"Status\": \"exited\""'
	[ "$(about box .State.ExitCode)" = 137 ]
	[ "$(about box .State.Signal)" = SIGKILL ]
	[ "$(about box .State.Pid)" = 0 ]
	[[ $(about box .State.FinishedAt) == 20* ]]
}

@test "inspect: what was degraded is kept" {
	local most
	most=$(awk '/^Max open files/ { print $5 }' /proc/self/limits)
	[ "$most" != unlimited ] && [ "$most" -lt 1000000000 ] || skip "this host has no limit to run into"
	! prlimit --nofile=1000000000:1000000000 true 2>/dev/null || skip "this host allows any limit"
	box box --ulimit nofile=1000000000
	[[ $(about box '.Warnings[]') == *RLIMIT_NOFILE* ]] || fail
}

@test "inspect: several at once, and one that is not there" {
	box one
	box two
	ok insula inspect one two
	[ "$(jq -r '.[].Name' <<<"$output" | tr '\n' ' ')" = 'one two ' ] || fail
	exits 125 insula inspect one ghost
	[ "$(jq length <<<"$output")" -eq 1 ] || fail
	[[ $stderr == *"'ghost'"* ]] || fail
}

@test "inspect --security: what the kernel says of the first process" {
	local pid
	box box -m 64m --pids-limit 77 --cap-drop all --cap-add chown --security-opt no-new-privileges \
		--ulimit nofile=123:456
	pid=$(about box .State.Pid)
	[ "$(in_force .Capabilities.Effective)" = '["CAP_CHOWN"]' ]
	[ "$(in_force .Capabilities.Bounding)" = '["CAP_CHOWN"]' ]
	[ "$(in_force .Capabilities.Inheritable)" = '[]' ]
	[ "$(in_force .Seccomp.Mode)" = filter ]
	[ "$(in_force .NoNewPrivileges)" = true ]
	[ "$(in_force .Namespaces.pid.Inode)" = "$(stat -L -c %i "/proc/$pid/ns/pid")" ]
	[ "$(in_force .Namespaces.user.Own)" = true ]
	[ "$(in_force '.UidMap[0]')" = "$(awk '{ print $1, $2, $3 }' "/proc/$pid/uid_map")" ]
	[ "$(in_force .Rlimits.RLIMIT_NOFILE)" = '{"Soft":123,"Hard":456}' ]
	in_force .Cgroup | grep -q '"[a-z,]*/pids.max":"77"'
	in_force .Cgroup | grep -q -e '/memory.max":"67108864"' -e '/memory.limit_in_bytes":"67108864"'
}

@test "inspect --security: without isolation it says so" {
	box box --userns host --network host --security-opt seccomp=unconfined
	[ "$(in_force .Seccomp.Mode)" = disabled ]
	[ "$(in_force .Namespaces.user.Own)" = false ]
	[ "$(in_force .Namespaces.net.Own)" = false ]
	[ "$(in_force .HostUid)" = 0 ]
}

@test "inspect --security: one that does not run has nothing in force" {
	insula run --name box "$E2E_IMAGE" true
	exits 125 insula inspect --security box
	[ -z "$output" ] || fail
	[[ $stderr == *'not running'* ]] || fail
}

@test "info: the host, the store and its containers" {
	box one
	insula run --name two "$E2E_IMAGE" true
	ok insula info --format json
	[ "$(jq -r .host.kernel <<<"$output")" = "$(uname -r)" ] || fail
	[ "$(jq -r .store.root <<<"$output")" = "$INSULA_ROOT" ] || fail
	[ "$(jq -c .store.containers <<<"$output")" = '{"starting":0,"created":0,"running":1,"restarting":0,"stopping":0,"exited":1,"dead":0,"damaged":0}' ] || fail
	jq -r '.cgroup.hierarchies[].mount' <<<"$output" | while read -r mount; do mountpoint -q "$mount" || exit 1; done
	ok insula info
	contains "  kernel: $(uname -r)"
	contains '    running: 1'
}

@test "version: program, protocol, specification" {
	ok insula version --format json
	[ "$(jq -r .version <<<"$output")" = "$(insula --version | cut -d' ' -f2)" ] || fail
	[ "$(jq .keeper_protocol <<<"$output")" -ge 1 ] || fail
	[[ $(jq -r .oci_runtime_spec <<<"$output") == 1.* ]] || fail
}
