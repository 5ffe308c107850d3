#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every limit of insula update, of a container that runs: in the kernel's files at once, in the record, after a
# restart; refused whole where it cannot be; and what limits on disks do to the end of a container.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup_file() {
	file_setup
	DISK=$(findmnt --noheadings --output SOURCE --target /tmp)
	[ -b "$DISK" ] || DISK=$(find /dev -maxdepth 1 -type b | sort | tail -n 1)
	[ ! -b "$DISK" ] || whole=$(lsblk --noheadings --nodeps --output PKNAME "$DISK") # limits are of whole disks
	[ -z "${whole:-}" ] || DISK=/dev/$whole
	export DISK
}

needs_disk() {
	[ -b "$DISK" ] || skip "this host shows no disk"
}

# Has this host the controller on v2? memory, cpu, ...
on_v2() {
	grep -q -w "${1:-memory}" /sys/fs/cgroup/cgroup.controllers 2>/dev/null
}

resources() {
	insula inspect "$1" | jq -c '.[0].Spec.linux.resources | del(.devices)'
}

# in_force CONTROLLER/FILE|FILE WANTED: a line of the file, of v1 or v2, that the kernel has for $GROUP.
in_force() {
	local value
	case $1 in
	*/*) value=$(cat "/sys/fs/cgroup/${1%%/*}/$GROUP/${1#*/}") ;;
	*) value=$(cat "/sys/fs/cgroup/$GROUP/$1" 2>/dev/null || cat "/sys/fs/cgroup/unified/$GROUP/$1") ;;
	esac
	[[ $'\n'$value$'\n' == *$'\n'"$2"$'\n'* ]] || fail "$1 is '$value', not '$2'"
}

# A row for each limit: options | v1 file | its value | v2 file | its value | in the record | its value.
# "-" as the v2 file: v2 does not have it, and it is refused there.
limits() {
	local number
	grep -v '^#' <<-'ROWS'
		--memory 96m|memory/memory.limit_in_bytes|100663296|memory.max|100663296|.memory.limit|100663296
		--memory 64m --memory-swap 100m|memory/memory.memsw.limit_in_bytes|104857600|memory.swap.max|37748736|.memory.swap|104857600
		--memory 80m|memory/memory.memsw.limit_in_bytes|104857600|memory.swap.max|20971520|.memory.limit|83886080
		--memory-swap -1|memory/memory.memsw.limit_in_bytes|9223372036854771712|memory.swap.max|max|.memory.swap|-1
		--memory-reservation 32m|memory/memory.soft_limit_in_bytes|33554432|memory.low|33554432|.memory.reservation|33554432
		--memory-reservation -1|memory/memory.soft_limit_in_bytes|9223372036854771712|memory.low|0|.memory.reservation|-1
		--memory-swappiness 7|memory/memory.swappiness|7|-||.memory.swappiness|7
		--cpu-shares 512|cpu/cpu.shares|512|cpu.weight|59|.cpu.shares|512
		--cpu-period 50000 --cpu-quota 25000|cpu/cpu.cfs_quota_us|25000|cpu.max|25000 50000|.cpu.quota|25000
		--cpu-period 40000|cpu/cpu.cfs_period_us|40000|cpu.max|25000 40000|.cpu.period|40000
		--cpu-quota -1|cpu/cpu.cfs_quota_us|-1|cpu.max|max 40000|.cpu.quota|-1
		--cpus 0.5|cpu/cpu.cfs_quota_us|50000|cpu.max|50000 100000|.cpu.quota|50000
		--cpuset-cpus 0|cpuset/cpuset.cpus|0|cpuset.cpus|0|.cpu.cpus|"0"
		--cpuset-mems 0|cpuset/cpuset.mems|0|cpuset.mems|0|.cpu.mems|"0"
		--pids-limit 33|pids/pids.max|33|pids.max|33|.pids.limit|33
	ROWS
	[ -b "$DISK" ] || return 0
	number=$(stat -L -c %Hr:%Lr "$DISK")
	cat <<-ROWS
		--device-read-bps $DISK:1m|blkio/blkio.throttle.read_bps_device|$number 1048576|io.max|$number rbps=1048576 wbps=max riops=max wiops=max|.blockIO.throttleReadBpsDevice[0].rate|1048576
		--device-write-bps $DISK:2m|blkio/blkio.throttle.write_bps_device|$number 2097152|io.max|$number rbps=1048576 wbps=2097152 riops=max wiops=max|.blockIO.throttleWriteBpsDevice[0].rate|2097152
		--device-read-iops $DISK:700|blkio/blkio.throttle.read_iops_device|$number 700|io.max|$number rbps=1048576 wbps=2097152 riops=700 wiops=max|.blockIO.throttleReadIOPSDevice[0].rate|700
		--device-write-iops $DISK:900|blkio/blkio.throttle.write_iops_device|$number 900|io.max|$number rbps=1048576 wbps=2097152 riops=700 wiops=900|.blockIO.throttleWriteIOPSDevice[0].rate|900
		--device-read-bps $DISK:3m|blkio/blkio.throttle.read_bps_device|$number 3145728|io.max|$number rbps=3145728 wbps=2097152 riops=700 wiops=900|.blockIO.throttleReadBpsDevice[0].rate|3145728
	ROWS
}

