#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What takes space, whether the store is whole, and removing what nobody needs any more.

# shellcheck disable=SC2154  # output and stderr are set by run

load helpers

names() {
	find "$INSULA_ROOT/names" -type f -printf '%f\n' | sort | tr '\n' ' '
}

ended() {
	insula run --name "$1" --network none "${@:2}" "$E2E_IMAGE" true
}

@test "prune removes what does not run, and nothing else" {
	ended one
	ended two --label keep=yes
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula prune --force --filter label=nosuch
	contains "0B"
	[ "$(insula ps -aq | wc -l)" -eq 3 ]
	ok insula prune --force --filter until=1h
	[ "$(insula ps -aq | wc -l)" -eq 3 ]
	id=$(field one id)
	ok insula prune --force --filter name=one
	[ "$(sed -n 1p <<<"$output")" = "$id" ]
	ok insula prune -f
	lacks "$(field web id)"
	[ "$(insula ps -a --format '{{.Names}}')" = web ]
	ok insula prune -f
	shows "Total reclaimed space: 0B"
}

@test "prune: one that is damaged is said, and stops nothing" {
	ended one
	ended two
	ended three
	local id
	id=$(field two id)
	sed -i '2s/"ociVersion"/"ociversion"/' "$INSULA_ROOT/containers/$id/record.json"
	exits 125 insula prune -f
	[[ $stderr == *"${id:0:12}"*"insula rm --force"* ]] || fail
	contains 'Total reclaimed space'
	[ "$(insula ps -aq --no-trunc 2>/dev/null)" = "$id" ] || fail "$(insula ps -a)"
	ok insula rm --force "$id"
}

@test "prune asks, and takes no answer for a no" {
	ended one
	refused 125 "nobody can be asked" insula prune </dev/null
	run pty --timeout 20 --expect '[y/N]' --send 'n\n' -- "$INSULA_BIN/insula" prune
	[ -n "$(field one id)" ]
	run pty --timeout 20 --expect '[y/N]' --send 'y\n' -- "$INSULA_BIN/insula" prune
	[ -z "$(field one id)" ] || fail "still there"
	refused 125 "there is no 'colour=red'" insula prune -f --filter colour=red
}

@test "system df counts what was written" {
	ended one
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c 'dd if=/dev/zero of=/srv/big bs=1M count=5 2>/dev/null; touch /ready; sleep 300'
	eventually 10 insula exec web test -e /ready
	ok insula system df --format json
	[ "$(jq '.[] | select(.type == "Containers") | .total == 2 and .active == 1 and .size > 5000000 and .reclaimable < .size' <<<"$output")" = true ] || fail
	ok insula system df
	contains "RECLAIMABLE"
	ok insula system df -v --format '{{.Name}} {{.RawSize}}'
	[ "$(awk '$1 == "web" && $2 > 5000000' <<<"$output" | wc -l)" -eq 1 ] || fail
	[ "$(wc -l <<<"$output")" -eq 2 ]
}

@test "system check: a whole store is whole, at rest and under load" {
	ended one
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	for _ in $(seq 5); do insula run --rm --network none "$E2E_IMAGE" true >/dev/null 2>&1 3>&- & done
	for _ in $(seq 10); do
		ok insula system check
		contains ", 0 problems"
	done
	wait
}

@test "system check finds flipped bits, lost layers and names, and repairs names" {
	ended one
	ended two
	ended three
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	sed -i '2s/"root"/"rooT"/' "$INSULA_ROOT/containers/$(field one id)/record.json"
	rm -rf "$INSULA_ROOT/containers/$(field two id)/upper"
	rm "$INSULA_ROOT/names/three"
	field web id | tr -d '\n' >"$INSULA_ROOT/names/other"
	printf '%064d' 7 >"$INSULA_ROOT/names/gone"
	exits 1 insula system check
	contains "its checksum is wrong"
	contains "its layer has no 'upper'"
	contains "its name 'three' leads nowhere"
	contains "name 'other': it leads to container"
	contains "name 'gone': it leads to a container that is gone"
	contains "5 problems, 0 repaired"
	exits 1 insula system check --repair
	contains "5 problems, 3 repaired"
	exits 1 insula system check
	contains "2 problems"
	[ "$(names)" = "one three two web " ] || fail "$(names)"
	ok insula rm -f one two
	ok insula system check
	contains ", 0 problems"
}

@test "a rename that was killed is found, and ended" {
	ok insula run -d --name old --network none "$E2E_IMAGE" sleep 300
	INSULA_FAIL=rename.claimed=kill run insula rename old new
	[ "$status" -eq 137 ]
	exits 1 insula system check
	contains "name 'new': it leads to container"
	ok insula system check --repair
	contains "1 problems, 1 repaired"
	[ "$(names)" = "old " ]
}

@test "what is no request is one clear error" {
	refused 125 "there is no 'nosuch'" insula system nosuch
	refused 125 "an argument is missing" insula system
	refused 125 "--repair is for system check" insula system df --repair
	refused 125 "takes --repair only" insula system check -v
	refused 125 "there is no field" insula system df --format '{{.Colour}}'
}
