#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula inspect, info and version: what they say is what is there.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

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

# What scripts for podman and docker read, by key and type.
keys() {
	cat <<-'KEYS'
		string .Id .Created .Path .Name .Image .ImageName .Driver .OCIRuntime .MountLabel .ProcessLabel .AppArmorProfile .LogPath
		array .Args .EffectiveCaps .BoundingCaps .Mounts .Dependencies
		number .RestartCount
		string .State.OciVersion .State.Status .State.Error .State.StartedAt .State.FinishedAt
		boolean .State.Running .State.Paused .State.Restarting .State.OOMKilled .State.Dead
		number .State.Pid .State.ExitCode
		string .GraphDriver.Name .GraphDriver.Data.UpperDir .GraphDriver.Data.WorkDir .GraphDriver.Data.MergedDir
		string .Mounts[0].Type .Mounts[0].Source .Mounts[0].Destination .Mounts[0].Mode .Mounts[0].Propagation
		boolean .Mounts[0].RW
		array .Mounts[0].Options
		string .NetworkSettings.Bridge .NetworkSettings.SandboxKey .NetworkSettings.Gateway .NetworkSettings.IPAddress
		string .NetworkSettings.MacAddress .NetworkSettings.IPv6Gateway .NetworkSettings.GlobalIPv6Address
		number .NetworkSettings.IPPrefixLen .NetworkSettings.GlobalIPv6PrefixLen
		object .NetworkSettings.Ports .NetworkSettings.Networks
		string .Config.Hostname .Config.Domainname .Config.User .Config.Image .Config.WorkingDir .Config.StopSignal .Config.Umask
		boolean .Config.Tty .Config.OpenStdin
		array .Config.Env .Config.Cmd .Config.CreateCommand .Config.Healthcheck.Test
		object .Config.Labels .Config.Annotations
		number .Config.StopTimeout .Config.Healthcheck.Interval .Config.Healthcheck.Timeout .Config.Healthcheck.Retries
		array .HostConfig.Binds .HostConfig.CapAdd .HostConfig.CapDrop .HostConfig.Dns .HostConfig.DnsOptions .HostConfig.DnsSearch
		array .HostConfig.ExtraHosts .HostConfig.GroupAdd .HostConfig.SecurityOpt .HostConfig.Devices .HostConfig.Ulimits
		array .HostConfig.BlkioWeightDevice .HostConfig.BlkioDeviceReadBps .HostConfig.BlkioDeviceWriteBps
		array .HostConfig.BlkioDeviceReadIOps .HostConfig.BlkioDeviceWriteIOps .HostConfig.ConsoleSize
		object .HostConfig.Tmpfs .HostConfig.PortBindings .HostConfig.RestartPolicy .HostConfig.LogConfig
		string .HostConfig.NetworkMode .HostConfig.IpcMode .HostConfig.PidMode .HostConfig.UTSMode .HostConfig.UsernsMode
		string .HostConfig.CgroupMode .HostConfig.CgroupnsMode .HostConfig.CpusetCpus .HostConfig.CpusetMems .HostConfig.Runtime
		string .HostConfig.RestartPolicy.Name .HostConfig.LogConfig.Type .HostConfig.LogConfig.Path
		boolean .HostConfig.AutoRemove .HostConfig.Init .HostConfig.Privileged .HostConfig.PublishAllPorts
		boolean .HostConfig.ReadonlyRootfs .HostConfig.OomKillDisable
		number .HostConfig.Memory .HostConfig.MemoryReservation .HostConfig.MemorySwap .HostConfig.MemorySwappiness
		number .HostConfig.CpuShares .HostConfig.CpuPeriod .HostConfig.CpuQuota .HostConfig.NanoCpus .HostConfig.PidsLimit
		number .HostConfig.CpuRealtimePeriod .HostConfig.CpuRealtimeRuntime .HostConfig.BlkioWeight .HostConfig.OomScoreAdj
		number .HostConfig.ShmSize .HostConfig.RestartPolicy.MaximumRetryCount
	KEYS
}

