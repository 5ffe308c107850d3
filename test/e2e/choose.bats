#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Which containers a verb is about (names, --latest, --all, --filter), several of them at once, and what a
# terminal is shown of that.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# runs NAME FLAG...: a container that ends at SIGTERM.
runs() {
	ok insula run -d --name "$1" --network none "${@:2}" "$E2E_IMAGE" sh -c 'trap "exit 0" TERM; echo here; sleep 300 & wait'
}

# deaf NAME...: containers that do not end at SIGTERM, and say so when they are ready.
deaf() {
	for name; do
		insula run -d --name "$name" --network none "$E2E_IMAGE" sh -c 'trap "" TERM; echo ready; while :; do sleep 300; done' >/dev/null || return
	done
	for name; do
		eventually 20 sh -c '"$INSULA_BIN/insula" logs "$0" | grep -q ready' "$name" || return
	done
}

is() {
	[ "$(field "$1" status)" = "$2" ] || fail "$1 is $(field "$1" status), not $2"
}

@test "--latest: every verb takes the container that was made last" {
	runs first
	runs last
	ok insula exec -l cat /etc/hostname
	ok insula exec --latest echo there
	shows there
	ok insula inspect -l --format '{{.Name}}'
	shows last
	eventually 10 sh -c '"$INSULA_BIN/insula" logs -l | grep -q here'
	ok insula top -l
	contains sleep
	ok insula top --latest pid args
	contains PID
	ok insula stats -l --no-stream --format '{{.Name}}'
	shows last
	ok insula pause -l
	shows last
	[ "$(detail last .State.Paused)" = true ] && [ "$(detail first .State.Paused)" = false ] || fail
	ok insula unpause -l
	shows last
	ok insula update -l --pids-limit 50
	shows last
	ok insula exec last sh -c 'echo x >/made'
	ok insula cp -l :/made "$BATS_TEST_TMPDIR/made"
	[ "$(cat "$BATS_TEST_TMPDIR/made")" = x ] || fail
	ok insula cp --latest "$BATS_TEST_TMPDIR/made" :/back
	ok insula exec -l cat /back
	shows x
	ok insula diff -l
	contains "A /made"
	ok insula restart -l -t 1
	shows last
	ok insula kill -l
	shows last
	ok insula wait -l
	shows 137
	ok insula start -l
	shows last
	ok insula stop -l
	shows last
	eventually 10 is last exited
	is first running
	ok insula rm -l
	shows last
	ok insula rm -fl
	shows first
	[ -z "$(known_ids)" ] || fail
}

@test "--latest: healthcheck, and of a container that has no check" {
	runs first
	exits 125 insula healthcheck run --latest
	[[ $stderr == *"container 'first' has no health check"* ]] || fail
	runs last --health-cmd true --health-interval disable
	ok insula healthcheck run -l
	shows healthy
	ok insula healthcheck -l run
	refused 125 "too many arguments" insula healthcheck run -l last
	refused 125 "an argument is missing" insula healthcheck -l
	refused 125 "there is no 'walk'" insula healthcheck walk last
}

@test "--ignore: one that is not there is no error to stop and rm" {
	runs one
	exits 125 insula stop -t 0 nosuch one
	shows one
	ok insula start one
	ok insula stop --ignore -t 0 nosuch one
	shows one
	exits 125 insula rm nosuch
	ok insula rm -i nosuch one
	shows one
	refused 125 "there are no anonymous volumes" insula rm -fv nosuch
}

@test "--latest without a container, or beside a name, is one clear error" {
	for verb in start stop restart kill pause unpause wait rm logs attach inspect diff top stats; do
		refused 125 "there is no container" insula "$verb" --latest
	done
	refused 125 "there is no container" insula exec -l true
	refused 125 "there is no container" insula cp -l :/a b
	for verb in start stop restart kill pause unpause wait rm logs attach inspect diff stats; do
		refused 125 "--latest and names exclude each other" insula "$verb" --latest web
	done
	for verb in start stop restart kill pause unpause rm; do
		refused 125 "--latest and --all exclude each other" insula "$verb" --latest --all
		refused 125 "--latest and --filter exclude each other" insula "$verb" --latest --filter name=a
		refused 125 "--filter and names exclude each other" insula "$verb" --filter name=a web
		refused 125 "no container is named" insula "$verb"
		refused 125 "there is no 'nosuch=a' to filter by" insula "$verb" --filter nosuch=a
	done
	refused 125 "an argument is missing" insula exec -l
	runs web
	refused 125 "an argument is missing" insula cp -l :/a
	refused 125 "none of the two is in the container" insula cp -l a b
	refused 125 "too many arguments" insula cp a b c
}

