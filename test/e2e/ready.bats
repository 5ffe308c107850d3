#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# --sdnotify: a container that runs is not always ready; who says so, who hears of it, and what is not heard.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup_file() {
	file_setup
	static_program "$E2E_DIR/notify.c" "$E2E_ROOT/bin/notify"
}

setup() {
	e2e_setup
	MANAGER=$E2E_STATE/manager
	unset NOTIFY_SOCKET
}

teardown() {
	[ -z "${LISTENER:-}" ] || kill -9 "$LISTENER" || true
	[ -z "${LISTENER:-}" ] || wait "$LISTENER" 2>/dev/null || true
	e2e_teardown
}

# A service manager: what it hears, one message a line, after the number of who said it.
manager() {
	python3 - "$MANAGER" >"$E2E_STATE/heard" 2>/dev/null 3>&- <<-'LISTEN' &
	import socket, struct, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
	s.bind(sys.argv[1])
	while True:
	    text, control, _, _ = s.recvmsg(65536, 65536)
	    pid = struct.unpack("iII", control[0][2])[0]
	    print(pid, text.decode().replace("\n", "|"), flush=True)
	LISTEN
	LISTENER=$!
	eventually 20 test -S "$MANAGER"
}

heard() {
	grep -q -x -e "$1" "$E2E_STATE/heard"
}

# box NAME FLAG... -- COMMAND: in the background, with a socket.
box() {
	local name=$1 flags=()
	shift
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	insula run -d --name "$name" --sdnotify container "${flags[@]}" "$E2E_IMAGE" "$@" >/dev/null
}

say() {
	local name=$1
	shift
	insula exec -e NOTIFY_SOCKET=/run/notify/notify.sock "$name" notify "$@"
}

ready() {
	detail "$1" '.State | "\(.Ready) \(.StatusText)"'
}

is_ready() {
	[ "$(ready "$1")" = "$2" ]
}

@test "a container is ready when it says so, and ps and inspect show it" {
	box web -- sleep 600
	[ "$(ready web)" = 'false ' ]
	[[ $(insula ps --format '{{.Status}}') == *'(not ready)' ]] || fail
	[ "$(field web ready)" = false ]
	say web -q 'STATUS=warming up'
	eventually 20 is_ready web 'false warming up'
	say web -q $'STATUS=serving\nREADY=1'
	say web -q READY=1
	ok insula wait --condition ready web
	shows -1
	[ "$(ready web)" = 'true serving' ]
	[[ $(insula ps --format '{{.Status}}') == *'(ready)' ]] || fail
	[ "$(insula events --stream=false --filter event=ready | grep -c .)" = 1 ]
	[ "$(detail web .Config.SdNotify)" = container ]
}

@test "the first process says it by NOTIFY_SOCKET, also as another user and with host root" {
	box one -- notify READY=1
	box two --user 1000:1000 -- notify READY=1
	box three --userns host --read-only -- notify READY=1
	ok insula wait --condition ready one two three
	ok insula exec one sh -c '! touch /run/notify/x && ! rm /run/notify/notify.sock; env'
	lacks NOTIFY_SOCKET
}

@test "what one says just before its end is heard" {
	# The second comes while the keeper rests after the first.
	box web -- sh -c 'notify -q STATUS=there; notify -q READY=1'
	ok insula wait web
	shows 0
	[ "$(insula events --no-stream -f event=ready -f container=web | grep -c .)" = 1 ] || fail
}

@test "one that ends before it is ready, or never says it" {
	box web -- sh -c 'until [ -e /go ]; do sleep 0.05; done; exit 3'
	(sleep 0.5; insula exec web touch /go) 3>&- &
	exits 125 insula wait --condition ready web
	[[ $stderr == *"ended with code 3 before it was ready"* ]] || fail
	wait $!
	box late -- sleep 600
	exits 124 timeout 1 "$INSULA_BIN/insula" wait --condition ready late
	ok insula run -d --name plain "$E2E_IMAGE" sleep 600
	refused 125 "nobody says when container 'plain' is ready" insula wait --condition ready plain
	refused 125 'no health check' insula run --sdnotify healthy "$E2E_IMAGE" true
	refused 125 'mounted on twice' insula run --sdnotify container --tmpfs /run/notify "$E2E_IMAGE" true
	refused 125 "would be below '/run/notify'" insula run --sdnotify container --tmpfs /run/notify/x "$E2E_IMAGE" true
}

