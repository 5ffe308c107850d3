#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# --log-driver journald, with a journal of the test's own in the place of the system's.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup() {
	e2e_setup
	needs_failpoints # the socket has another name in a test build alone
	JOURNAL=$E2E_STATE/journal
	export INSULA_JOURNAL_SOCKET=$E2E_STATE/socket
	# One entry a line, as JSON strings; and for the reader, with its time and the user who sent it.
	python3 - "$INSULA_JOURNAL_SOCKET" "$JOURNAL" >/dev/null 2>&1 3>&- <<-'LISTEN' &
	import json, socket, struct, sys, time
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
	s.bind(sys.argv[1])
	with open(sys.argv[2] + ".full", "w") as full, open(sys.argv[2], "w") as out:
	    while True:
	        data, control, _, _ = s.recvmsg(1 << 20, 64)
	        text, uid = data.decode("latin1"), struct.unpack("iii", control[0][2][:12])[1]
	        print(json.dumps([time.time_ns() // 1000, uid, text]), file=full, flush=True)
	        print(json.dumps(text), file=out, flush=True)
	LISTEN
	LISTENER=$!
	eventually 20 test -e "$JOURNAL"
	export INSULA_JOURNALCTL=$E2E_STATE/journalctl E2E_JOURNAL=$JOURNAL
	fake_journalctl >"$INSULA_JOURNALCTL"
	chmod +x "$INSULA_JOURNALCTL"
}

teardown() {
	[ -z "${LISTENER:-}" ] || kill -9 "$LISTENER" || true
	[ -z "${LISTENER:-}" ] || wait "$LISTENER" 2>/dev/null || true
	rm -f "${INSULA_JOURNAL_SOCKET:-}"
	e2e_teardown
}

# journalctl(1) of that journal, as far as it is used: the options that there are, and what it prints.
fake_journalctl() {
	cat <<-'JOURNALCTL'
	#!/usr/bin/env python3
	import json, os, struct, sys, time
	path = os.environ["E2E_JOURNAL"]
	if "E2E_JOURNAL_SAYS" in os.environ:
	    sys.exit(os.environ["E2E_JOURNAL_SAYS"])
	follow = reverse = False
	since, after, count, shown, wanted = 0, -1, 1 << 60, None, {}
	for word in sys.argv[1:]:
	    name, _, value = word.partition("=")
	    if word == "--sync":
	        sys.exit(0)
	    elif word in ("--quiet", "--no-pager", "--output=export", "--no-tail"):
	        pass
	    elif word == "--follow":
	        follow = True
	        with open(path + ".follower", "w") as out:
	            print(os.getpid(), file=out)
	    elif word == "--reverse":
	        reverse = True
	    elif name == "--lines":
	        count = int(value)
	    elif name == "--since" and value[0] == "@":
	        since = int(value[1:]) * 1000000
	    elif name == "--after-cursor":
	        after = int(value.rpartition("=")[2])
	    elif name == "--output-fields":
	        shown = value.encode().split(b",")
	    elif word[0] != "-" and value:
	        wanted[name.encode()] = value.encode()
	    else:
	        sys.exit("unknown option: " + word)
	if since and after >= 0:
	    sys.exit("Please specify only one of --since= and --after-cursor=.")

	def fields_of(data):
	    while data:
	        line, _, data = data.partition(b"\n")
	        name, equals, value = line.partition(b"=")
	        if not equals:
	            size = struct.unpack("<Q", data[:8])[0]
	            value, data = data[8:8 + size], data[9 + size:]
	        yield name, value

	def show(number, stamp, fields):
	    out = b"__CURSOR=s=fake;i=%d\n__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID=00\n" % (number, stamp)
	    for name, value in fields:
	        if name not in shown:
	            continue
	        if all(32 <= byte < 127 or byte == 9 for byte in value):
	            out += name + b"=" + value + b"\n"
	        else:
	            out += name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
	    sys.stdout.buffer.write(out + b"\n")

	def entries(source):
	    for number, line in source:
	        stamp, uid, text = json.loads(line)
	        fields = list(fields_of(text.encode("latin1")))
	        known = dict(fields, _UID=b"%d" % uid)
	        known[b"_UID"] = b"%d" % uid
	        if number > after and stamp >= since and all(known.get(n) == v for n, v in wanted.items()):
	            yield number, stamp, fields

	def lines():
	    number, source = 0, open(path + ".full")
	    while True:
	        line = source.readline()
	        if line.endswith("\n"):
	            yield number, line
	            number += 1
	        elif follow:
	            sys.stdout.flush()
	            source.seek(source.tell() - len(line))
	            time.sleep(0.05)
	        else:
	            return

	found = entries(lines())
	for entry in list(reversed(list(found)))[:count] if reverse else found:
	    show(*entry)
	JOURNALCTL
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
	ok insula logs web
	shows $'one\npart'
	[ "$stderr" = two ]
	ok insula logs --stderr web
	[ -z "$output" ] && [ "$stderr" = two ]
	[ "$(detail web '.Config | .LogDriver + " " + .LogTag')" = 'journald shop' ]
}

@test "whatever bytes a container prints come back" {
	insula run --name web --log-driver journald "$E2E_IMAGE" sh -c \
		'printf "a\\0b\\n\\377\\376\\n\\n\\r\\n MESSAGE=x\\n\\nPRIORITY=3\\n"; head -c 300000 /dev/zero; printf "\\nrest"' \
		>"$E2E_STATE/printed"
	eventually 20 entries 'rest\n'
	insula logs web >"$E2E_STATE/read" 2>"$E2E_STATE/errors"
	cmp "$E2E_STATE/printed" "$E2E_STATE/read"
	[ ! -s "$E2E_STATE/errors" ]
}

@test "logs from the journal: the last lines, a time, times, one stream, and nobody else's" {
	ok insula run --name web --log-driver journald "$E2E_IMAGE" \
		sh -c 'for i in 1 2 3 4 5; do echo $i; done; echo bad >&2'
	eventually 20 entries 'bad\n'
	ok insula logs --stdout --tail 2 web
	shows $'4\n5'
	ok insula logs --tail 0 web
	shows ''
	[ -z "$stderr" ]
	ok insula logs --tail 100 web
	shows $'1\n2\n3\n4\n5'
	ok insula logs --since 1h --until +1h web
	shows $'1\n2\n3\n4\n5'
	ok insula logs --until 1h web
	shows ''
	ok insula logs --since +1h web
	shows ''
	ok insula logs --timestamps --stdout -n 1 web
	[[ $output =~ ^20[0-9-]{8}T[0-9:]{8}\.[0-9]{9}Z\ 5$ ]] || fail 'no time'
	# Another user can send the id, too, and another container has another one.
	sed -n '1s/, 0, /, 12345, /p' "$JOURNAL.full" >"$E2E_STATE/forged"
	[ -s "$E2E_STATE/forged" ] || fail "nothing to forge: $(cat "$JOURNAL.full")"
	cat "$E2E_STATE/forged" >>"$JOURNAL.full"
	sed -n "1s/CONTAINER_ID_FULL=./CONTAINER_ID_FULL=X/p" "$JOURNAL.full" >"$E2E_STATE/forged"
	cat "$E2E_STATE/forged" >>"$JOURNAL.full"
	ok insula logs --stdout web
	shows $'1\n2\n3\n4\n5'
	# A line that is begun on one stream is none of the other's.
	ok insula run --name mixed --log-driver journald "$E2E_IMAGE" sh -c 'printf a; echo b >&2; sleep 0.2; echo c'
	eventually 20 entries 'c\n'
	ok insula logs mixed
	shows ac
	[ "$stderr" = b ]
	# One without its end is a line to --tail.
	ok insula run --name prompt --log-driver journald "$E2E_IMAGE" sh -c 'printf "1\n2\n$ "'
	eventually 20 eval '[ "$(insula logs prompt)" = $'"'1\n2\n$ '"' ]'
	for lines in 0 1 2 3; do
		[ "$(insula logs --tail "$lines" prompt; echo .)" = "$(printf '1\n2\n$ ' | tail -n "$lines"; echo .)" ] || fail "--tail $lines"
	done
}

is_in() {
	grep -q -x -e "$1" "$2"
}

is_over() {
	! grep -q '^State:.[^Z]' "/proc/$1/status"
}

# A container that prints "early", then "late" and ends when it is told to.
start_slow() {
	ok insula run -d --name web --log-driver journald "$E2E_IMAGE" \
		sh -c 'echo early; until [ -e /go ]; do sleep 0.05; done; echo late; until [ -e /end ]; do sleep 0.05; done'
	eventually 20 entries 'early\n'
}

follow_in_background() {
	"$INSULA_BIN/insula" logs --follow web >"$E2E_STATE/read" 2>"$E2E_STATE/errors" </dev/null 3>&- &
	READER=$!
	eventually 20 is_in early "$E2E_STATE/read"
	eventually 20 test -s "$JOURNAL.follower"
}

@test "logs --follow from the journal goes on until the container ends" {
	start_slow
	follow_in_background
	ok insula exec web touch /go
	eventually 20 is_in late "$E2E_STATE/read"
	insula exec web touch /end || true # the container may have ended before the command has
	wait "$READER"
	[ "$(cat "$E2E_STATE/read")" = $'early\nlate' ] || fail "$(cat "$E2E_STATE/read")"
	[ ! -s "$E2E_STATE/errors" ]
	eventually 10 is_over "$(cat "$JOURNAL.follower")"
	# One that has ended is not waited for.
	ok insula logs --follow --tail 1 web
	shows late
	# What never rests is shown as it comes.
	ok insula run -d --name drip --log-driver journald "$E2E_IMAGE" sh -c 'while :; do echo drop; sleep 0.05; done'
	"$INSULA_BIN/insula" logs --follow drip >"$E2E_STATE/read" </dev/null 3>&- &
	drip=$!
	eventually 20 is_in drop "$E2E_STATE/read"
	ok insula stop --time 0 drip
	wait "$drip"
}

@test "logs and journalctl end with each other" {
	start_slow
	follow_in_background
	kill -9 "$READER"
	wait "$READER" || true
	eventually 10 is_over "$(cat "$JOURNAL.follower")"
	rm "$JOURNAL.follower"
	follow_in_background
	kill -9 "$(cat "$JOURNAL.follower")"
	code=0
	wait "$READER" || code=$?
	[ "$code" = 125 ]
	grep -q 'journalctl ended with 137' "$E2E_STATE/errors"
	# Nor is one held by a time that has come.
	ok insula logs --follow --until +200ms web
	shows early
}

@test "tag, labels and env are fields of the journal" {
	ok insula run --name web --log-driver journald --label com.example.team=blue --label other=x --env $'MOTTO=a\nMESSAGE=forged' \
		--log-opt 'tag={{.Name}}/{{.ID}}' --log-opt labels=com.example.team,absent --log-opt env=MOTTO,ABSENT "$E2E_IMAGE" echo one
	eventually 20 entries 'one\n'
	id=$(detail web .Id)
	[ "$(entries "CONTAINER_TAG=web/${id:0:12}\\nSYSLOG_IDENTIFIER=web/${id:0:12}\\n")" = 1 ]
	[ "$(entries '\nCOM_EXAMPLE_TEAM=blue\nMOTTO\n')" = 1 ]
	[ "$(entries "\\nIMAGE_NAME=$E2E_IMAGE\\nMESSAGE\\n")" = 1 ] || fail "$(cat "$JOURNAL")"
	! entries OTHER= || fail 'a label that nobody asked for'
	ok insula logs web
	shows one
	[ "$(detail web '.Config.LogFields | join(" ")')" = $'COM_EXAMPLE_TEAM=blue MOTTO=a\nMESSAGE=forged' ]
	# It is called otherwise by the next start, which has the same fields.
	ok insula rename web shop
	ok insula start --attach shop
	eventually 20 entries "CONTAINER_TAG=shop/${id:0:12}\\n"
	[ "$(entries '\nCOM_EXAMPLE_TEAM=blue\n')" = 2 ]
	ok insula logs shop
	shows $'one\none'
}

@test "fields of the largest size there may be go through the start, and to the next keeper" {
	local long
	long=$(head -c 65000 /dev/zero | tr '\0' '\1')
	ok insula run -d --name web --log-driver journald --log-opt env=LONG -e "LONG=$long" "$E2E_IMAGE" \
		sh -c 'until [ -e /go ]; do sleep 0.1; done; echo "${#LONG}"'
	ok insula system upgrade web
	insula exec web touch /go || true # as above
	ok insula wait web
	eventually 20 entries '65000\n'
	refused 125 'more than 64 fields or 65536 bytes' insula run --log-driver journald --log-opt env=LONG \
		-e "LONG=$long$(head -c 600 /dev/zero | tr '\0' x)" "$E2E_IMAGE" true
}

@test "a journal that cannot be read is one error" {
	ok insula run --name web --log-driver journald "$E2E_IMAGE" echo one
	INSULA_JOURNALCTL=/nonexistent refused 125 'there is no journalctl' insula logs web
	E2E_JOURNAL_SAYS='No journal files were opened due to insufficient permissions.' \
		refused 125 'insufficient permissions' insula logs web
	E2E_JOURNAL_SAYS=$'a\e[31mb\nc' refused 125 'journalctl ended with 1: a?[31mb' insula logs --follow web
	printf '#!/bin/sh\necho MESSAGE; echo nonsense; echo\n' >"$E2E_STATE/other"
	chmod +x "$E2E_STATE/other"
	INSULA_JOURNALCTL=$E2E_STATE/other refused 125 'journalctl does not print' insula logs web
	printf '#!/bin/sh\nprintf MESSAGE=x\n' >"$E2E_STATE/other"
	INSULA_JOURNALCTL=$E2E_STATE/other refused 125 'cannot read the journal' insula logs web
}

@test "a container goes on without its journal" {
	ok insula run -d --name web --log-driver journald "$E2E_IMAGE" \
		sh -c 'until [ -e /go ]; do sleep 0.1; done; echo late; exit 3'
	kill -9 "$LISTENER"
	rm "$INSULA_JOURNAL_SOCKET"
	insula exec web touch /go || true # as above
	ok insula wait web
	shows 3
}

@test "a journal that takes three entries a second keeps the keeper from nobody" {
	kill -9 "$LISTENER"
	rm "$INSULA_JOURNAL_SOCKET"
	python3 - "$INSULA_JOURNAL_SOCKET" >/dev/null 2>&1 3>&- <<-'LISTEN' &
	import socket, sys, time
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1])
	while True:
	    s.recv(1 << 20)
	    time.sleep(0.3)
	LISTEN
	LISTENER=$!
	eventually 20 test -S "$INSULA_JOURNAL_SOCKET"
	ok insula run -d --name web --log-driver journald "$E2E_IMAGE" sh -c 'yes | head -n 400; >/printed; sleep 600'
	eventually 20 insula exec web test -e /printed
	ok insula stop --time 0 web
	[ "$(detail web .State.Reason)" != 'keeper died' ] || fail
}

