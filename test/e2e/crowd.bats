#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many commands at once, and many containers: 400, or with INSULA_FULL=1 1000, and in the emulated guest 60.

# shellcheck disable=SC2154  # status and lines are set by run

load helpers

@test "crowd: fifty commands at once, on the same containers and on their own: none hangs, no exit code is lost" {
	run "$E2E_DIR/crowd" "$E2E_ROOT" 50
	echo "$output"
	[ "$status" -eq 0 ]
	echo "# ${lines[0]}" >&3
	insula unpause --all >/dev/null 2>&1 || true
	ok insula rm --force --all
	ok insula system check
	contains ", 0 problems"
}

@test "crowd: many that run: ps, stats, events, exec and stop, and each is told its own" {
	local many=400
	[ -z "${INSULA_FULL:-}" ] || many=1000
	[ "${INSULA_TEST_SLOW:-1}" -eq 1 ] || many=60
	seq "$many" | xargs -P 8 -I N "$INSULA_BIN/insula" run -d --name cN --label n=N --network none \
		"$E2E_IMAGE" sleep 100000 >/dev/null || fail
	[ "$(insula ps -q | wc -l)" -eq "$many" ] || fail
	ok insula stats --no-stream --format '{{.Name}}'
	[ "$(sort -u <<<"$output" | wc -l)" -eq "$many" ] || fail
	ok insula events --no-stream --since 1h --filter event=start
	[ "${#lines[@]}" -eq "$many" ] || fail
	ok insula ps --filter label=n=7 --format '{{.Names}}'
	shows c7
	ok insula exec "c$many" true
	ok insula system check
	contains "$many containers and $many names looked at, 0 problems"
	ok insula stop --time 0 --all
	[ "${#lines[@]}" -eq "$many" ] || fail
	[ "$(insula ps -a --format '{{.Status}}' | grep -c '^Exited (137)')" -eq "$many" ] || fail
	ok insula rm --all
	[ "${#lines[@]}" -eq "$many" ] || fail
}