@test "--filter: those that match, and no others" {
	runs one --label team=blue
	runs two --label team=red
	runs three --label team=blue
	ok insula pause --filter label=team=blue
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "one three " ] || fail
	[ "$(detail two .State.Paused)" = false ] || fail
	ok insula unpause --filter status=paused
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "one three " ] || fail
	ok insula restart -t 1 -f name=three
	shows three
	ok insula stop -f label=team=blue
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "one three " ] || fail
	is two running
	ok insula stop --filter label=team=blue # they do not run
	shows ""
	ok insula start --filter name=one
	shows one
	ok insula kill --filter label=team=red --all
	shows two
	eventually 10 is two exited
	ok insula rm --filter status=exited
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "three two " ] || fail
	is one running
	ok insula rm --filter name=nobody
	shows ""
}

@test "--filter: one that cannot be read is no match, and an error at the end" {
	local id
	for name in one two three; do
		ok insula create --name "$name" "$E2E_IMAGE" true
	done
	for name in two three; do
		id=$(field "$name" id)
		echo '{' >"$INSULA_ROOT/containers/$id/record.json"
	done
	exits 125 insula rm --filter name=one
	shows one
	[ "$(grep -c -v '^hint: ' <<<"$stderr")" = 2 ] || fail
	exits 125 insula rm --filter name=one
	shows ""
	ok insula rm --force --all
}

@test "ten that ignore SIGTERM are stopped in the time of one, each with its line, in their order" {
	names=(mute{0..9})
	deaf "${names[@]}"
	begin=$(date +%s%N)
	ok insula stop -t 4 "${names[@]}"
	took=$((($(date +%s%N) - begin) / 1000000))
	shows "$(printf '%s\n' "${names[@]}")"
	echo "took $took ms"
	[ "$took" -ge 4000 ] || fail "they were killed too early: $took ms"
	[ "$took" -lt 20000 ] || fail "one after the other: $took ms"
	for name in "${names[@]}"; do
		eventually 10 is "$name" exited
	done
	ok insula rm "${names[@]}"
	shows "$(printf '%s\n' "${names[@]}")"
	[ -z "$(known_ids)" ] || fail
}

@test "several at once: what fails is said, the rest is done, and the first error decides" {
	runs one
	runs two
	exits 125 insula stop one nosuch two nother
	shows $'one\ntwo'
	[[ $stderr == *"no container 'nosuch'"*"no container 'nother'"* ]] || fail
	eventually 10 is one exited
	eventually 10 is two exited
	ok insula rm two one two # once each, as two at once would find anything
	shows $'two\none'
	[ -z "$(known_ids)" ] || fail
	ok insula rm -f nosuch nother
	shows ""
}

@test "restart at once: each runs again, under a keeper of its own" {
	runs one
	runs two
	runs three
	before=$(for name in one two three; do detail "$name" .State.KeeperPid; done)
	ok insula restart -t 2 one two three
	shows $'one\ntwo\nthree'
	for name in one two three; do
		is "$name" running
		! grep -qx "$(detail "$name" .State.KeeperPid)" <<<"$before" || fail "$name was not restarted"
		ok insula exec "$name" true
	done
}

@test "a terminal is told after a second how far it is, and nothing stays of it" {
	deaf slow
	runs quick
	run pty -- env TERM=xterm "$INSULA_BIN/insula" stop -t 4 quick slow
	[ "$status" -eq 0 ] || fail
	[[ $output == *"insula: stop: 1 of 2 done ("*" s)"* ]] || fail
	[[ $output == *$'\r\e[Kquick'* || $output == quick* ]] || fail
	deaf again
	run pty -- env TERM=dumb "$INSULA_BIN/insula" stop -t 2 again
	[[ $output != *"done ("* ]] || fail "a terminal that cannot go back"
	deaf piped
	run pty -- env TERM=xterm sh -c '"$0" stop -t 2 piped 2>&1 | cat' "$INSULA_BIN/insula"
	[[ $output != *"done ("* ]] || fail "no terminal"
}

