#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A boot after the machine was killed while containers were made, ran, ended and were removed: `tools/guest crash` runs
# this at each of its boots. The store is on a disk that lives through them; below /run nothing does.
#
# What a command had done when it came back was written down by test/guest/crash-load outside of the machine.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers

ACKNOWLEDGED=/run/guest/results/acknowledged

setup_file() {
	busybox_root /var/tmp/box
	export E2E_IMAGE=dir:/var/tmp/box
}

# What there is is looked at, and stays.
teardown_file() { :; }
setup() { :; }
teardown() { :; }

# acknowledged WORD: the containers of which a command of that kind came back.
acknowledged() {
	sed -n "s/^done $1 //p" "$ACKNOWLEDGED" 2>/dev/null | sort
}

begun() {
	sed -n "s/^begin $1 //p" "$ACKNOWLEDGED" 2>/dev/null | sort
}

known() {
	insula ps --all --format '{{.Names}}' | sort
}

# A name is claimed, and on the disk, before its container is made: it may lead nowhere where no command came back.
@test "every file of the store is what was written" {
	local gone="': it leads to a container that is gone" name
	run insula system check
	while IFS= read -r name; do
		! grep -q -E -x "done (create|kept|exit) $name( .*)?" "$ACKNOWLEDGED" || grep -q -x "begin rm $name" "$ACKNOWLEDGED" || fail "$name"
	done < <(sed -n "s/^name '\(.*\)$gone\$/\1/p" <<<"$output")
	! grep -q -v -e "$gone" -e ' names looked at' <<<"$output" || fail
}

@test "doctor finds nothing that it would not mend, and nothing after that" {
	timeout 120 "$INSULA_BIN/insula" doctor --repair || true
	ok insula doctor
}

@test "no container is said to run, whatever process has its number now" {
	[ "$(insula ps --quiet | wc -l)" -eq 0 ] || fail "$(insula ps)"
	[ -z "$(find /sys/fs/cgroup -type d -name 'insula-*')" ] || fail
}

@test "what was made and not removed is there" {
	local missing
	missing=$(comm -23 <(comm -23 <(acknowledged create) <(begun rm)) <(known))
	[ -z "$missing" ] || fail "$missing"
}

@test "an exit code that was told is known still" {
	local name code
	while read -r name code; do
		grep -q -x "begin rm $name" "$ACKNOWLEDGED" || [ "$(field "$name" exit_code)" = "$code" ] || fail "$name: $(field "$name" exit_code), not $code"
	done < <(acknowledged exit)
}

@test "what ought to run does after 'up', and obeys" {
	local names
	names=$(insula ps --all --format '{{.Names}}' --filter label=keep | sort)
	[ "$(comm -23 <(acknowledged kept) <(echo "$names"))" = '' ] || fail "$names"
	[ -n "$names" ] || [ ! -s "$ACKNOWLEDGED" ] || fail "none"
	ok insula up
	for name in $names; do
		[ "$(field "$name" status)" = running ] || fail "$name"
		ok insula exec "$name" cat /round
		ok insula stop --time 0 "$name"
	done
}

@test "all of it can be removed, and nothing is left" {
	# shellcheck disable=SC2046  # names
	[ -z "$(known)" ] || insula rm --force $(known) >/dev/null
	[ -z "$(known)" ] || fail "$(known)"
	ok insula doctor
	ok insula system check
	[ -z "$(find /var/lib/insula/containers /var/lib/insula/names -mindepth 1)" ] || fail "$(find /var/lib/insula)"
	rm -f "$ACKNOWLEDGED"
}
