#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The rest of run's options, each by what a user sees of it: lists in files, identity, names, limits.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

on_v2() {
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
}

# ---- files of variables and labels ----

@test "--env-file: its variables are set, and those of the command line count more" {
	cat >"$BATS_TEST_TMPDIR/env" <<-'ENV'
		# a comment

		PLAIN=one two
		QUOTED="kept as it is"
		FROM_US
		ABSENT_OF_OURS
		TWICE=first
		TWICE=file
		OVER=file
	ENV
	export FROM_US='of the caller'
	ok in_box --env-file "$BATS_TEST_TMPDIR/env" -e OVER=option -- env
	contains $'\nPLAIN=one two\n'
	contains 'QUOTED="kept as it is"'
	contains 'FROM_US=of the caller'
	contains TWICE=file
	contains OVER=option
	lacks ABSENT_OF_OURS
	lacks comment
}

@test "--env-file: a file that is not one is refused with its line" {
	printf 'A=1\n=2\n' >"$BATS_TEST_TMPDIR/env"
	refused 125 "$BATS_TEST_TMPDIR/env:2" in_box --env-file "$BATS_TEST_TMPDIR/env" -- true
	printf 'A=1\nTWO WORDS=2\n' >"$BATS_TEST_TMPDIR/env"
	refused 125 'has a blank' in_box --env-file "$BATS_TEST_TMPDIR/env" -- true
	printf 'A=1\0\n' >"$BATS_TEST_TMPDIR/env"
	refused 125 'NUL' in_box --env-file "$BATS_TEST_TMPDIR/env" -- true
	refused 125 '/nowhere' in_box --env-file /nowhere -- true
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	timeout 10 "$INSULA_BIN/insula" run --rm --env-file "$BATS_TEST_TMPDIR/fifo" "$E2E_IMAGE" true
}

@test "--label-file and --annotation are kept, the last of a name counts" {
	printf '#\nteam=blue\nowner\ntier=file\n' >"$BATS_TEST_TMPDIR/labels"
	ok insula run -d --name box --label-file "$BATS_TEST_TMPDIR/labels" -l tier=option \
		--annotation one=1 --annotation one=2 "$E2E_IMAGE" sleep 60
	[ "$(detail box '.Config.Labels | tojson')" = '{"team":"blue","owner":"","tier":"option"}' ]
	[ "$(detail box .Spec.annotations.one)" = 2 ]
	refused 125 KEY=VALUE in_box --annotation one -- true
	refused 125 KEY=VALUE in_box --annotation =one -- true
}

# ---- who and where ----

@test "--cidfile has the id, and is not written over" {
	local file=$BATS_TEST_TMPDIR/cid
	ok insula run -d --cidfile "$file" --name box "$E2E_IMAGE" sleep 60
	[ "$(cat "$file")" = "$(detail box .Id)" ]
	refused 125 'exists already' in_box --cidfile "$file" -- true
	refused 125 cidfile in_box --cidfile /nowhere/file -- true
}

@test "--cidfile of a container that could not start is taken back" {
	refused 127 /no/such in_box --cidfile "$BATS_TEST_TMPDIR/cid" -- /no/such
	[ ! -e "$BATS_TEST_TMPDIR/cid" ]
}

@test "--pidfile names the first process" {
	cd "$BATS_TEST_TMPDIR"
	ok insula run -d --pidfile pid --name box "$E2E_IMAGE" sleep 60
	[ "$(cat pid)" = "$(field box pid)" ]
	refused 125 pidfile in_box --pidfile /nowhere/file -- true
	refused 125 pidfile in_box --pidfile '' -- true
}

@test "--group-add: names and numbers of the container's own" {
	ok in_box --group-add wheel --group-add 4711 -- id -G
	shows '0 10 4711'
	ok in_box --user 1000 --group-add 4711 --group-add user -- id -G
	[ "$(tr ' ' '\n' <<<"$output" | sort -n | xargs)" = '10 1000 2000 4711' ] || fail
	refused 125 "no group 'nobodys'" in_box --group-add nobodys -- true
	refused 125 'is not a group' in_box --group-add '' -- true
}

@test "--group-add and --umask hold for exec, too" {
	ok insula run -d --name box --group-add 4711 --umask 027 "$E2E_IMAGE" sleep 60
	ok insula exec box sh -c 'umask; id -G'
	contains 0027
	contains 4711
}

@test "--umask is the command's" {
	ok in_box -- sh -c umask
	shows 0022
	ok in_box --umask 077 -- sh -c umask
	shows 0077
	refused 125 umask in_box --umask 888 -- true
	refused 125 umask in_box --umask 7777 -- true
	refused 125 umask in_box --umask '' -- true
}