@test "cp, prune and system df tell a terminal how far they are, and nobody else" {
	mkdir "$BATS_TEST_TMPDIR/tree"
	for i in 1 2 3 4 5; do echo "$i" >"$BATS_TEST_TMPDIR/tree/$i"; done
	tar -C "$BATS_TEST_TMPDIR/tree" -cf "$BATS_TEST_TMPDIR/tar" 1 2 3
	insula create --name one "$E2E_IMAGE" true >/dev/null
	insula cp "$BATS_TEST_TMPDIR/tree" one:/ >/dev/null
	slowly() { # strace, so that each look into a directory takes its time
		run pty -- env -u NO_COLOR TERM=xterm strace -f -qqq -o /dev/null -e trace=getdents64 \
			-e inject=getdents64:delay_exit=250000:when=1..12 "$INSULA_BIN/insula" "$@"
		[ "$status" -eq 0 ] || fail "$*"
	}
	slowly system df
	[[ $output == *"insula: system df: 0 containers done ("*$'\r\e[K'*Containers* ]] || fail
	# shellcheck disable=SC2016  # for the shell inside
	run pty -- env -u NO_COLOR TERM=xterm sh -c '{ head -c 700 "$1"; sleep 1.5; tail -c +701 "$1"; } | "$INSULA_BIN/insula" cp - one:/tree' sh "$BATS_TEST_TMPDIR/tar"
	[[ $output == *"insula: cp: "*" file"*" s)"* ]] || fail "cp: $output"
	[[ $output == *$'\r\e[K' ]] || fail "something stays of it"
	# shellcheck disable=SC2016  # for the shell inside
	run pty -- env NO_COLOR=1 TERM=xterm sh -c '{ head -c 700 "$1"; sleep 1.5; tail -c +701 "$1"; } | "$INSULA_BIN/insula" cp - one:/tree' sh "$BATS_TEST_TMPDIR/tar"
	[ -z "$output" ] || fail "with NO_COLOR: $output"
	slowly prune --force
	[[ $output == *"insula: prune: 0 of 1 done ("*$'\r\e[K'*"Total reclaimed"* ]] || fail
}

@test "colour: on a terminal alone, and not where it is not wanted" {
	runs one
	run pty -- env -u NO_COLOR TERM=xterm "$INSULA_BIN/insula" ps
	[[ $output == *$'\e[1mCONTAINER ID\e[0m'* ]] || fail
	[[ $output == *$'\e[32mUp '* ]] || fail
	run pty -- env -u NO_COLOR TERM=xterm "$INSULA_BIN/insula" stop nosuch
	[ "$status" -eq 125 ] || fail
	[[ $output == *$'\e[1;31minsula:\e[0m no container'* ]] || fail
	[[ $output == *$'\e[36mhint:\e[0m'* ]] || fail
	for plain in "NO_COLOR=1 TERM=xterm" TERM=dumb "-u TERM"; do
		# shellcheck disable=SC2086  # words
		run pty -- env $plain "$INSULA_BIN/insula" ps
		[[ $output == *"CONTAINER ID"* && $output != *$'\e'* ]] || fail "$plain"
		# shellcheck disable=SC2086
		run pty -- env $plain "$INSULA_BIN/insula" stop nosuch
		[[ $output == *"insula: no container"* && $output != *$'\e'* ]] || fail "$plain"
	done
	run pty -- env -u NO_COLOR TERM=xterm sh -c '"$0" ps | cat; "$0" stop nosuch 2>&1 | cat' "$INSULA_BIN/insula"
	[[ $output == *"CONTAINER ID"* && $output != *$'\e'* ]] || fail "a pipe"
}

@test "what nearly is a verb, a name or a flag is offered" {
	runs webserver
	exits 125 insula puase webserver
	[[ $stderr == *"did you mean 'pause'?"* ]] || fail
	exits 125 insula stop webservr
	[[ $stderr == *"did you mean 'webserver'?"* ]] || fail
	exits 125 insula stop nobody
	[[ $stderr == *"insula ps -a lists what there is"* ]] || fail
	exits 125 insula tag
	[[ $stderr == *"insula --help lists the verbs"* ]] || fail
	exits 125 insula list
	[[ $stderr == *"hint: insula ps lists containers"* ]] || fail
	exits 125 insula pull alpine
	[[ $stderr == *"hint: images of registries are not there yet"* ]] || fail
	exits 125 insula --log-level debug ps
	[[ $stderr == *"hint: insula --help lists the options"* ]] || fail
	exits 125 insula stop --lates
	[[ $stderr == *"did you mean '--latest'?"* || $stderr == *"--latest"* ]] || fail
	ok insula
	contains "insula run -it host"
	contains "insula VERB --help"
}
