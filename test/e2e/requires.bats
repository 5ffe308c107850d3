#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# --requires: whom a container needs is started before it, and ended after it.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# chain: top requires mid, mid requires low; made, and not started.
chain() {
	ok insula create --name low "$E2E_IMAGE" sleep 600
	ok insula create --name mid --requires low "$E2E_IMAGE" sleep 600
	ok insula create --name top --requires mid "$E2E_IMAGE" sleep 600
}

# "a b c", by when they were started.
started_order() {
	insula events --stream=false --filter event=start --format '{{.Name}}' | tr '\n' ' '
}

ended_order() {
	insula events --stream=false --filter event=die --format '{{.Name}}' | tr '\n' ' '
}

@test "a start begins with what is required, through every link" {
	chain
	ok insula start top
	shows top
	[ "$(started_order)" = 'low mid top ' ] || fail "started: $(started_order)"
	[ "$(field low status) $(field mid status) $(field top status)" = 'running running running' ]
}

@test "who is required and runs is left alone" {
	chain
	insula start low
	local pid
	pid=$(field low pid)
	ok insula start top
	[ "$(field low pid)" = "$pid" ]
}

@test "run starts what it requires, of which several are named between commas" {
	ok insula create --name one "$E2E_IMAGE" sleep 600
	ok insula create --name two --userns host "$E2E_IMAGE" sleep 600
	ok insula run --rm --requires one,two "$E2E_IMAGE" echo here
	shows here
	[ "$(field one status) $(field two status)" = 'running running' ]
	ok insula run -d --name three --requires one --requires two "$E2E_IMAGE" sleep 600
	[ "$(detail three '.Config.Requires | length')" = 2 ]
	[ "$(detail three '.Config.Requires[0]')" = "$(detail one .Id)" ]
}

@test "what is named twice is required once" {
	ok insula create --name one "$E2E_IMAGE" true
	ok insula create --name two --requires one,one --requires one "$E2E_IMAGE" true
	[ "$(detail two '.Config.Requires | length')" = 1 ]
}

@test "where what is required cannot be started, nor is who requires it" {
	local root
	root=$(copy_of_root gone)
	ok insula create --name broken "dir:$root" true
	ok insula create --name web --requires broken "$E2E_IMAGE" sleep 600
	rm -rf "$root"
	refused 125 "cannot start 'broken', which it requires" insula start web
	[ "$(field web status)" = created ]
	refused 125 "cannot start 'broken', which it requires" \
		insula run --requires broken "$E2E_IMAGE" true
}

@test "stop and rm end who requires another before that one, in whatever order they are named" {
	chain
	insula start top
	ok insula stop --time 0 low mid top
	shows $'top\nmid\nlow'
	[ "$(ended_order)" = 'top mid low ' ] || fail "ended: $(ended_order)"
	insula start top
	ok insula stop --time 0 --all
	shows $'top\nmid\nlow'
	ok insula rm low mid top
	shows $'top\nmid\nlow'
}

@test "the end of who is required is nobody else's" {
	chain
	insula start top
	ok insula stop --time 0 low
	[ "$(field mid status) $(field top status)" = 'running running' ]
	ok insula start low
}

@test "who is required is not removed alone" {
	chain
	ok insula create --name side --requires low "$E2E_IMAGE" sleep 600
	exits 125 insula rm low
	[[ $stderr == *"container 'low' is required by '"* && $stderr == *"'mid'"* && $stderr == *"'side'"* ]] || fail
	ok insula rm side
	refused 125 "container 'low' is required by 'mid'" insula rm low
	refused 125 "container 'low' is required by 'mid'" insula rm --force low
	refused 125 "container 'low' is required by 'mid'" \
		insula run --name low --replace "$E2E_IMAGE" true
	ok insula rm mid top
	ok insula rm low
}

@test "rm --depend removes those that require it too, the last ones first" {
	chain
	ok insula create --name side --requires low,mid "$E2E_IMAGE" sleep 600
	ok insula create --name other "$E2E_IMAGE" sleep 600
	ok insula rm --depend low "$(detail low .Id)"
	[ "${lines[3]}" = low ] || fail
	[ "${lines[2]}" = mid ] || fail
	[ "$(insula ps --all --format '{{.Names}}')" = other ]
}

@test "rm --depend of what runs wants --force, as rm does" {
	chain
	insula start top
	exits 125 insula rm --depend mid
	[ "$(field mid status) $(field top status)" = 'running running' ]
	ok insula rm --depend --force mid
	shows $'top\nmid'
	[ "$(field low status)" = running ]
	ok insula rm --depend --force low
}