@test "inspect: the keys of podman and docker, with their types" {
	local type path paths filter=
	box box -v "$BATS_TEST_TMPDIR:/data" --health-cmd true
	while read -r type paths; do
		for path in $paths; do
			filter+="(.[0]$path | if type == \"$type\" then empty else \"$path is \\(type), not $type\" end),"
		done
	done < <(keys)
	[ "$(grep -o -F '(.[0]' <<<"$filter" | wc -l)" -ge 120 ]
	[ -z "$(insula inspect box | jq -r "${filter%,}")" ] || fail "$(insula inspect box | jq -r "${filter%,}")"
}

@test "inspect: HostConfig and its kin say what was asked for, in the units of podman" {
	box box -m 64m --memory-reservation 32m --cpus 0.5 --cpuset-cpus 0 --cpu-shares 512 --pids-limit 77 --shm-size 8m \
		-v "$BATS_TEST_TMPDIR:/data:ro" --tmpfs /scratch:size=1m --cap-add net_admin --cap-drop chown \
		--network host --dns-search example.org --add-host one:10.0.0.1 --ulimit nofile=123:456 --restart on-failure:3 \
		--group-add 7 --security-opt no-new-privileges --oom-score-adj 100 --init --read-only
	local row expected
	insula inspect box >"$E2E_STATE/document"
	while IFS='|' read -r row expected; do
		[ "$(jq -c ".[0]$row" "$E2E_STATE/document")" = "$expected" ] || fail "$row: $(jq -c ".[0]$row" "$E2E_STATE/document")"
	done <<-ROWS
		.HostConfig.Memory|67108864
		.HostConfig.MemorySwap|67108864
		.HostConfig.MemoryReservation|33554432
		.HostConfig.NanoCpus|500000000
		.HostConfig.CpuQuota|50000
		.HostConfig.CpuPeriod|100000
		.HostConfig.CpuShares|512
		.HostConfig.CpusetCpus|"0"
		.HostConfig.PidsLimit|77
		.HostConfig.ShmSize|8388608
		.HostConfig.CapAdd|["CAP_NET_ADMIN"]
		.HostConfig.CapDrop|["CAP_CHOWN"]
		.HostConfig.DnsSearch|["example.org"]
		.HostConfig.ExtraHosts|["one:10.0.0.1"]
		.HostConfig.RestartPolicy|{"Name":"on-failure","MaximumRetryCount":3}
		.HostConfig.GroupAdd|["7"]
		.HostConfig.SecurityOpt|["no-new-privileges"]
		.HostConfig.OomScoreAdj|100
		.HostConfig.Init|true
		.HostConfig.ReadonlyRootfs|true
		.HostConfig.NetworkMode|"host"
		.HostConfig.UsernsMode|"private"
		.HostConfig.LogConfig.Type|"file"
		.Path|"sleep"
		.Args|["600"]
	ROWS
	[ "$(about box '.HostConfig.Ulimits[] | select(.Name == "RLIMIT_NOFILE") | "\(.Soft) \(.Hard)"')" = '123 456' ]
	[[ $(about box '.HostConfig.Binds[0]') == "$BATS_TEST_TMPDIR:/data:"*ro* ]] || fail
	[[ $(about box '.HostConfig.Tmpfs["/scratch"]') == *size=1m* ]] || fail
	[ "$(about box '.Mounts[] | select(.Destination == "/data") | "\(.Type) \(.Source) \(.RW) \(.Propagation)"')" = "bind $BATS_TEST_TMPDIR false rprivate" ]
	[ "$(insula inspect --format '{{.State.Status}} {{.HostConfig.Memory}} {{index .Config.Env "PATH"}}' box)" = "running 67108864 $(about box '.Config.Env[] | select(startswith("PATH="))[5:]')" ]
	[ "$(readlink "$(about box .NetworkSettings.SandboxKey)")" = "$(readlink "/proc/$(about box .State.Pid)/ns/net")" ]
	[ "$(about box '.Config.CreateCommand[0:2] | join(" ")')" = 'insula run' ]
	ok insula update --memory 48m --cpus 0 --pids-limit -1 box
	[ "$(insula inspect --format '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' box)" = '50331648 0 -1' ]
}