@test "rubbish is not heard, and what is said of others is nobody's" {
	manager
	NOTIFY_SOCKET=$MANAGER box web -- sleep 600
	say web -q READY=2 READY "READY=1 " "$(printf 'x%.0s' {1..5000})" MAINPID=1 BUSERROR=x \
		EXTEND_TIMEOUT_USEC=-1 =READY=1 $'STATUS=a\001\033[31mb' FDSTORE=1 WATCHDOG_USEC=1
	eventually 20 is_ready web 'false a??[31mb'
	# One that is cut short could have lost the half that counts.
	say web -q "$(printf 'READY=1\n%5000s=1' x)"
	say web -q EXTEND_TIMEOUT_USEC=9223372036854775807
	eventually 20 grep -q '"extended_ms":[1-9]' "$INSULA_RUNROOT/containers/$(field web id)/ready.json"
	# At most a day, from now on.
	[ "$(grep -o '"extended_ms":[0-9]*' "$INSULA_RUNROOT/containers/$(field web id)/ready.json" | cut -d: -f2)" -le \
		$((($(cut -d. -f1 /proc/uptime) + 86400 + 10) * 1000)) ] || fail
	is_ready web 'false a??[31mb'
	say web -q $'MAINPID=1\nREADY=1\nUSER=0'
	eventually 20 heard '[0-9]* READY=1'
	eventually 20 heard '[0-9]* STATUS=a??\[31mb'
	[ "$(grep -c . "$E2E_STATE/heard")" = 4 ] || fail "$(cat "$E2E_STATE/heard")"
	[ "$(sed -n 1p "$E2E_STATE/heard" | cut -d' ' -f2)" = "MAINPID=$(detail web .State.KeeperPid)" ]
}

@test "nobody from outside is heard" {
	box web -- sleep 600
	NOTIFY_SOCKET=/proc/$(field web pid)/root/run/notify/notify.sock ok "$E2E_ROOT/bin/notify" -q READY=1
	say web -q STATUS=after
	eventually 20 is_ready web 'false after'
}

@test "--pid host: an ordinary user of the host, or another container of the kind, is not heard" {
	local socket
	box web --pid host -- sleep 600
	socket=/proc/$(field web pid)/root/run/notify/notify.sock
	[ -S "$socket" ]
	exits 1 setpriv --reuid 65534 --regid 65534 --clear-groups test -e "$socket"
	exits 2 in_box --pid host --cap-add all -e NOTIFY_SOCKET="$socket" -- notify -q READY=1
	say web -q STATUS=after
	eventually 20 is_ready web 'false after'
	say web -q READY=1
	eventually 20 is_ready web 'true after'
}

@test "what is more than is told at once hides nothing that counts" {
	local long
	long=STATUS=$(printf 'x%.0s' {1..240})
	manager
	NOTIFY_SOCKET=$MANAGER box web -- sleep 600
	say web -q "$(printf '%s\n' "$long" "$long" "$long" "$long" "$long" READY=1)"
	eventually 20 heard '[0-9]* READY=1|STATUS=x*'
}

@test "a flood is heard so often and not more, and holds up nobody" {
	box web -- notify -f STATUS=flood
	eventually 20 said web '^[0-9]'
	local used before
	before=$(awk '{ print $14 + $15 }' "/proc/$(detail web .State.KeeperPid)/stat")
	ok insula exec web true
	sleep 1
	used=$(($(awk '{ print $14 + $15 }' "/proc/$(detail web .State.KeeperPid)/stat") - before))
	[ "$used" -lt 60 ] || fail "$used hundredths of a second"
	[ "$(insula logs web | tail -n 1)" -le 1000 ] || fail
	is_ready web 'false flood'
	ok insula stop --time 0 web
}

@test "a command that is stopped is told what counts when it goes on, and keeps nobody's words" {
	local said front
	said=$(seq -f STATUS=%.0f 900)
	manager
	# shellcheck disable=SC2086  # a word each
	NOTIFY_SOCKET=$MANAGER "$INSULA_BIN/insula" run --name web --sdnotify container "$E2E_IMAGE" \
		sh -c 'until [ -e /tmp/go ]; do sleep 0.1; done; exec notify "$@"' sh $said READY=1 \
		>"$E2E_STATE/front" 2>&1 3>&- &
	front=$!
	eventually 20 insula exec web true
	kill -STOP "$front"
	ok insula exec web touch /tmp/go
	eventually 60 is_ready web 'true 900'
	kill -CONT "$front"
	eventually 20 heard '[0-9]* READY=1|STATUS=900'
	[ "$(wc -l <"$E2E_STATE/heard")" -lt 700 ] || fail "$(wc -l <"$E2E_STATE/heard")"
	kill -0 "$front" || fail "$(cat "$E2E_STATE/front")"
	ok insula stop --time 0 web
	wait "$front" || true
}

