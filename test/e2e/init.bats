#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# run --init: a small process 1 that reaps orphans, passes signals on, and ends as the command did.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers

# Ten orphans that end when the shell has become a program that waits for nobody.
ORPHANS='for i in 0 1 2 3 4 5 6 7 8 9; do (sleep 1 &); done; exec sleep 600'
COUNT_ZOMBIES='grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l'

counts_zombies() {
	[ "$(insula exec "$1" sh -c "$COUNT_ZOMBIES")" -eq "$2" ]
}

@test "init: is process 1, and the command its child, with what it asked for" {
	ok insula run --rm --init -u 1000:1000 -w /tmp -e A=b "$E2E_IMAGE" \
		sh -c 'tr "\0" " " </proc/1/cmdline; cat /proc/1/comm; echo $$ $PPID; id -u; id -g; pwd; echo $A'
	[ "${lines[0]%insula-init}" = 'insula-init -- sh -c tr "\0" " " </proc/1/cmdline; cat /proc/1/comm; echo $$ $PPID; id -u; id -g; pwd; echo $A ' ] || fail
	[[ ${lines[1]} =~ ^[0-9]+\ 1$ ]] || fail # the pid is not always 2: before Linux 6.17 a helper mounts /proc
	[ "${lines[*]:2}" = "1000 1000 /tmp b" ] || fail
}

@test "init: without it there is none" {
	ok insula run --rm "$E2E_IMAGE" sh -c 'echo $$'
	shows 1
}

