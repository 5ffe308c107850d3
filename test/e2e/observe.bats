#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a running container does and uses: top and stats.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

@test "top lists the processes with the numbers that they have inside" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c 'sleep 301 & exec sleep 302'
	eventually 10 sh -c '"$INSULA_BIN/insula" top web args | grep -q "sleep 301"'
	ok insula top web pid,ppid user args
	[ "$(sed -n 1p <<<"$output")" = "PID  PPID  USER  COMMAND" ] || fail
	[[ $output == *"1    0     root  sleep 302"* ]] || fail
	[[ $output == *"    1     root  sleep 301"* ]] || fail
	[ "$(wc -l <<<"$output")" -eq 3 ]
	ok insula top --format '{{.hpid}}' web
	[ "$(sort <<<"$output" | head -c 5 | wc -c)" -gt 1 ]
	grep -q "$(detail web .State.Pid)" <<<"$output"
}

@test "top: parents by their numbers inside, and none of what was sent in" {
	ok insula run -d --name web "$E2E_IMAGE" sh -c 'sh -c "sh -c \"sleep 303; true\"; true" & sleep 304; true'
	ok insula exec --detach web sleep 305
	eventually 10 sh -c '"$INSULA_BIN/insula" top web args | grep -c "^sleep 30" | grep -qx 3'
	ok insula top web --format '{{.pid}} {{.ppid}} {{.args}}'
	local one two ppid args
	[ "$(grep -c '' <<<"$output")" -eq 6 ] || fail
	grep -qE '^[0-9]+ 0 sleep 305$' <<<"$output" || fail
	grep -qE '^[0-9]+ 1 sleep 304$' <<<"$output" || fail
	read -r _ two _ < <(grep 'sleep 303$' <<<"$output")
	read -r _ one args < <(grep "^$two " <<<"$output")
	[[ $args == 'sh -c sleep 303; true' ]] || fail
	read -r _ ppid _ < <(grep "^$one " <<<"$output")
	[ "$ppid" = 1 ] || fail
}

@test "top has the columns of podman without any" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula top web
	[[ $output == "USER  PID  PPID  %CPU  "*"ELAPSED  TTY  TIME   COMMAND"* ]] || fail
	ok insula top web capeff seccomp huser
	contains filter
	lacks " root"
}

@test "top takes columns by -o and by names of ps(1), and says what it does not take" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula top web -o pid,stat,ni
	[ "${lines[0]}" = "PID  STATE  NI" ] || fail
	ok insula top -o pid web cmd
	shows "PID  COMMAND
1    sleep 300"
	ok insula top web %cpu,uname,tt,cputime,vsize,rssize,nlwp,ucmd
	[[ ${lines[0]} == %CPU*USER*TTY*TIME*VSZ*RSS*THREADS*COMMAND ]] || fail
	refused 125 "every process is listed" insula top web -ef
	refused 125 "every process is listed" insula top web -eo pid
	refused 125 "there is no column 'aux'" insula top web aux
	refused 125 "there is no column ''" insula top -o '' web
	refused 125 "exclude each other" insula top -o pid --format json web
}

@test "stats: of several, what does not run is said beside the others" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula create --name made "$E2E_IMAGE" true
	exits 125 insula stats --no-stream --format '{{.Name}}' made web nosuch
	shows web
	[[ $stderr == *"container 'made' is not running"*"no container 'nosuch'"* ]] || fail
}

@test "top: a process cannot write to the terminal by its name" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c "sh -c 'sleep 300; :' \$(printf 'a\\033[2Jb')"
	eventually 10 sh -c '"$INSULA_BIN/insula" top web args | grep -q "a?\[2Jb"'
	ok insula top web
	[[ $output != *$'\e'* ]]
}

@test "top and stats of what does not run are one clear error" {
	ok insula run --name web --network none "$E2E_IMAGE" true
	refused 125 "container 'web' is not running" insula top web
	refused 125 "container 'web' is not running" insula stats --no-stream web
	refused 125 "no container 'nosuch'" insula top nosuch
	refused 125 "there is no column 'colour'" insula top web pid,colour
	refused 125 "there is no field 'Colour'" insula stats --no-stream --format '{{.Colour}}'
	refused 125 "exclude each other" insula stats --all web
}

@test "stats: what it uses, once" {
	ok insula run -d --name busy --network none --memory 64m --pids-limit 33 "$E2E_IMAGE" \
		sh -c 'while :; do :; done'
	ok insula run -d --name idle --network none "$E2E_IMAGE" sleep 300
	ok insula stats --no-stream --format json
	[ "$(jq -r 'map(.name) | sort | join(" ")' <<<"$output")" = "busy idle" ]
	[ "$(jq '.[] | select(.name == "busy") | .cpu_percent > 5 and .memory_limit == 67108864 and .pids_limit == 33' <<<"$output")" = true ] || fail
	[ "$(jq '.[] | select(.name == "idle") | .cpu_percent < 5 and .pids == 1 and .memory > 0' <<<"$output")" = true ] || fail
	ok insula stats --no-stream busy
	[ "$(wc -l <<<"$output")" -eq 2 ]
	contains "/ 64MiB"
}

@test "stats: the network counted is the container's own" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula run -d --name host --network host "$E2E_IMAGE" sleep 300
	ok insula stats --no-stream --format '{{.Name}} {{.NetIO}}' web host
	shows "web 0B / 0B
host --"
}

@test "stats streams, takes in who comes, and ends with its containers" {
	ok insula run -d --name one --network none "$E2E_IMAGE" sleep 300
	"$INSULA_BIN/insula" stats --interval 200ms --format '{{.Name}}' >"$BATS_TEST_TMPDIR/all" 3>&- &
	all=$!
	"$INSULA_BIN/insula" stats --interval 200ms --format '{{.Name}}' one >"$BATS_TEST_TMPDIR/one" 3>&- &
	one=$!
	eventually 10 grep -q one "$BATS_TEST_TMPDIR/one"
	ok insula run -d --name two --network none "$E2E_IMAGE" sleep 300
	eventually 10 grep -q two "$BATS_TEST_TMPDIR/all"
	ok insula stop -t 0 one
	eventually 10 sh -c "! kill -0 $one 2>/dev/null"
	kill "$all"
	! grep -q two "$BATS_TEST_TMPDIR/one" || fail
	ok timeout 20 sh -c '"$INSULA_BIN/insula" stats --interval 200ms | head -n 1'
	contains "CPU %"
}

@test "stats: an interval that no clock counts to is refused" {
	refused 125 "--interval" insula stats --interval 2147484
	refused 125 "--interval" insula stats --interval 0
}

@test "a frozen or stopped keeper keeps nobody from looking" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	keeper=$(detail web .State.KeeperPid)
	kill -STOP "$keeper"
	ok timeout 10 "$INSULA_BIN/insula" top web
	ok timeout 10 "$INSULA_BIN/insula" stats --no-stream web
	kill -CONT "$keeper"
}
