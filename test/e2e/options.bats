#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every option that "insula run --help" shows is given a value that people give it, and the start is
# planned with it. An option without a value here fails: whoever adds one says what is good for it.

load helpers

# "--name VALUE" of each option; none for those that stand alone.
good_values() {
	cat <<-VALUES
	--interactive
	--tty
	--detach
	--detach-keys ctrl-a,d
	--sig-proxy
	--restart on-failure:3
	--sdnotify container
	--health-cmd true
	--health-interval disable --health-cmd true
	--health-timeout 3s --health-cmd true
	--health-retries 2 --health-cmd true
	--health-start-period 1m --health-cmd true
	--health-on-failure stop --health-cmd true
	--no-healthcheck
	--rm
	--name web.1
	--hostname box
	--entrypoint echo
	--env A=b=c
	--workdir /srv/x
	--env-file $BATS_TEST_TMPDIR/list
	--user 1000:1000
	--group-add wheel
	--umask 027
	--label team=blue
	--label-file $BATS_TEST_TMPDIR/list
	--annotation team=blue
	--cidfile $BATS_TEST_TMPDIR/cid
	--replace --name web.1
	--requires other
	--log-driver none
	--log-opt max-size=1m
	--pidfile $BATS_TEST_TMPDIR/pid
	--timezone local
	--read-only
	--tmpfs /scratch:size=1m,mode=700
	--volume $BATS_TEST_TMPDIR:/data:ro,nosuid
	--volumes-from other
	--mount type=bind,source=$BATS_TEST_TMPDIR,destination=/data,readonly
	--secret word,target=key
	--device /dev/null:/dev/hole:rw
	--cap-add NET_ADMIN
	--cap-drop all
	--security-opt no-new-privileges
	--userns host
	--network host
	--ipc host
	--uts host
	--cgroupns host
	--pid host
	--cgroup-parent insula-options$([ ! -d /run/systemd/system ] || echo .slice)
	--add-host db:10.0.0.7
	--dns 10.0.0.1 --network host
	--dns-search example.org --network host
	--dns-option ndots:3 --network host
	--cpus 0.5
	--cpu-period 50000
	--cpu-quota 20000
	--cpu-shares 512
	--cpuset-mems $(sed -n 's/^Mems_allowed_list:\t//p' /proc/self/status)
	--cpuset-cpus $(cut -d, -f1 <<<"$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)")
	--memory 64m
	--memory-swap -1
	--memory-reservation 32m
	$(grep -q -w memory <(cut -d: -f2 /proc/self/cgroup) && echo --memory-swappiness 10)
	--pids-limit 100
	--blkio-weight 300
	--blkio-weight-device $BATS_TEST_TMPDIR/disk:200
	--device-read-bps $BATS_TEST_TMPDIR/disk:1m
	--device-write-bps $BATS_TEST_TMPDIR/disk:1m
	--device-read-iops $BATS_TEST_TMPDIR/disk:100
	--device-write-iops $BATS_TEST_TMPDIR/disk:100
	--oom-score-adj 500
	--ulimit nofile=100:200
	--sysctl net.ipv4.ip_forward=1
	--shm-size 8m
	--stop-signal SIGUSR1
	--stop-timeout 1m30s
	--init
	--strict
	--dry-run
	VALUES
}

shown_options() {
	insula run --help | sed -n 's/^ \{2,6\}\(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p'
}

@test "every option of run that the help shows plans a start" {
	local option line count=0
	echo name=value >"$BATS_TEST_TMPDIR/list"
	insula run --name other -v "$BATS_TEST_TMPDIR:/from" "$E2E_IMAGE" true
	insula secret create word /etc/hostname >/dev/null
	mknod "$BATS_TEST_TMPDIR/disk" b 7 0
	for option in $(shown_options); do
		# cgroup v2 has no such file, and then the option says so (run_options.bats).
		[ "$option" = --memory-swappiness ] && ! good_values | grep -q -e "^$option" && continue
		line=$(good_values | grep -x -e "$option\( .*\)\{0,1\}") ||
			fail "$option has no good value in this test"
		# shellcheck disable=SC2086  # an option and its value
		ok insula run $line --dry-run "$E2E_IMAGE" true
		contains execute
		count=$((count + 1))
	done
	[ "$count" -gt 30 ]
	[ "$count" -eq "$(good_values | grep -c .)" ]
}
