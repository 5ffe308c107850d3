#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a command is started from: limits, signals, descriptors, directories and outputs that are not what one
# expects. It works all the same or is refused with one error, and nothing is left.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers

empty() {
	[ -z "$(known_ids)" ] || fail "there is $(known_ids)" || return
	[ -z "$(find "$INSULA_ROOT/names" "$INSULA_RUNROOT/ids" -type f 2>/dev/null)" ] || fail "a name or a range is left"
}

# ---- limits ----

@test "few open files: refused where that is the limit, raised where it is not" {
	for n in 9 16 32 64 128 255; do
		refused 125 "only $n files may be open" bash -c 'ulimit -n "$1"; exec "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" true' bash $n
		empty
	done
	for n in 16 64; do
		ok bash -c 'ulimit -S -n "$1"; exec "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" echo fine' bash $n
		shows fine
	done
	ok bash -c 'ulimit -n 256; exec "$INSULA_BIN/insula" run --rm host true'
}

@test "ps lists any number of containers with few open files" {
	for i in $(seq 20); do insula run -d --name "box-$i" "$E2E_IMAGE" sleep 600 >/dev/null; done
	for i in $(seq 20); do insula run --name "over-$i" "$E2E_IMAGE" true; done
	ok bash -c 'ulimit -n 16; exec "$INSULA_BIN/insula" ps -aq'
	[ "${#lines[@]}" -eq 40 ] || fail
	ok insula rm -f --all
}

@test "files that may not grow: an error, not a death by signal" {
	exits 125 bash -c '(ulimit -f 0; exec "$INSULA_BIN/insula" run -d "$E2E_IMAGE" true) 2>&1 | cat; exit ${PIPESTATUS[0]}'
	contains 'file too large'
	empty
}

@test "files that may not grow: the keeper of a container goes on" {
	ok bash -c 'ulimit -f 16; exec "$INSULA_BIN/insula" run -d --name talk "$E2E_IMAGE" sh -c "yes | head -c 300000; echo; echo end; exit 9"'
	ok timeout 30 "$INSULA_BIN/insula" wait talk
	shows 9
}

@test "a keeper does not use up the time that its starter had" {
	ok bash -c 'ulimit -S -t 1; exec "$INSULA_BIN/insula" run -d --name talk "$E2E_IMAGE" sleep 600'
	read -r soft _ < <(sed -n 's/^Max cpu time *\([^ ]*\) *\([^ ]*\).*/\1 \2/p' "/proc/$(detail talk .State.KeeperPid)/limits")
	[ "$soft" = unlimited ] || fail "$soft"
}

# ---- signals ----

@test "signals that the caller blocks or ignores are neither inside" {
	ok env --block-signal=TERM,HUP,USR1 --ignore-signal=INT,QUIT,CHLD,PIPE,XFSZ \
		"$INSULA_BIN/insula" run --rm "$E2E_IMAGE" grep -E '^Sig(Blk|Ign)' /proc/self/status
	shows $'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000'
	ok insula run -d --name box "$E2E_IMAGE" sleep 600
	ok env --block-signal=TERM,HUP,USR1 --ignore-signal=INT,QUIT,CHLD,PIPE,XFSZ \
		"$INSULA_BIN/insula" exec box grep -E '^Sig(Blk|Ign)' /proc/self/status
	shows $'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000'
}

@test "children of a caller that ignores SIGCHLD are waited for" {
	exits 7 env --ignore-signal=CHLD "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" sh -c 'exit 7'
	ok insula run -d --name box "$E2E_IMAGE" sleep 600
	exits 8 env --ignore-signal=CHLD "$INSULA_BIN/insula" exec box sh -c 'exit 8'
}

# ---- outputs ----