# check_limit OPTIONS V1FILE VALUE V2FILE VALUE: it is in force.
check_limit() {
	if on_v2 "$(controller_of "$2")"; then in_force "$4" "$5"; else in_force "$2" "$3"; fi
}

controller_of() {
	case $1 in blkio/*) echo io ;; *) echo "${1%%/*}" ;; esac
}

@test "each limit is in the kernel's file at once, in the record, and there after a restart" {
	local options v1 v1_value v2 v2_value key value count=0
	ok insula run -d --name box --network none "$E2E_IMAGE" sleep 600
	GROUP=$(detail box .CgroupName)
	while IFS='|' read -r options v1 v1_value v2 v2_value key value; do
		if [ "$v2" = - ] && on_v2 "$(controller_of "$v1")"; then
			# shellcheck disable=SC2086  # words
			refused 125 "${key#.}" insula update $options box
			continue
		fi
		# shellcheck disable=SC2086  # words
		ok insula update $options box
		check_limit "$options" "$v1" "$v1_value" "$v2" "$v2_value" || fail "$options"
		[ "$(resources box | jq -c "$key")" = "$value" ] || fail "$options: not recorded"
		count=$((count + 1))
	done < <(limits)
	[ "$count" -ge 14 ]
	if [ -b "$DISK" ]; then
		ok insula update --device-write-iops "$DISK:0" box
		! group_value box blkio/blkio.throttle.write_iops_device io.max | grep -E '(^[0-9:]+|wiops=)[ ]?900' || fail "it stayed"
		[ "$(resources box | jq -c .blockIO.throttleWriteIOPSDevice)" = null ] || fail "it stayed in the record"
	fi
	resources box >"$E2E_STATE/before"
	ok insula restart -t 0 box
	[ "$(resources box)" = "$(cat "$E2E_STATE/before")" ] || fail "the record after a restart"
	[ "$(detail box .CgroupName)" = "$GROUP" ]
	# The last one of each file is in force again.
	while IFS='|' read -r options v1 v1_value v2 v2_value _; do
		case $options in
		--memory\ * | "--memory-reservation 32m" | --cpu-* | "--device-read-bps $DISK:1m" | --device-write-iops*) continue ;;
		esac
		[ "$v2" = io.max ] && on_v2 io && continue
		[ "$v2" = - ] && on_v2 "$(controller_of "$v1")" && continue
		check_limit "$options" "$v1" "$v1_value" "$v2" "$v2_value" || fail "after a restart: $options"
	done < <(limits)
}

@test "limits do what they say, from the next moment on" {
	ok insula run -d --name box --network none "$E2E_IMAGE" sleep 600
	ok insula update --cpuset-cpus 0 box
	ok insula exec box nproc
	shows 1
	ok insula update --pids-limit 3 box
	run insula exec box sh -c 'for i in 1 2 3 4 5; do sleep 30 & done; wait'
	[[ $output == *"can't fork"* ]] || fail "more processes than its limit"
	ok insula update --pids-limit -1 --memory 32m --memory-swap 32m box
	# shellcheck disable=SC2016  # for the shell inside
	run insula exec box sh -c 'tail /dev/zero & wait $!; echo "ended $?"'
	contains 'ended 137'
	ok insula update --memory -1 --cpu-quota 10000 --cpu-period 100000 box
	insula exec box timeout 1 sh -c 'while :; do :; done' || true
	[ "$(group_value box cpu/cpu.stat cpu.stat | awk '$1 == "nr_throttled" { print $2 }')" -gt 0 ] || fail "no moment without a CPU"
}

@test "what the kernel refuses takes back what was written before it" {
	needs_disk
	ok insula run -d --name box --network none --pids-limit 50 --memory 64m "$E2E_IMAGE" sleep 600
	mknod "$BATS_TEST_TMPDIR/none" b 259 1048000
	resources box >"$E2E_STATE/before"
	shares=$(group_value box cpu.weight cpu/cpu.shares)
	for flag in --device-read-bps --device-write-bps --device-read-iops --device-write-iops; do
		refused 125 259:1048000 insula update --pids-limit 7 --memory 48m --cpu-shares 77 --device-read-bps "$DISK:1m" \
			$flag "$BATS_TEST_TMPDIR/none:1000" box
		[ "$(resources box)" = "$(cat "$E2E_STATE/before")" ] || fail "$flag: the record"
		[ "$(group_value box pids.max pids/pids.max)" = 50 ] || fail "$flag: processes"
		[ "$(group_value box memory.max memory/memory.limit_in_bytes)" = 67108864 ] || fail "$flag: memory"
		[ "$(group_value box cpu.weight cpu/cpu.shares)" = "$shares" ] || fail "$flag: shares"
		! group_value box io.max blkio/blkio.throttle.read_bps_device | grep -q 1048576 || fail "$flag: the disk before it"
	done
	ok insula restart -t 0 box
	[ "$(group_value box pids.max pids/pids.max)" = 50 ]
}

@test "a record that cannot be written takes limits on disks back, too" {
	needs_disk
	ok insula run -d --name box --network none --device-read-bps "$DISK:5m" "$E2E_IMAGE" sleep 600
	INSULA_FAIL=update.applied=error:ENOSPC exits 125 insula update --device-read-bps "$DISK:1m" --device-write-bps "$DISK:2m" box
	[[ $(group_value box blkio/blkio.throttle.read_bps_device io.max) == *5242880* ]] || fail "what it had"
	! group_value box blkio/blkio.throttle.write_bps_device io.max | grep 2097152 || fail "what it had not"
}

# Which controllers there are is what is mounted.
@test "a limit whose controller this host does not have is refused, with all that came with it" {
	local row
	! on_v2 memory || skip "on v2 alone a controller cannot be taken away"
	needs_disk
	ok insula run -d --name box --network none --pids-limit 50 "$E2E_IMAGE" sleep 600
	resources box >"$E2E_STATE/before"
	for row in 'memory|--memory 64m' 'memory|--memory-reservation 32m' 'memory|--memory-swappiness 5' 'cpu|--cpu-shares 300' \
		'cpu|--cpu-quota 50000' 'cpu|--cpus 0.5' 'cpuset|--cpuset-cpus 0' 'cpuset|--cpuset-mems 0' \
		'blkio|--blkio-weight 100' "blkio|--device-read-bps $DISK:1m" 'pids|--pids-limit 9'; do
		# shellcheck disable=SC2016,SC2086  # for the shell inside; words
		refused 125 "this host has no ${row%%|*} controller" unshare --mount sh -c \
			'umount "/sys/fs/cgroup/$1"; shift; exec "$INSULA_BIN/insula" update --pids-limit 7 "$@" box' sh "${row%%|*}" ${row#*|}
		[ "$(resources box)" = "$(cat "$E2E_STATE/before")" ] || fail "$row: the record"
		[ "$(group_value box pids/pids.max)" = 50 ] || fail "$row: processes"
	done
}

# The root file system is written back when its last process has gone, and that is not to be the one that waits.
@test "limits on disks hold up no end: by itself, by stop, and after the death of the keeper" {
	local limits keeper
	needs_disk
	limits=(--device-write-bps "$DISK:1m" --device-write-iops "$DISK:9")
	# shellcheck disable=SC2016  # for the shell inside
	ok timeout 60 "$INSULA_BIN/insula" run --name box "${limits[@]}" "$E2E_IMAGE" sh -c 'dd if=/dev/zero of=/big bs=64k count=64 2>/dev/null; exit 0'
	ok timeout 60 "$INSULA_BIN/insula" start box
	[ "$(timeout 60 "$INSULA_BIN/insula" wait box)" = 0 ]
	ok insula run -d --name other "${limits[@]}" "$E2E_IMAGE" sh -c 'dd if=/dev/zero of=/big bs=64k count=64 2>/dev/null; echo ready; sleep 600'
	eventually 60 said other ready
	ok timeout 60 "$INSULA_BIN/insula" restart -t 0 other
	eventually 60 said other ready
	keeper=$(detail other .State.KeeperPid)
	kill -KILL "$keeper"
	ok timeout 60 "$INSULA_BIN/insula" rm -f other
	[ ! -e "/proc/$keeper" ] || [[ $(ps -o stat= "$keeper") == Z* ]] || fail "the keeper hangs"
	ok insula doctor
}