@test "inspect: modes of namespaces, and devices" {
	box one
	box two --network container:one --ipc container:one --uts host --cgroupns host --userns host --device /dev/fuse:/dev/own:r
	[ "$(about two .HostConfig.NetworkMode)" = "container:$(about one .Id)" ]
	[ "$(about two .HostConfig.IpcMode)" = "container:$(about one .Id)" ]
	[ "$(about two '.HostConfig | "\(.UTSMode) \(.CgroupnsMode) \(.UsernsMode) \(.PidMode)"')" = 'host host host private' ]
	[ "$(about two '.HostConfig.Devices[0] | "\(.PathInContainer) \(.CgroupPermissions)"')" = '/dev/own r' ]
	[ "$(about two '.HostConfig.Devices[0].PathOnHost')" = "/dev/char/$((0x$(stat -c %t /dev/fuse))):$((0x$(stat -c %T /dev/fuse)))" ]
}

@test "inspect: Security is there where it is asked for, by option or by name" {
	box box
	[ "$(insula inspect box | jq '.[0] | has("Security")')" = false ]
	ok insula inspect --format '{{.Security.Seccomp.Mode}}' box
	shows filter
	ok insula inspect --format '{{.Name}} {{json .security.NoNewPrivileges}}' box
	shows 'box false'
	insula stop -t 0 box >/dev/null
	exits 125 insula inspect --format '{{.Security.Seccomp.Mode}}' box
	[[ $stderr == *'not running'* ]] || fail
}

@test "inspect: what templates of docker's and podman's users do" {
	box box -v "$BATS_TEST_TMPDIR:/data:ro" --label tier=front -e COLOUR=red
	local row format expected
	while IFS='~' read -r format expected; do
		ok insula inspect -f "$format" box
		[ "$output" = "$expected" ] || fail "$format: $output"
	done <<-ROWS
		{{range .Mounts}}{{.Type}} {{.Source}} -> {{.Destination}}{{end}}~bind $BATS_TEST_TMPDIR -> /data
		{{with index .Mounts 0}}{{.Destination}}{{end}}, {{(index .Mounts 0).RW}}~/data, false
		{{range \$k, \$v := .Config.Labels}}{{\$k}}={{\$v}}{{end}}~tier=front
		{{if .State.Running}}up{{else}}down{{end}}~up
		{{if and .State.Running (not .State.Paused)}}{{.Name}}{{end}}~box
		{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}~
		{{len .Mounts}} {{index .Config.Labels "tier"}} {{slice .Id 0 12 | len}}~1 front 12
		{{join .Config.Cmd "+"}} {{printf "%q" .Path}}~sleep+600 "sleep"
		{{with .State.Health}}{{.Status}}{{else}}none{{end}}~none
		{{if eq .HostConfig.NetworkMode "none" "host"}}{{.HostConfig.NetworkMode}}{{end}}~none
		{{range .Config.Env}}{{if eq . "COLOUR=red"}}{{print .}}{{end}}{{end -}} !~COLOUR=red!
		{{json .Spec.process.args}} {{.Spec.hostname}}~["sleep","600"] $(about box .Config.Hostname)
	ROWS
	[[ $(insula ps --format 'table {{.ID}}\t{{if .Labels}}{{join .Labels "+"}}{{end}}' | tail -n 1) == *tier=front ]] || fail
	[ "$(insula ps --format '{{range .Labels}}{{.}};{{end}}{{$.Names}}')" = 'tier=front;box' ]
}

@test "inspect: a member that nothing has is an error, wherever" {
	box box -v "$BATS_TEST_TMPDIR:/data"
	local format missing
	while read -r format missing; do
		refused 125 "there is no field '$missing'" insula inspect -f "$format" box
	done <<-'ROWS'
		{{.Spec.x}} Spec.x
		{{.Spec.process.capability}} Spec.process.capability
		{{.Security.x}} Security.x
		{{.Security.Seccomp.Modus}} Security.Seccomp.Modus
		{{.Security.Namespaces.nett}} Security.Namespaces.nett
		{{range.Mounts}}{{.Sauce}}{{end}} Mounts.Sauce
		{{.Mounts.Source}} Mounts.Source
	ROWS
	refused 125 'range wants' insula inspect -f '{{range .Name}}{{end}}' box
	# What such a document may have.
	ok insula inspect -f '[{{.Spec.linux.intelRdt.closID}}{{.Spec.Process.SelinuxLabel}}{{.Security.Namespaces.time.Inode}}]' box
}

