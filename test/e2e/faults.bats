#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is around fails: files are damaged, the disk is full or may not be written, the clock is set, control
# groups and mounts are taken away, a keeper is stopped, a reader never reads. Each has an outcome that is
# said here; none hangs another command, and none loses an exit code.

# shellcheck disable=SC2030,SC2031,SC2154  # status and stderr are set by run --separate-stderr

load helpers

setup_file() { file_setup; }
teardown_file() { file_teardown; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }

# One digit of it is another now.
spoil() {
	local before
	before=$(cksum <"$1")
	sed -i --follow-symlinks '1s/\(.*[^0-9]\)[0-8]/\19/' "$1"
	[ "$(cksum <"$1")" != "$before" ]
}

# damaged FILE: two containers, one with a damaged file; the other is not concerned.
damaged() {
	insula run -d --name hurt "$E2E_IMAGE" sleep 600 >/dev/null
	insula run -d --name whole "$E2E_IMAGE" sleep 600 >/dev/null
	local id
	id=$(insula inspect hurt | jq -r '.[0].Id')
	spoil "$(ls "$INSULA_ROOT/containers/$id/$1" 2>/dev/null || echo "$INSULA_RUNROOT/containers/$id/$1")"
	run --separate-stderr insula ps
	[ "$status" -eq 0 ] || fail
	contains whole
	if [ "$1" = record.json ]; then # of one that runs there is a copy
		contains hurt
	else
		[[ $stderr == *"container ${id:0:12}: $1"* ]] || fail
	fi
	exits 125 insula stop hurt
	[[ $stderr == *"container ${id:0:12}: $1"* ]] || fail
	[[ $stderr == *"hint: insula rm --force ${id:0:12}"* ]] || fail
	ok insula rm --force hurt
	! known_ids | grep -q "$id" || fail "files are left"
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "insula-$id")" ] || fail "groups are left"
	ok insula exec whole true
	ok insula run --rm --name hurt "$E2E_IMAGE" true # its name is free
	insula rm -f whole
}

@test "faults: a damaged record is said, concerns no other container, and can be removed" {
	damaged record.json
}

@test "faults: a damaged exit is said, is no other exit code, and can be removed" {
	insula run --name hurt "$E2E_IMAGE" sh -c 'exit 31' || true
	insula run --name whole "$E2E_IMAGE" sh -c 'exit 32' || true
	spoil "$INSULA_ROOT/containers/$(field hurt id)/exit.json"
	run --separate-stderr insula ps -a
	[ "$status" -eq 0 ] || fail
	contains whole
	lacks hurt
	[[ $stderr == *'exit.json'*checksum* ]] || fail
	exits 125 insula wait hurt
	[ -z "$output" ] || fail
	exits 1 insula doctor
	contains 'exit.json'
	ok insula rm -f hurt
	ok insula wait whole
	shows 32
}

# In a mount namespace of its own, where both directories are on a small disk.
@test "faults: on a disk that is full by then an exit code is recorded all the same" {
	cat >"$BATS_TEST_TMPDIR/script" <<-'EOF'
		mkdir -p "$INSULA_ROOT" "$INSULA_RUNROOT"
		mount -t tmpfs -o size=1m,mode=700 small "$INSULA_ROOT" || exit
		mount -t tmpfs -o size=1m,mode=700 small "$INSULA_RUNROOT" || exit
		insula() { "$INSULA_BIN/insula" "$@"; }
		insula run --detach --name box "$E2E_IMAGE" sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
		insula run --detach --name killed "$E2E_IMAGE" sleep 600 >/dev/null
		until insula logs box | grep -q ready; do sleep 0.1; done
		for full in "$INSULA_ROOT" "$INSULA_RUNROOT"; do
			cat /dev/zero >"$full/filler" 2>/dev/null
			while echo x >>"$full/filler.$n" 2>/dev/null; do n=$((n + 1)); done
			! echo full >"$full/probe" 2>/dev/null || echo "there is space"
		done
		insula kill --signal KILL killed >/dev/null
		insula kill --signal TERM box >/dev/null
		insula wait box killed
		insula ps --all --format json | jq -r 'sort_by(.name)[] | "\(.name) \(.status) \(.exit_code)"'
		ls "$INSULA_ROOT"/containers/*/exit* | sed 's|.*/||'
		insula rm box killed
		umount -l "$INSULA_RUNROOT/pad" 2>/dev/null
	EOF
	ok unshare -m sh "$BATS_TEST_TMPDIR/script"
	shows '7
137
box exited 7
killed exited 137
exit.json
exit.json
box
killed'
}

@test "faults: a damaged state is said, concerns no other container, and can be removed" {
	damaged state.json
}