# reaped NAME: the shell has made its orphans and is "sleep 600" now, and there are that, process 1, and the
# shell that counts.
reaped() {
	insula exec "$1" sh -c 'cat /proc/[0-9]*/cmdline | tr "\0" " " | grep -q "sleep 600 " || exit 1
		set -- /proc/[0-9]*
		[ $# -eq 3 ]'
}

@test "init: orphans do not stay as zombies" {
	insula run -d --name bare "$E2E_IMAGE" sh -c "$ORPHANS" >/dev/null
	insula run -d --name reaped --init "$E2E_IMAGE" sh -c "$ORPHANS" >/dev/null
	eventually 20 counts_zombies bare 10 # what the flag is for
	eventually 20 reaped reaped
	insula rm -f bare reaped
}

@test "init: five hundred orphans at once are reaped" {
	ok insula run --rm --init "$E2E_IMAGE" sh -c \
		"for i in \$(seq 500); do (true &); done; sleep 1; $COUNT_ZOMBIES"
	shows 0
}

@test "init: exit codes and deaths by signal are the command's" {
	exits 0 insula run --rm --init "$E2E_IMAGE" true
	exits 7 insula run --rm --init "$E2E_IMAGE" sh -c 'exit 7'
	exits 255 insula run --rm --init "$E2E_IMAGE" sh -c 'exit 255'
	exits 137 insula run --rm --init "$E2E_IMAGE" sh -c 'kill -KILL $$'
	exits 139 insula run --rm --init "$E2E_IMAGE" sh -c 'kill -SEGV $$'
}

@test "init: when the command ends all else ends" {
	ok timeout 20 "$INSULA_BIN/insula" run --rm --init "$E2E_IMAGE" sh -c 'sleep 600 & echo done'
	shows 'done'
}

@test "init: a command that is not there or cannot be executed is an error of run, nothing is made" {
	refused 127 "cannot run 'nothing': no such command" insula run --init "$E2E_IMAGE" nothing
	refused 126 "cannot run '/etc/passwd'" insula run --init "$E2E_IMAGE" /etc/passwd
	refused 126 "cannot run '/etc'" insula run --init "$E2E_IMAGE" /etc
}

@test "init: what only execve finds out is said by the container" {
	root=$(copy_of_root spoilt)
	echo 'no program' >"$root/bin/text"
	chmod 755 "$root/bin/text"
	exits 126 insula run --rm --init "dir:$root" text
	[[ $stderr == "insula-init: cannot run 'text': no program for this machine"* ]] || fail
}

@test "init: signals go to the command, and stop needs no SIGKILL" {
	insula run -d --name plain --init "$E2E_IMAGE" sleep 600 >/dev/null
	local start=$SECONDS
	ok insula stop -t 60 plain
	[ $((SECONDS - start)) -lt 30 ] || fail "was killed"
	exits 0 insula wait plain
	shows 143
	insula run -d --name catcher --init "$E2E_IMAGE" sh -c '
		for s in HUP INT QUIT USR1 USR2 ALRM CONT WINCH; do trap "echo got $s" $s; done
		trap "echo got TERM; exit 3" TERM
		echo ready; while :; do sleep 0.1; done' >/dev/null
	eventually 10 sh -c '"$INSULA_BIN/insula" logs catcher | grep -q ready'
	for signal in HUP INT QUIT USR1 USR2 ALRM CONT WINCH TERM; do
		ok insula kill -s "$signal" catcher
		eventually 10 sh -c '"$INSULA_BIN/insula" logs catcher | grep -q "got $1"' sh "$signal"
	done
	exits 0 insula wait catcher
	shows 3
	insula rm plain catcher
}

@test "init: kill -9 is for process 1, which is the end of all" {
	insula run -d --name hard --init "$E2E_IMAGE" sleep 600 >/dev/null
	ok insula kill hard
	exits 0 insula wait hard
	shows 137
	insula rm hard
}

@test "init: does not hold on to more than the standard descriptors" {
	ok insula run --rm --init "$E2E_IMAGE" sh -c 'ls /proc/1/fd | sort -n | tr "\n" " "; echo logged >/proc/1/fd/1'
	[ "${lines[0]}" = "0 1 2 logged" ] || fail
}

@test "init: has no more rights than the command" {
	ok insula run --rm --init -u 1000 --security-opt no-new-privileges "$E2E_IMAGE" sh -c '
		grep -E "^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)" /proc/1/status >/tmp/init
		grep -E "^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)" /proc/self/status | cmp - /tmp/init && echo same'
	shows same
}

@test "init: keeps at most 100 KiB in memory" {
	ok insula run --rm --init "$E2E_IMAGE" sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' /proc/1/status
	[ "$output" -gt 0 ] && [ "$output" -le 100 ] || fail
}

@test "init: is no file of the host that container root could write" {
	local program=$INSULA_BIN/insula-init before
	before=$(sha256sum <"$program")
	for userns in private host; do
		exits 0 insula run --rm --init --userns "$userns" "$E2E_IMAGE" sh -c '
			(echo x >/proc/1/exe) 2>/dev/null && echo written; exit 0'
		lacks written
	done
	ok insula run --rm --init --userns host "$E2E_IMAGE" readlink /proc/1/exe
	contains '/memfd:'
	[ "$(sha256sum <"$program")" = "$before" ] || fail "the host's program was changed"
}

@test "init: an entrypoint of #!/proc/self/exe reaches no program of ours that can be written" {
	root=$(copy_of_root selfexe)
	printf '#!/proc/self/exe\n' >"$root/bin/again"
	chmod 755 "$root/bin/again"
	local before
	before=$(sha256sum <"$INSULA_BIN/insula-init")
	# process 1 executes it as itself once more, says how it is to be called, and ends
	exits 125 timeout 20 "$INSULA_BIN/insula" run --rm --init --userns host "dir:$root" again
	[[ $stderr == *"usage: insula-init"* ]] || fail
	[ "$(sha256sum <"$INSULA_BIN/insula-init")" = "$before" ] || fail
}

@test "init: on a terminal a shell has job control, and keys reach the command once" {
	ok pty --expect '# ' \
		--send 'sh -c "echo u\\"\\"p; exec sleep 500"\r' --expect $'up\r' \
		--send '\x1a' --expect Stopped --expect '# ' \
		--send 'kill -9 %1; wait %1; echo ready-$((40+2))\r' --expect ready-42 --expect '# ' \
		--send 'sh -c "trap \\"echo got-int; exit 3\\" INT; echo u\\"\\"p; while :; do sleep 0.1; done"\r' --expect $'up\r' \
		--send '\x03' --expect got-int --expect '# ' \
		--send 'exit 9\r' -- sh -c '"$INSULA_BIN/insula" run -it --rm --init "$E2E_IMAGE" sh; echo code $?'
	contains 'code 9'
	lacks "can't access tty"
}

@test "init: bash of the host image has job control" {
	[ -x /bin/bash ] || skip "no bash here"
	ok pty --expect '# ' --send 'sh -c "echo u\\"\\"p; exec sleep 300"\r' --expect $'up\r' \
		--send '\x1a' --expect 'Stopped' --expect '# ' --send 'kill -9 %1; fg; exit 4\r' -- \
		sh -c '"$INSULA_BIN/insula" run -it --rm --init host bash --norc; echo code $?'
	lacks 'no job control'
	contains 'code 4'
}

@test "init: a window of another size reaches the command" {
	ok pty --size 30x100 --expect '30 100' --resize 40x120 --expect '40 120' -- \
		"$INSULA_BIN/insula" run -it --rm --init "$E2E_IMAGE" sh -c '
			trap "stty size; exit 0" WINCH; stty size; while :; do sleep 0.1; done'
}

@test "init: the plan names it" {
	ok insula run --dry-run --init "$E2E_IMAGE" true
	contains "take-init $(realpath "$INSULA_BIN")/insula-init"
	contains 'execute true under insula-init'
	ok insula run --dry-run "$E2E_IMAGE" true
	lacks insula-init
}

@test "init: where the program is missing that is said, and nothing is made" {
	INSULA_INIT=/nowhere/insula-init refused 125 '/nowhere/insula-init' \
		insula run --init "$E2E_IMAGE" true
}
