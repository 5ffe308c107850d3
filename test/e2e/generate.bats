#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula generate systemd: unit files that systemd accepts, and whose commands do what they say.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# The value of a key in the unit of the last command.
value() {
	sed -n "s/^$1=//p" <<<"$output"
}

# verify FILE: as systemd reads it, where its tool is.
verify() {
	command -v systemd-analyze >/dev/null || skip "there is no systemd-analyze"
	SYSTEMD_LOG_LEVEL=warning run systemd-analyze --man=no verify "$1"
	[[ $status == 0 && $output != *"${1##*/}"* ]] || fail "systemd does not like $1: $(cat "$1")"
}

# Run the command of a key as systemd would: words in quotes, doubled dollars and per cents.
run_command() {
	local text
	text=$(value "$1" | sed 's/%%/%/g; s/\$\$/$/g; s/\$/\\$/g')
	eval "insula_unit=($text)"
	# shellcheck disable=SC2154  # by eval
	run --separate-stderr "${insula_unit[@]}"
}

@test "a unit for a container that is there starts, attaches to and stops it" {
	ok insula create --name web --stop-signal KILL "$E2E_IMAGE" sh -c 'echo served; exit 7'
	ok insula generate systemd --name web
	[ "$(value Restart)" = on-failure ]
	[ "$(value Type)" = exec ]
	[ "$(value ExecStop)" = "$INSULA_BIN/insula --root $INSULA_ROOT --runroot $INSULA_RUNROOT stop --time 10000ms web" ]
	[ "$(value TimeoutStopSec)" = 70000ms ]
	local unit=$output
	run_command ExecStart
	[ "$status $output" = '7 served' ] || fail "the start"
	output=$unit
	run_command ExecStopPost
	[ "$status" -eq 0 ]
	[ "$(field web exit_code)" = 7 ]
}

@test "units are called by the id, or by names of ours" {
	ok insula create --name web "$E2E_IMAGE" true
	ok insula generate systemd web
	[[ $output == "# container-$(detail web .Id).service"* ]] || fail name
	[ "$(value ExecStart | grep -c -F "start --attach $(detail web .Id)")" = 1 ]
	ok insula generate systemd --name --no-header --container-prefix box --separator _ web
	[ "$(head -1 <<<"$output")" = '[Unit]' ]
	contains 'Insula box_web.service'
}

@test "what podman's options say is in the unit" {
	ok insula create --name web "$E2E_IMAGE" true
	ok insula generate systemd -n -t 3 --restart-policy always --restart-sec 5 --start-timeout 1m \
		--after db.service --after net.target --wants cache.service --requires db.service web
	[ "$(value Restart) $(value RestartSec) $(value TimeoutStartSec)" = 'always 5000ms 60000ms' ]
	[ "$(value TimeoutStopSec)" = 63000ms ]
	[ "$(value After | tr '\n' ' ')" = 'network-online.target db.service net.target ' ]
	[ "$(value Wants | tr '\n' ' ')" = 'network-online.target cache.service ' ]
	[ "$(value Requires)" = db.service ]
}

@test "units of what it requires come before it" {
	ok insula create --name db "$E2E_IMAGE" true
	ok insula create --name web --requires db "$E2E_IMAGE" true
	ok insula generate systemd --name web
	[ "$(value Wants | tail -1) $(value After | tail -1)" = 'container-db.service container-db.service' ]
}

@test "--new makes it as it was made, whatever the words, in the foreground, and removes it" {
	local unit
	cd "$BATS_TEST_TMPDIR"
	# shellcheck disable=SC2016  # for the shell inside
	ok insula run -d --name odd -e 'A=a "b" \ $HOME 100% $$' --restart unless-stopped -l x= -- \
		"$E2E_IMAGE" sh -c 'echo "[$A] $1"; exit 5' sh "it's"
	insula stop --time 0 odd
	ok insula generate systemd --new --name odd
	unit=$output
	[ "$(value WorkingDirectory)" = "$BATS_TEST_TMPDIR" ]
	run_command ExecStart
	[ "$status" -eq 5 ] || fail "the command's code"
	[ "$output" = '[a "b" \ $HOME 100% $$] it'"'"'s' ] || fail "the command's words"
	[ -z "$(known_ids)" ] || fail "it was not removed"
	output=$unit
	run_command ExecStopPost
	[ "$status" -eq 0 ]
}