@test "prune removes all of a chain that does not run, and keeps what one that runs requires" {
	chain
	ok insula create --name peak --requires low "$E2E_IMAGE" sleep 600
	insula start peak
	insula stop --time 0 low
	ok insula prune --force
	[ "$(insula ps --all --format '{{.Names}}' | sort | tr '\n' ' ')" = 'low peak ' ]
	insula stop --time 0 peak
	ok insula prune --force
	[ -z "$(known_ids)" ]
}

@test "up starts what is required, whatever its own policy" {
	ok insula create --name base "$E2E_IMAGE" sleep 600
	ok insula run -d --name web --restart always --requires base "$E2E_IMAGE" sleep 600
	insula stop --time 0 web base
	ok insula up
	shows web
	[ "$(field base status) $(field web status)" = 'running running' ]
}

@test "a container that renames itself is required all the same" {
	chain
	ok insula rename low other
	ok insula start mid
	[ "$(field other status)" = running ]
}

@test "whom nobody has, nobody can require" {
	refused 125 'no container' insula create --requires nobody "$E2E_IMAGE" true
	refused 125 'a name is empty' insula create --requires '' "$E2E_IMAGE" true
	refused 125 'a name is empty' insula create --requires ,nobody "$E2E_IMAGE" true
	ok insula run -d --rm --name brief "$E2E_IMAGE" sleep 600
	refused 125 "'brief' has --rm" insula create --requires brief "$E2E_IMAGE" true
}

@test "one whose files are damaged is removed after those that require it" {
	chain
	truncate -s 40 "$INSULA_ROOT/containers/$(detail low .Id)/record.json"
	refused 125 "cannot start what it requires" insula start top
	ok insula rm --force low mid top
	[ -z "$(known_ids)" ]
}

# stops_at POINT COMMAND...: in the background, as $HELD, until it has stopped there.
stops_at() {
	INSULA_FAIL=$1=stop "$INSULA_BIN/insula" "${@:2}" >"$E2E_STATE/out" 2>"$E2E_STATE/err" </dev/null 3>&- &
	HELD=$!
	eventually 20 grep -q '^State:.T' "/proc/$HELD/status"
}

@test "one that is made while the one that it requires is removed: one of both is refused" {
	needs_failpoints
	ok insula create --name low "$E2E_IMAGE" true
	stops_at remove.checked rm low
	ok insula create --name top --requires low "$E2E_IMAGE" true
	kill -CONT "$HELD"
	wait "$HELD" && fail 'it was removed'
	grep -q "'low' is required by 'top'" "$E2E_STATE/err"
	ok insula start top
	ok insula rm top
	stops_at store.create.named create --name top --requires low "$E2E_IMAGE" true
	ok insula rm low
	kill -CONT "$HELD"
	wait "$HELD" && fail 'it was made'
	grep -q -e --requires "$E2E_STATE/err"
	[ -z "$(insula ps --all --quiet)" ]
	ok insula create --name top "$E2E_IMAGE" true
}

@test "one that is made between the last look of a removal and the removal waits for that, and is refused" {
	needs_failpoints
	local maker code=0
	ok insula create --name low "$E2E_IMAGE" true
	stops_at remove.decided rm low
	"$INSULA_BIN/insula" create --name top --requires low "$E2E_IMAGE" true >/dev/null 2>"$E2E_STATE/maker" </dev/null 3>&- &
	maker=$!
	eventually 10 test -e "$INSULA_ROOT/names/top"
	sleep 0.3
	kill -0 "$maker" || fail 'it did not wait'
	kill -CONT "$HELD"
	wait "$HELD" || fail "$(cat "$E2E_STATE/err")"
	wait "$maker" || code=$?
	[ "$code" = 125 ] && grep -q -e "--requires: container 'low'.* was removed" "$E2E_STATE/maker" || fail "$code $(cat "$E2E_STATE/maker")"
	[ -z "$(insula ps --all --quiet)" ]
	ok insula doctor
}

# Whoever wins, there is none that requires what is not there.
@test "any number of times at once: what is required is there, or who requires it is not" {
	local round maker
	for round in 1 2 3 4 5 6 7 8; do
		ok insula create --name low "$E2E_IMAGE" true
		for maker in 1 2 3; do
			"$INSULA_BIN/insula" create --name "top$maker" --requires low "$E2E_IMAGE" true >/dev/null 2>&1 </dev/null 3>&- &
		done
		"$INSULA_BIN/insula" rm low >/dev/null 2>&1 </dev/null 3>&- || true
		wait
		if [ -n "$(insula ps -aq --filter name=top)" ]; then
			ok insula start low
			ok insula rm -f --depend low
		fi
		[ -z "$(insula ps --all --quiet)" ] || fail "round $round: $(insula ps -a)"
	done
	ok insula doctor
}