@test "a barrier is passed, and descriptors are nobody's" {
	box web -- sleep 600
	say web -b READY=1
	is_ready web 'true '
	[ "$(find "/proc/$(detail web .State.KeeperPid)/fd" -lname 'pipe:*' | wc -l)" = \
		"$(insula run -d "$E2E_IMAGE" sleep 600 >/dev/null; find "/proc/$(detail "$(insula ps -ql)" .State.KeeperPid)/fd" -lname 'pipe:*' | wc -l)" ]
}

@test "a descriptor whose close takes ten minutes holds up nobody" {
	box web -- notify -l STATUS=long
	eventually 20 said web left
	eventually 20 is_ready web 'false long'
	say web -q STATUS=after
	eventually 20 is_ready web 'false after'
	ok timeout 20 "$INSULA_BIN/insula" system upgrade web
	ok timeout 20 "$INSULA_BIN/insula" stop -t 0 web
	[ "$(detail web .State.Reason)" = 'stop timeout' ] || fail "$(detail web .State)"
}

# Who takes out what has descriptors is held before it does.
held_dropper() {
	local pid
	for pid in $(pgrep -P "$(detail web .State.KeeperPid)"); do
		! grep -q '^State:.T' "/proc/$pid/status" || echo "$pid"
	done | grep .
}

@test "a keeper that is replaced while it drops descriptors hears nothing twice, and drops nothing else" {
	needs_failpoints
	local pid
	INSULA_FAIL=notify.drop=stop box web -- sleep 600
	say web -b STATUS=one 3>&- &
	eventually 20 held_dropper
	pid=$(held_dropper)
	say web -q STATUS=two
	is_ready web 'false one' || fail
	ok insula system upgrade web
	sleep 0.3
	[ "$(held_dropper)" = "$pid" ] || fail "$pid, then $(held_dropper)"
	kill -CONT "$pid"
	eventually 20 is_ready web 'false two'
	wait
}

@test "a manager that is too busy is told by the next keeper, too" {
	local full=$E2E_STATE/full
	# Nobody reads, and it takes one datagram at a time.
	python3 -c "
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('$full')
t = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
t.setblocking(False)
try:
	while True: t.sendto(b'full', '$full')
except BlockingIOError: pass
print('full', flush=True)
while not os.path.exists('$E2E_STATE/read'): time.sleep(0.05)
while True:
	word = s.recv(4096)
	if word != b'full': print(word.decode(), flush=True)
" >"$E2E_STATE/heard" 3>&- &
	LISTENER=$!
	eventually 20 grep -q full "$E2E_STATE/heard"
	NOTIFY_SOCKET=$full box web -- notify READY=1
	eventually 20 is_ready web 'true '
	ok insula system upgrade web
	touch "$E2E_STATE/read"
	eventually 20 grep -q READY=1 "$E2E_STATE/heard"
}

@test "in the background the manager hears of the keeper first, then from it" {
	manager
	NOTIFY_SOCKET=$MANAGER ok insula run -d --name web "$E2E_IMAGE" \
		sh -c 'notify -q READY=1; until [ -e /go ]; do sleep 0.05; done; notify "EXTEND_TIMEOUT_USEC=5" STOPPING=1'
	insula exec web touch /go
	local keeper
	keeper=$(detail web .State.KeeperPid)
	eventually 20 heard "$keeper STOPPING=1"
	[ "$(sed -n 1p "$E2E_STATE/heard" | cut -d' ' -f2)" = "MAINPID=$keeper" ] || fail "$(cat "$E2E_STATE/heard")"
	heard "$keeper READY=1.*" && heard "$keeper EXTEND_TIMEOUT_USEC=5"
	insula stop --time 0 web >/dev/null
	NOTIFY_SOCKET=$MANAGER ok insula start web
	eventually 20 heard "[0-9]* MAINPID=$(detail web .State.KeeperPid)"
	eventually 20 heard "$(detail web .State.KeeperPid) READY=1.*"
}

# Of a process that is not his own child a manager does not see the end.
@test "the keeper is nobody's child by the time that the manager hears of it" {
	needs_failpoints
	manager
	NOTIFY_SOCKET=$MANAGER INSULA_FAIL=service.told=stop "$INSULA_BIN/insula" run -d --name web "$E2E_IMAGE" sleep 600 >/dev/null 3>&- &
	local command=$! keeper parent
	eventually 20 heard '[0-9]* MAINPID=.*'
	eventually 20 grep -q '^State:.T' "/proc/$command/status"
	keeper=$(detail web .State.KeeperPid)
	parent=$(sed -n 's/^PPid:.//p' "/proc/$keeper/status")
	kill -CONT $command
	wait $command
	[ "$parent" != $command ] || fail "it is the command's"
}

