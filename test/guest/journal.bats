#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What containers print, in the journal of a system that has one: as root, and as an ordinary user.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash
load sessions.bash

setup() { sessions_setup; }
teardown() { sessions_teardown; }

in_journal() {
	journalctl --quiet --output=cat "$@" | grep -q .
}

@test "what a container prints is in the journal, and logs has it back as it was" {
	insula run --name web --log-driver journald --label team=blue --log-opt labels=team --log-opt 'tag=<{{.Name}}>' "$E2E_IMAGE" sh -c \
		'printf "a\0b\n\377\376\n\n"; echo bad >&2; head -c 150000 /dev/zero | tr "\0" x; printf "\nlast"' \
		>"$E2E_STATE/printed" 2>"$E2E_STATE/printed.err"
	insula logs web >"$E2E_STATE/read" 2>"$E2E_STATE/read.err"
	cmp "$E2E_STATE/printed" "$E2E_STATE/read"
	cmp "$E2E_STATE/printed.err" "$E2E_STATE/read.err"
	[ "$(cat "$E2E_STATE/read.err")" = bad ]
	id=$(field web id)
	in_journal "CONTAINER_ID_FULL=$id" TEAM=blue 'CONTAINER_TAG=<web>' 'SYSLOG_IDENTIFIER=<web>' PRIORITY=3 _UID=0
	# Who sends the id is not who has it.
	printf 'MESSAGE=forged\nCONTAINER_ID_FULL=%s\nPRIORITY=6\n' "$id" | setpriv --reuid 1001 --clear-groups logger --journald
	eventually 20 in_journal "CONTAINER_ID_FULL=$id" _UID=1001
	ok insula logs --stdout --tail 2 web
	[[ $output == *$'x\nlast' ]]
	# The next run goes on, and is followed to its end.
	ok insula run -d --name slow --log-driver journald "$E2E_IMAGE" sh -c 'echo one; sleep 2; echo two; echo three'
	ok insula logs --follow slow
	shows $'one\ntwo\nthree'
	ok insula logs --tail 1 --timestamps slow
	[[ $output =~ ^20.*Z\ three$ ]]
}

@test "an ordinary user has his containers' output back from the journal, and nobody else's" {
	local directory=$E2E_STATE/user
	cp -a "$E2E_ROOT" "$directory/image"
	chown -R "$USER_ID:$USER_ID" "$directory/image"
	# shellcheck disable=SC2016  # a script of the session's
	in_a_login '
		export INSULA_ROOT='"$directory/lib INSULA_RUNROOT=$directory/engine"'
		export XDG_RUNTIME_DIR=/run/user/$(id -u)
		insula='"$INSULA_BIN/insula"'
		$insula run --name mine --log-driver journald dir:'"$directory"'/image sh -c "echo one; echo two >&2" >/dev/null 2>&1 && echo ran
		end=$(($(date +%s) + 120))
		until [ "$($insula logs mine 2>&1 | wc -l)" = 2 ] || [ "$(date +%s)" -gt $end ]; do sleep 0.2; done
		$insula logs mine 2>/dev/null | sed s/^/out:/
		$insula logs mine 2>&1 >/dev/null | sed s/^/err:/
		$insula logs --follow --stdout mine | sed s/^/again:/
		$insula rm mine && echo removed'
	said ran
	said out:one
	said err:two
	said again:one
	said removed
}
