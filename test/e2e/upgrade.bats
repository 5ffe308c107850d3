#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keepers that are older or newer than the command, and insula system upgrade, which has them execute another
# program under their containers, a hundred of them (twelve in the emulated guest).

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup() {
	e2e_setup
	OLD=$(keeper_of old 1) NEW=$(keeper_of new 2)
}

teardown() {
	# shellcheck disable=SC2046  # pids
	[ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null || true
	e2e_teardown
}

# keeper_of KIND PROTOCOL: a program that is a keeper which knows that protocol, and can be told by its kind.
keeper_of() {
	mkdir -p "$E2E_STATE/$1"
	cat >"$E2E_STATE/$1/insula-keeper" <<-EOF
		#!/bin/bash
		export KEEPER_KIND=$1 INSULA_TEST_PROTOCOL=$2
		exec -a insula-keeper '$INSULA_BIN/insula-keeper' "\$@"
	EOF
	chmod 755 "$E2E_STATE/$1/insula-keeper"
	echo "$E2E_STATE/$1/insula-keeper"
}

# How many keepers of these containers there are of a kind.
of_kind() {
	local pid count=0
	while read -r pid; do
		! grep -q -z "^KEEPER_KIND=$1$" "/proc/$pid/environ" || count=$((count + 1))
	done < <(sed -n 's/.*"keeper_pid":\([0-9]*\).*/\1/p' "$INSULA_RUNROOT"/containers/*/state.json)
	echo $count
}

# A log of numbers without a gap, as everything that it printed is there, in order, once.
counts() {
	insula logs "$1" | awk '$1 != NR { exit 1 } END { if (NR < 2) exit 1 }'
}

@test "upgrade: every container goes on, with all that it prints, its clients and its exit code; and back" {
	local many=100 i
	[ "${INSULA_TEST_SLOW:-1}" -eq 1 ] || many=12
	# Twelve of them print all the time, the others so that they leave something of the processor to the rest.
	for i in $(seq "$many"); do
		INSULA_KEEPER=$OLD insula run -d --name "c$i" -e PAUSE=$((i > 12 ? 1 : 0)).05 "$E2E_IMAGE" \
			sh -c 'trap "exit 9" TERM; n=0; while :; do n=$((n + 1)); echo $n; sleep $PAUSE; done' >/dev/null
	done
	[ "$(of_kind old)" -eq "$many" ] || fail
	"$INSULA_BIN/insula" attach --no-stdin c1 >"$E2E_STATE/attached" 3>&- &
	local attached=$!
	"$INSULA_BIN/insula" wait c2 >"$E2E_STATE/waited" 3>&- &
	local waiting=$!
	eventually 10 test -s "$E2E_STATE/attached"
	for i in $(seq 20); do insula exec "c$((i % many + 1))" true >/dev/null 2>&1; done 3>&- &
	local busy=$!
	INSULA_KEEPER=$NEW ok insula system upgrade
	[ "${#lines[@]}" -eq "$many" ] || fail
	[ "$(of_kind new)" -eq "$many" ] || fail
	INSULA_KEEPER=$OLD ok insula system upgrade
	[ "$(of_kind old)" -eq "$many" ] || fail
	INSULA_KEEPER=$NEW ok insula system upgrade c1 c2
	shows $'c1\nc2'
	[ "$(of_kind new)" -eq 2 ] || fail
	wait $busy
	ok insula stop c1 c2
	wait $attached && fail "attached: $?" || [ $? -eq 9 ] || fail
	wait $waiting
	[ "$(cat "$E2E_STATE/waited")" = 9 ] || fail
	insula stop --all >/dev/null
	for i in $(seq "$many"); do
		counts "c$i" || fail "c$i: $(insula logs "c$i" | tail -n 3)"
		[ "$(insula wait "c$i")" = 9 ] || fail "c$i"
	done
	awk 'NR == 1 { n = $1 - 1 } $1 != ++n { exit 1 }' "$E2E_STATE/attached" || fail "what was attached has a gap"
	ok insula system check
}

@test "a keeper older than the command does what it knows; what it does not is refused, with the remedy" {
	INSULA_KEEPER=$OLD insula run -d --rm --name one "$E2E_IMAGE" sh -c 'echo said; sleep 600' >/dev/null
	ok insula exec one echo inside
	shows inside
	eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q said'
	ok insula pause one
	ok insula unpause one
	ok insula kill -s WINCH one
	exits 125 insula restart -t 0 one
	[[ $stderr == *"its keeper, of an older version, would remove it"*"hint: insula system upgrade one"* ]] || fail
	[ "$(field one status)" = running ] || fail
	INSULA_KEEPER=$NEW ok insula system upgrade one
	INSULA_KEEPER=$NEW ok insula restart -t 0 one
	[ "$(field one status)" = running ] || fail
	INSULA_KEEPER=$OLD insula run -d --name two "$E2E_IMAGE" sh -c 'trap "exit 4" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	eventually 5 said two ready
	insula wait two >"$E2E_STATE/waited" 3>&- &
	ok insula stop two
	wait $!
	[ "$(cat "$E2E_STATE/waited")" = 4 ] || fail
}

@test "a health check that an older keeper does not know is refused, with the remedy" {
	INSULA_KEEPER=$OLD insula run -d --name one --health-cmd true --health-interval 1h "$E2E_IMAGE" sleep 600 >/dev/null
	exits 125 insula healthcheck run one
	[[ $stderr == *'insula system upgrade'* ]] || fail
	INSULA_KEEPER=$NEW ok insula system upgrade
	ok insula healthcheck run one
	[ "$(detail one .State.Health.Status)" = healthy ] || fail
}

@test "a command older than the keeper is served as it always was" {
	INSULA_KEEPER=$NEW insula run -d --name one "$E2E_IMAGE" sh -c 'trap "exit 4" TERM; echo said; while :; do sleep 0.1; done' >/dev/null
	export INSULA_TEST_PROTOCOL=1
	eventually 5 sh -c '"$INSULA_BIN/insula" logs one | grep -q said'
	ok insula exec one echo inside
	ok insula stop one
	ok insula wait one
	shows 4
}

@test "upgrade: a program that cannot be executed, or is none, leaves the old one where it is" {
	INSULA_KEEPER=$OLD insula run -d --name one "$E2E_IMAGE" sleep 600 >/dev/null
	INSULA_KEEPER=$E2E_STATE/none exits 125 insula system upgrade one
	echo 'no program' >"$E2E_STATE/bad"
	chmod 755 "$E2E_STATE/bad"
	INSULA_KEEPER=$E2E_STATE/bad exits 125 insula system upgrade one
	[[ $stderr == *"cannot upgrade the keeper of 'one'"* ]] || fail
	[ "$(of_kind old)" -eq 1 ] || fail
	ok insula exec one true
	ok insula stop -t 0 one
	[ "$(field one exit_code)" = 137 ] || fail
}

@test "upgrade: what does not run is refused by name, and passed over without" {
	insula create --name made "$E2E_IMAGE" true >/dev/null
	refused 125 "not running" insula system upgrade made
	refused 125 "no container" insula system upgrade ghost
	refused 125 "takes containers only" insula system upgrade --repair
	refused 125 "too many arguments" insula system df made
	ok insula system upgrade
	shows ''
}

# as_written_by VERSION FILE: its lines as an older or a newer program would have written them, with right sums. What
# the first one did not know is absent, or there is more than we know.
as_written_by() {
	python3 - "$@" <<-'REWRITE'
	import json, struct, sys
	LATER = """health requires cgroup_parent secrets log_driver log_tag log_fields log_max_size log_max_files sdnotify restart
	    user groups init userns given operands layers_in_run pidfile hosts resolv timezone strict_limits host_names
	    restarts reason oom_killed stopped""".split()

	def checksum(text):
	    low = high = 0
	    text += b"\0" * (4 - len(text) % 4)
	    for word, in struct.iter_unpack("<I", text):
	        low += word
	        high += low
	    return high % 0xffffffff << 32 | low % 0xffffffff

	lines = []
	for line in open(sys.argv[2]).read().splitlines():
	    known = json.loads(line)
	    del known["sum"]
	    if sys.argv[1] == "older":
	        known = {k: v for k, v in known.items() if k not in LATER}
	    else:
	        known.update(color="blue", parts=[{"a": [1, None]}], deep={"b": {"c": -1.5}})
	    text = json.dumps(known, separators=(",", ":"))[:-1].encode() + b","
	    lines.append(text + b'"sum":"%016x"}\n' % checksum(text))
	open(sys.argv[2], "wb").write(b"".join(lines))
	REWRITE
}

@test "a container that an older program made, or a newer one, is shown, started, restarted and removed" {
	local version directory
	for version in older newer; do
		ok insula run --name one --label a=b -e WORD=hello "$E2E_IMAGE" sh -c 'echo "$WORD"; echo x >>/w; wc -l </w'
		directory=$INSULA_ROOT/containers/$(detail one .Id)
		as_written_by "$version" "$directory/record.json"
		as_written_by "$version" "$directory/exit.json"
		! grep -q '"secrets"' "$directory/record.json" || [ "$version" = newer ]
		[ "$(detail one '.Name + " " + .Config.Labels.a + " " + .State.Status')" = 'one b exited' ] || fail "$version: $(insula inspect one)"
		ok insula ps -a
		contains one
		ok insula start --attach one
		shows $'hello\n2'
		ok insula restart one
		eventually 20 eval '[ "$(insula logs --tail 1 one)" = 3 ]'
		ok insula update --memory 64m one
		ok insula rename one two
		ok insula start --attach two
		shows $'hello\n4'
		ok insula system check
		ok insula generate systemd two
		ok insula rm two
	done
	ok insula doctor
}