@test "inspect --size: what it has written, and all of it" {
	mkdir -p "$E2E_STATE/tree"
	cp -a "${E2E_IMAGE#dir:}/." "$E2E_STATE/tree/"
	insula run --name box "dir:$E2E_STATE/tree" sh -c 'head -c 1048576 /dev/urandom >/file'
	local own whole image
	image=$(du -s -B1 "$E2E_STATE/tree" | cut -f1)
	[ "$(insula inspect box | jq -c '.[0] | [has("SizeRw"), has("SizeRootFs")]')" = '[false,false]' ]
	read -r own whole <<<"$(insula inspect -f '{{.SizeRw}} {{.SizeRootFs}}' box)"
	[ "$own" -ge 1048576 ] && [ "$own" -lt 1300000 ]
	[ $((whole - own)) -gt $((image * 95 / 100)) ] && [ $((whole - own)) -lt $((image * 105 / 100 + 65536)) ] || fail "$whole $own $image"
	ok insula inspect --size box
	[ "$(jq -r '.[0] | "\(.SizeRw) \(.SizeRootFs)"' <<<"$output")" = "$own $whole" ] || fail
	[[ $(insula ps -a --size --format '{{.Size}}') == 1*MiB ]] || fail
}

@test "inspect: a container, or else a secret, or only what is one" {
	box box --label tier=front
	box both
	echo word | insula secret create --label team=blue one - >/dev/null
	echo word | insula secret create both - >/dev/null
	ok insula inspect box one both
	[ "$(jq -c 'map(has("State"))' <<<"$output")" = '[true,false,true]' ] || fail
	[ "$(jq -r '.[1].Spec.Name' <<<"$output")" = one ] || fail
	[[ $output != *word* ]] || fail
	[ "$(insula inspect one)" = "$(insula secret inspect one)" ]
	ok insula inspect --type secret both one -f '{{.Spec.Name}}{{.Spec.Labels.team}}'
	shows $'both\noneblue'
	[ "$(insula inspect -t container both | jq -r '.[0].Name')" = both ]
	refused 125 "there is no secret 'box'" insula inspect --type secret box
	refused 125 "'one'" insula inspect --type container one
	refused 125 "'ghost'" insula inspect ghost
	[[ $stderr == *container* ]] || fail
	refused 125 "--type must be one of all, container, secret" insula inspect --type image box
	refused 125 "--size is of containers" insula inspect --type secret --size one
}

@test "inspect: paths are where things are" {
	insula run -d --name box "$E2E_IMAGE" sh -c 'echo said; echo kept >/file; exec sleep 600' >/dev/null
	eventually 5 test -s "$(about box .LogPath)"
	grep -q said "$(about box .LogPath)"
	eventually 5 test -s "$(about box .GraphDriver.Data.UpperDir)/file"
	[ -S "$(about box .Directories.Run)/ctl" ]
	[ -n "$(find /sys/fs/cgroup -maxdepth 4 -type d -path "*/$(about box .CgroupName)")" ]
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
	ok insula version --format '{{.Version}} {{json .keeper_protocol}}'
	[[ $output =~ ^[0-9.]+\ [0-9]+$ ]] || fail
	refused 125 "there is no field 'Server.Version'" insula version --format '{{.Server.Version}}'
	refused 125 "not a format" insula version --format yaml
	ok insula info --format '{{.store.root}}|{{.host.kernel}}|{{index .defaults "network"}}'
	shows "$INSULA_ROOT|$(uname -r)|none"
	refused 125 "there is no field 'host.krnel'" insula info --format '{{.host.krnel}}'
}