@test "in the foreground the command tells it, and its exit code is the container's" {
	manager
	NOTIFY_SOCKET=$MANAGER insula run --name web "$E2E_IMAGE" \
		sh -c 'notify -q STATUS=up READY=1; until [ -e /go ]; do sleep 0.05; done; exit 7' 3>&- &
	local command=$! code=0
	eventually 20 heard "[0-9]* READY=1.*\|[0-9]* STATUS=up|READY=1\|.*READY=1"
	lacks_mainpid
	insula exec web touch /go
	wait $command || code=$?
	[ $code = 7 ]
}

lacks_mainpid() {
	! grep -q MAINPID "$E2E_STATE/heard" || fail "$(cat "$E2E_STATE/heard")"
}

@test "conmon is ready at its start, healthy by its check, and ignore tells nobody" {
	manager
	export NOTIFY_SOCKET=$MANAGER
	ok insula run -d --name one --sdnotify conmon "$E2E_IMAGE" sleep 600
	eventually 20 heard "[0-9]* MAINPID=$(detail one .State.KeeperPid)|READY=1"
	ok insula wait --condition ready one
	ok insula run -d --name two --sdnotify ignore "$E2E_IMAGE" sleep 600
	ok insula run -d --name three --sdnotify healthy --health-interval 200ms \
		--health-cmd 'test -e /well' "$E2E_IMAGE" sleep 600
	ok insula exec three sh -c 'env; ls /run/notify'  2>/dev/null || true
	lacks NOTIFY
	[ "$(field three ready)" = false ]
	insula exec three touch /well
	ok insula wait --condition ready three
	eventually 20 heard "$(detail three .State.KeeperPid) READY=1"
	[ "$(grep -c MAINPID "$E2E_STATE/heard")" = 2 ]
}

@test "who requires it waits until it is ready" {
	box db -- sh -c 'until [ -e /go ]; do sleep 0.05; done; notify READY=1'
	ok insula create --name web --requires db "$E2E_IMAGE" sleep 600
	(sleep 0.7; insula exec db touch /go) 3>&- &
	ok insula start web
	wait $!
	[ "$(ready db)" = 'true ' ]
	insula stop --time 0 web db >/dev/null
	ok insula start web # by then /go is there
}

@test "who requires one that does not become ready is not started" {
	needs_failpoints
	export INSULA_TEST_READY_MS=500
	box db -- sh -c 'until [ -e /end ]; do sleep 0.05; done; exit 1'
	ok insula create --name web --requires db "$E2E_IMAGE" sleep 600
	refused 125 "'db' runs, and is not ready" insula start web
	[ "$(field web status) $(field db status)" = 'created running' ]
	say db -q EXTEND_TIMEOUT_USEC=30000000
	(sleep 1; insula exec db touch /end) 3>&- &
	exits 125 insula start web
	[[ $stderr == *"'db' ended before it was ready"* ]] || fail
	wait $!
	[ "$(field web status)" = created ]
}

@test "a restart begins anew, and another keeper knows what the last one heard" {
	manager
	NOTIFY_SOCKET=$MANAGER box web --restart always -- sh -c 'notify -q STATUS=$$ ; until [ -e /go ]; do sleep 0.05; done; rm /go'
	say web -q READY=1
	eventually 20 is_ready web 'true 1'
	insula system upgrade web >/dev/null
	is_ready web 'true 1' || fail
	say web -q STATUS=new
	eventually 20 is_ready web 'true new'
	eventually 20 heard "[0-9]* STATUS=new"
	insula exec web touch /go
	eventually 20 is_ready web 'false 1'
	say web -q STATUS=third
	eventually 20 heard "$(detail web .State.KeeperPid) STATUS=third"
}

@test "a unit of a container that says that it is ready is of that type" {
	ok insula create --name web --sdnotify container "$E2E_IMAGE" sleep 600
	ok insula create --name plain "$E2E_IMAGE" sleep 600
	ok insula generate systemd --name web
	contains $'Type=notify\nNotifyAccess=main'
	ok insula generate systemd --name --new web
	contains 'Type=notify'
	contains '--sdnotify container'
	ok insula generate systemd --name plain
	contains 'Type=exec'
}