@test "where there is no journal, and what it has no option for, is refused" {
	refused 125 'max-size' insula run --log-driver journald --log-opt max-size=1m "$E2E_IMAGE" true
	refused 125 'plain characters' insula run --log-driver journald --log-opt $'tag=a\nMESSAGE=b' "$E2E_IMAGE" true
	refused 125 'plain characters' insula run --log-driver journald --log-opt tag= "$E2E_IMAGE" true
	refused 125 "'.Title' is no field" insula run --log-driver journald --log-opt tag='{{.Title}}' "$E2E_IMAGE" true
	refused 125 'another meaning' insula run --log-driver journald --log-opt labels=message "$E2E_IMAGE" true
	for name in container.name syslog-identifier object.pid message-id; do
		refused 125 'another meaning' insula run --log-driver journald --label "$name=x" \
			--log-opt "labels=$name" "$E2E_IMAGE" true
	done
	refused 125 'cannot be a field' insula run --log-driver journald --log-opt env=1A "$E2E_IMAGE" true
	refused 125 'a second A_B' insula run --log-driver journald --label a.b=1 --log-opt labels=a.b,a-b "$E2E_IMAGE" true
	refused 125 "'labels-regex=^a' is not known" insula run --log-driver journald --log-opt labels-regex=^a "$E2E_IMAGE" true
	refused 125 "'labels=a' is not known" insula run --log-opt labels=a "$E2E_IMAGE" true
	INSULA_JOURNAL_SOCKET=/nonexistent refused 125 'there is no journal' \
		insula run --log-driver journald "$E2E_IMAGE" true
}