@test "--new of one that was made without options" {
	ok insula run "$E2E_IMAGE" true
	ok insula generate systemd --new "$(known_ids)"
	run_command ExecStart
	[ "$status" -eq 0 ]
}

@test "systemd accepts what is written to files" {
	cd "$BATS_TEST_TMPDIR"
	ok insula create --name web --requires "$(insula create "$E2E_IMAGE" true)" -e 'A="x y" %n $B' "$E2E_IMAGE" true
	ok insula generate systemd --files --name web
	shows container-web.service
	[ "$(stat -c %a container-web.service)" = 644 ]
	verify "$PWD/container-web.service"
	ok insula generate systemd --files --name --new web
	verify "$PWD/container-web.service"
}

@test "a unit with values of the environment is its owner's alone, and a warning says so" {
	local spelling
	cd "$BATS_TEST_TMPDIR"
	for spelling in '-e|TOKEN=se cret' '-eTOKEN=se cret' '--env=TOKEN=se cret' '--env|TOKEN=se cret' '-ie|TOKEN=se cret'; do
		mapfile -t -d '|' words < <(printf %s "$spelling")
		ok insula create --replace --name web "${words[@]}" "$E2E_IMAGE" true
		rm -f container-web.service
		ok insula generate systemd --files --name --new web
		grep -q 'se cret' container-web.service || fail "$spelling: not in it"
		[ "$(stat -c %a container-web.service)" = 600 ] || fail "$spelling"
		[[ $stderr == *"container-web.service has values of --env"*--env-file* ]] || fail "$spelling"
	done
	ok insula generate systemd --files --name web
	[ "$(stat -c %a container-web.service)$stderr" = 644 ] || fail "without --new"
	echo 'TOKEN=se cret' >vars
	OTHER='se cret' ok insula create --replace --name web -e OTHER --env-file vars -l TOKEN= "$E2E_IMAGE" true
	ok insula generate systemd --files --name --new web
	! grep -q 'se cret' container-web.service || fail "a value that is not in its words"
	[ "$(stat -c %a container-web.service)$stderr" = 644 ] || fail "without values"
}

@test "no name of a directory becomes a line of a unit" {
	local place
	cd "$BATS_TEST_TMPDIR"
	for place in $'a\nExecStartPre=-' $'b\\' 'c ' $'d\r'; do
		mkdir -p "$BATS_TEST_TMPDIR/$place"
		cd "$BATS_TEST_TMPDIR/$place"
		ok insula create --replace --name web "$E2E_IMAGE" true
		refused 125 "cannot be written into a unit" insula generate systemd --new --name web
		ok insula generate systemd --name web
	done
	refused 125 "is not the name of a unit" insula generate systemd --after $'x\\' web
}

@test "directories with spaces, dollars and per cents are one word each" {
	local place="$E2E_STATE/a b \$HOME 100%s"
	mkdir -m 755 "$place"
	cp -r "$INSULA_BIN" "$place/bin"
	cd "$place"
	export INSULA_ROOT=$place/lib
	ok "$place/bin/insula" create --name web "$E2E_IMAGE" true
	ok "$place/bin/insula" generate systemd --files --name --new web
	verify "$PWD/container-web.service"
	output=$(cat container-web.service)
	[ "$(value WorkingDirectory)" = "${place//%/%%}" ]
	[ "$(value RequiresMountsFor)" = "\"${INSULA_ROOT//%/%%}\"" ]
	value ExecStop | grep -q -F "\"${place//%/%%}/bin/insula\" --root" || fail "the program is no word in quotes"
}

@test "what cannot be in a unit is refused, and no file is made" {
	mkdir "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here"
	ok insula create --name web --cidfile cid "$E2E_IMAGE" true
	refused 125 "there is no 'kube'" insula generate kube web
	refused 125 'no container is named' insula generate systemd
	refused 125 "no container 'nobody'" insula generate systemd --files nobody
	refused 125 "cannot be part of a unit's name" insula generate systemd --files --container-prefix ../x web
	refused 125 "is not the name of a unit" insula generate systemd --files --after $'a\nExecStart=x' web
	refused 125 '--cidfile' insula generate systemd --files --new web
	[ "$(ls)" = cid ]
}
