#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# --log-driver journald, with a journal of the test's own in the place of the system's.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup_file() { file_setup; }
teardown_file() { file_teardown; }

setup() {
	e2e_setup
	needs_failpoints # the socket has another name in a test build alone
	JOURNAL=$E2E_STATE/journal
	export INSULA_JOURNAL_SOCKET=$E2E_STATE/socket
	# One entry a line, as JSON strings.
	python3 - "$INSULA_JOURNAL_SOCKET" "$JOURNAL" >/dev/null 2>&1 3>&- <<-'LISTEN' &
	import json, socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1])
	with open(sys.argv[2], "w") as out:
	    while True:
	        print(json.dumps(s.recv(1 << 20).decode("latin1")), file=out, flush=True)
	LISTEN
	LISTENER=$!
	eventually 20 test -e "$JOURNAL"
}

teardown() {
	[ -z "${LISTENER:-}" ] || kill -9 "$LISTENER" || true
	[ -z "${LISTENER:-}" ] || wait "$LISTENER" 2>/dev/null || true
	rm -f "${INSULA_JOURNAL_SOCKET:-}"
	e2e_teardown
}

# Entries that have a text.
entries() {
	grep -c -F -e "$1" "$JOURNAL"
}

@test "what a container prints is in the journal, and in no file" {
	ok insula run --name web --log-driver journald --log-opt tag=shop "$E2E_IMAGE" \
		sh -c 'echo one; echo two >&2; printf part'
	[ "$output" = $'one\npart' ] || fail "its output is for whoever listens, too"
	eventually 20 entries 'part\n'
	[ "$(wc -l <"$JOURNAL")" = 3 ]
	[ "$(grep -F '\u0000one\n' "$JOURNAL" | grep -c -F 'PRIORITY=6\n')" = 1 ]
	[ "$(grep -F '\u0000two\n' "$JOURNAL" | grep -c -F 'PRIORITY=3\n')" = 1 ]
	[ "$(grep -F '\u0000part\n' "$JOURNAL" | grep -c -F 'CONTAINER_PARTIAL_MESSAGE=true\n')" = 1 ]
	[ "$(entries "CONTAINER_ID_FULL=$(detail web .Id)\\nCONTAINER_NAME=web\\nCONTAINER_TAG=shop\\nSYSLOG_IDENTIFIER=shop\\n")" = 3 ]
	[ ! -e "$INSULA_ROOT/containers/$(detail web .Id)/log" ]
	refused 125 'the journal has what' insula logs web
	[[ $stderr == *"journalctl CONTAINER_ID_FULL=$(detail web .Id)"* ]]
	[ "$(detail web '.Config | .LogDriver + " " + .LogTag')" = 'journald shop' ]
}

@test "a container goes on without its journal" {
	ok insula run -d --name web --log-driver journald "$E2E_IMAGE" \
		sh -c 'until [ -e /go ]; do sleep 0.1; done; echo late; exit 3'
	kill -9 "$LISTENER"
	rm "$INSULA_JOURNAL_SOCKET"
	ok insula exec web touch /go
	ok insula wait web
	shows 3
}

@test "where there is no journal, and what it has no option for, is refused" {
	refused 125 'max-size' insula run --log-driver journald --log-opt max-size=1m "$E2E_IMAGE" true
	refused 125 'plain characters' insula run --log-driver journald --log-opt $'tag=a\nMESSAGE=b' "$E2E_IMAGE" true
	refused 125 'plain characters' insula run --log-driver journald --log-opt tag= "$E2E_IMAGE" true
	INSULA_JOURNAL_SOCKET=/nonexistent refused 125 'there is no journal' \
		insula run --log-driver journald "$E2E_IMAGE" true
}
