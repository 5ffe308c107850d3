#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every option that "insula run --help" shows is given a value that people give it, and the start is
# planned with it. An option without a value here fails: whoever adds one says what is good for it.

load helpers

setup_file() { file_setup; }
teardown_file() { file_teardown; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }

# "--name VALUE" of each option; none for those that stand alone.
good_values() {
	cat <<-VALUES
	--interactive
	--tty
	--detach
	--rm
	--name web.1
	--hostname box
	--entrypoint echo
	--env A=b=c
	--workdir /srv/x
	--user 1000:1000
	--label team=blue
	--read-only
	--tmpfs /scratch:size=1m,mode=700
	--volume $BATS_TEST_TMPDIR:/data:ro,nosuid
	--mount type=bind,source=$BATS_TEST_TMPDIR,destination=/data,readonly
	--device /dev/null:/dev/hole:rw
	--cap-add NET_ADMIN
	--cap-drop all
	--security-opt no-new-privileges
	--userns host
	--network host
	--cpus 0.5
	--cpuset-cpus $(cut -d, -f1 <<<"$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)")
	--memory 64m
	--memory-swap -1
	--pids-limit 100
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
	for option in $(shown_options); do
		line=$(good_values | grep -x -e "$option\( .*\)\{0,1\}") ||
			fail "$option has no good value in this test"
		# shellcheck disable=SC2086  # an option and its value
		ok insula run $line --dry-run "$E2E_IMAGE" true
		contains execute
		count=$((count + 1))
	done
	[ "$count" -gt 30 ]
	[ "$count" -eq "$(good_values | wc -l)" ]
}