@test "--oom-score-adj is the command's" {
	ok in_box --oom-score-adj 700 -- cat /proc/self/oom_score_adj
	shows 700
	refused 125 oom-score-adj in_box --oom-score-adj 1001 -- true
}

# ---- names ----

@test "--add-host writes /etc/hosts" {
	ok in_box --add-host db:10.0.0.7 --add-host 'six:[fd00::7]' --add-host seven=fd00::8 -- cat /etc/hosts
	contains $'10.0.0.7\tdb'
	contains $'fd00::7\tsix'
	contains $'fd00::8\tseven'
	contains localhost
	ok in_box --network host --add-host db:10.0.0.7 -- cat /etc/hosts
	contains "$(cat /etc/hosts)"
	contains $'10.0.0.7\tdb'
	refused 125 HOST:ADDRESS in_box --add-host db -- true
	refused 125 HOST:ADDRESS in_box --add-host db:nowhere -- true
	refused 125 HOST:ADDRESS in_box --add-host $'a\nb:10.0.0.7' -- true
}

@test "--dns, --dns-search and --dns-option replace the host's lines of their kind" {
	ok in_box --network host --dns 10.0.0.1 --dns fd00::1 --dns-search a.example --dns-search b.example \
		--dns-option ndots:3 -- cat /etc/resolv.conf
	[ "$(grep nameserver <<<"$output")" = $'nameserver 10.0.0.1\nnameserver fd00::1' ]
	[ "$(grep search <<<"$output")" = 'search a.example b.example' ]
	[ "$(grep options <<<"$output")" = 'options ndots:3' ]
	ok in_box --network host --dns-search a.example -- cat /etc/resolv.conf
	[ "$(grep nameserver <<<"$output")" = "$(grep ^nameserver /etc/resolv.conf)" ]
	refused 125 'nobody can be asked' in_box --dns 10.0.0.1 -- true
	refused 125 'is not an address' in_box --network host --dns example.org -- true
	refused 125 'one word' in_box --network host --dns-search $'a\nnameserver 10.0.0.9' -- true
}

@test "--dns none leaves the image's resolv.conf" {
	local root
	root=$(copy_of_root resolv)
	echo 'nameserver 192.0.2.1' >"$root/etc/resolv.conf"
	ok insula run --rm --dns none "dir:$root" cat /etc/resolv.conf
	shows 'nameserver 192.0.2.1'
	ok insula run --rm "dir:$root" cat /etc/resolv.conf
	shows ''
}

@test "--timezone gives the container another time zone" {
	[ -e /usr/share/zoneinfo/Asia/Tokyo ] || skip "this host has no tzdata"
	ok in_box --timezone Asia/Tokyo -- sh -c 'md5sum </etc/localtime'
	shows "$(md5sum </usr/share/zoneinfo/Asia/Tokyo)"
	ok insula run --rm --timezone Asia/Tokyo host date +%Z
	shows JST
	refused 125 "no time zone 'No/Where'" in_box --timezone No/Where -- true
	refused 125 'no time zone' in_box --timezone ../../../etc/passwd -- true
}

# ---- limits ----

@test "--cpu-shares, --cpu-period and --cpu-quota" {
	ok insula run -d --name box --cpu-shares 512 --cpu-period 50000 --cpu-quota 20000 "$E2E_IMAGE" sleep 60
	if on_v2; then
		[ "$(group_value box cpu.max)" = '20000 50000' ]
	else
		[ "$(group_value box cpu/cpu.shares)" = 512 ]
		[ "$(group_value box cpu/cpu.cfs_quota_us)" = 20000 ]
		[ "$(group_value box cpu/cpu.cfs_period_us)" = 50000 ]
	fi
	refused 125 excludes in_box --cpus 1 --cpu-quota 20000 -- true
	refused 125 cpu-quota in_box --cpu-quota 10 -- true
	refused 125 cpu-period in_box --cpu-period 10 -- true
	refused 125 cpu-shares in_box --cpu-shares 1 -- true
}

@test "--memory-reservation and --cpuset-mems" {
	ok insula run -d --name box -m 64m --memory-reservation 32m --cpuset-mems 0 "$E2E_IMAGE" sleep 60
	[ "$(group_value box memory.low memory/memory.soft_limit_in_bytes)" = 33554432 ]
	[ "$(group_value box cpuset.mems cpuset/cpuset.mems)" = 0 ]
	refused 125 'above --memory' in_box -m 64m --memory-reservation 128m -- true
	refused 125 cpuset-mems in_box --cpuset-mems 4000 -- true
	refused 125 cpuset-mems in_box --cpuset-mems '' -- true
}