@test "an output that is full is said by every verb that prints" {
	ok insula run -d --name box "$E2E_IMAGE" sh -c 'echo something; sleep 600'
	eventually 10 sh -c '"$INSULA_BIN/insula" logs box | grep -q something'
	for verb in ps 'ps --format json' 'inspect box' info version 'logs box' doctor 'completion bash' 'exec box echo x'; do
		run --separate-stderr bash -c 'exec "$INSULA_BIN/insula" $1 >/dev/full' bash "$verb"
		[ "$status" -eq 125 ] || fail "$verb"
		[[ $stderr == *'no space left on device'* ]] || fail "$verb"
	done
}

@test "a command whose output nobody takes ends, as it would in a pipeline without a container" {
	ok timeout 60 bash -c '"$INSULA_BIN/insula" run --rm "$E2E_IMAGE" yes | head -n 1'
	shows y
	eventually 20 empty
	exits 125 timeout 60 bash -c 'exec "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" yes >/dev/full'
	eventually 20 empty
	ok insula run -d --name box "$E2E_IMAGE" sleep 600
	ok timeout 60 bash -c '"$INSULA_BIN/insula" exec box yes | head -n 1; exit ${PIPESTATUS[1]}'
	shows y
	exits 125 timeout 60 bash -c 'exec "$INSULA_BIN/insula" exec box yes >/dev/full'
	[ "$(insula exec box sh -c 'ps | grep -c "[y]es"')" = 0 ] || fail
	ok timeout 60 bash -c '"$INSULA_BIN/insula" run --name kept "$E2E_IMAGE" yes | head -n 1'
	ok timeout 20 "$INSULA_BIN/insula" wait kept
	shows 137
}

# ---- directories and names ----

@test "a directory of any name is an image, and one to bind" {
	local -a names=($'new\nline' 'a:b' 'a,b' 'a\b' 'lowerdir=x,upperdir=y' ' ' '*' $'caf\xc3\xa9' '-rf' '%s%n')
	for name in "${names[@]}"; do
		root=$BATS_TEST_TMPDIR/$name
		cp -a "$E2E_ROOT" "$root"
		echo "$name" >"$root/srv/name"
		if [[ $name == *$'\n'* ]]; then
			refused 125 'control character' insula run --rm "dir:$root" true
		else
			ok insula run --rm "dir:$root" cat /srv/name
			shows "$name"
			ok insula run --rm "dir:$root" sh -c 'echo x >/srv/name; cat /srv/name'
			shows x
			[ "$(cat "$root/srv/name")" = "$name" ] || fail "it was written through: $name"
		fi
		rm -rf "$root"
	done
}

@test "a working directory that was removed, and none at all of the environment" {
	mkdir "$BATS_TEST_TMPDIR/gone"
	ok bash -c 'cd "$1"; rmdir "$1"; exec "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" pwd' bash "$BATS_TEST_TMPDIR/gone"
	shows /
	ok env -i "$INSULA_BIN/insula" --root "$INSULA_ROOT" --runroot "$INSULA_RUNROOT" run --rm "$E2E_IMAGE" echo fine
	shows fine
}

@test "a umask of the caller's decides nothing" {
	for mask in 0 777; do
		ok bash -c 'umask "$1"; exec "$INSULA_BIN/insula" run --rm -w /made/here "$E2E_IMAGE" \
			sh -c "umask; stat -c %a /made /made/here /dev/null /dev/shm /etc/hostname"' bash $mask
		shows $'0022\n755\n755\n666\n1777\n644'
	done
}

@test "a command line and an environment of a megabyte each" {
	# shellcheck disable=SC2046  # words
	[ "$(insula run --rm "$E2E_IMAGE" sh -c 'echo $#' sh $(seq 60000))" = 60000 ]
	local -a many=()
	for i in $(seq 2000); do many+=(-e "N$i=$(printf %0500d "$i")"); done
	[ "$(insula run --rm "${many[@]}" "$E2E_IMAGE" sh -c 'echo ${#N1} $(env | grep -c ^N[0-9])')" = '500 2000' ]
}