@test "--memory-swappiness, where the kernel has it" {
	if on_v2; then
		refused 125 swappiness in_box --memory-swappiness 10 -- true
		return
	fi
	ok insula run -d --name box --memory-swappiness 10 "$E2E_IMAGE" sleep 60
	[ "$(group_value box memory/memory.swappiness)" = 10 ]
	refused 125 swappiness in_box --memory-swappiness 101 -- true
}

@test "--device-read-bps and its kin" {
	local disk
	disk=$(find /dev -maxdepth 1 -type b | sort | tail -n 1)
	[ -n "$disk" ] || skip "this host shows no disk"
	ok insula run -d --name box --device-read-bps "$disk:1m" --device-write-bps "$disk:2m" \
		--device-read-iops "$disk:50" --device-write-iops "$disk:100" "$E2E_IMAGE" sleep 60
	if on_v2; then
		[[ $(group_value box io.max) == *rbps=1048576\ wbps=2097152\ riops=50\ wiops=100* ]]
	else
		[[ $(group_value box blkio/blkio.throttle.read_bps_device) == *' 1048576' ]]
		[[ $(group_value box blkio/blkio.throttle.write_bps_device) == *' 2097152' ]]
		[[ $(group_value box blkio/blkio.throttle.read_iops_device) == *' 50' ]]
		[[ $(group_value box blkio/blkio.throttle.write_iops_device) == *' 100' ]]
	fi
	refused 125 'is not a disk' in_box --device-read-bps /dev/null:1m -- true
	refused 125 'lets nothing through' in_box --device-read-bps "$disk:0" -- true
	refused 125 DEVICE:BYTES in_box --device-read-bps 1m -- true
	refused 125 blkio-weight-device in_box --blkio-weight-device "$disk:5" -- true
}

@test "a limit that this host does not have is refused, not left out" {
	run --separate-stderr in_box --blkio-weight 300 -- true
	[ "$status" -eq 0 ] || [[ $stderr == *weight* ]] || fail "neither set nor named"
	[[ $stderr != *warning* ]] || fail "left out with a warning"
}

# ---- what is there already ----

@test "--replace removes whoever has the name, and only when it will be replaced" {
	local first
	ok insula run -d --name web "$E2E_IMAGE" sleep 600
	first=$output
	refused 125 cpuset-mems insula run -d --replace --name web --cpuset-mems 4000 "$E2E_IMAGE" sleep 600
	[ "$(field web id)" = "$first" ]
	ok insula run -d --replace --name web "$E2E_IMAGE" sleep 600
	[ "$(field web id)" = "$output" ]
	[ "$(known_ids)" = "$output" ]
	ok insula run --replace --name other "$E2E_IMAGE" true
	refused 125 'no --name' in_box --replace -- true
}

@test "--volumes-from has the other's binds" {
	mkdir "$BATS_TEST_TMPDIR"/{one,two}
	echo first >"$BATS_TEST_TMPDIR/one/file"
	echo second >"$BATS_TEST_TMPDIR/two/file"
	ok insula run --name other -v "$BATS_TEST_TMPDIR/one:/one" -v "$BATS_TEST_TMPDIR/two:/two:ro,nosuid" "$E2E_IMAGE" true
	ok in_box --volumes-from other -- cat /one/file /two/file
	shows $'first\nsecond'
	ok in_box --volumes-from other -v "$BATS_TEST_TMPDIR/two:/one" -- cat /one/file
	shows second
	exits 1 in_box --volumes-from other -- touch /two/new
	chmod 777 "$BATS_TEST_TMPDIR/one"
	ok in_box --volumes-from other -- touch /one/new
	exits 1 in_box --volumes-from other:ro -- touch /one/newer
	refused 125 nobody in_box --volumes-from nobody -- true
	refused 125 'ro or rw' in_box --volumes-from other:x -- true
}

# ---- logs ----

@test "--log-driver none keeps nothing, and whoever is attached sees all" {
	ok insula run --name quiet --log-driver none "$E2E_IMAGE" echo heard
	shows heard
	refused 125 'keeps no log' insula logs quiet
	[ ! -e "$INSULA_ROOT/containers/$(field quiet id)/log" ]
	refused 125 'no files' in_box --log-driver none --log-opt max-size=1m -- true
	refused 125 log-driver in_box --log-driver syslog -- true
}

@test "--log-opt bounds the log" {
	ok insula run --name loud --log-opt max-size=64k --log-opt max-file=2 "$E2E_IMAGE" sh -c 'yes | head -c 400000'
	local directory
	directory=$INSULA_ROOT/containers/$(field loud id)
	[ "$(find "$directory" -name 'log*' | wc -l)" -eq 2 ]
	[ "$(stat -c %s "$directory/log.1")" -le 65536 ]
	refused 125 64k in_box --log-opt max-size=1k -- true
	refused 125 max-file in_box --log-opt max-file=0 -- true
	refused 125 'is not known' in_box --log-opt tag=x -- true
}
