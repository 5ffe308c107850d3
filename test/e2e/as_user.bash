# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Containers of an ordinary user, who exists in a mount namespace of the test's own only:
#
#	load helpers
#	load as_user
#
# As he is first, he has nothing but his own id (a batch job): with_range gives him others, with_groups a
# control group.

# Nobody has it, nor have those of other files that run at the same time.
USER_ID=$((54000000 + $(cksum <<<"$BATS_RUN_TMPDIR $BATS_TEST_FILENAME" | cut -d' ' -f1) % 1000000))
RANGE=2100000000

user_file_setup() {
	file_setup
	chmod 755 "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
	PROGRAMS=$BATS_FILE_TMPDIR/bin # where others may read them
	mkdir -p "$PROGRAMS"
	cp "$INSULA_BIN"/{insula,insula-keeper,insula-init} "$PROGRAMS"
	[ ! -e "$INSULA_BIN/insula-systemd" ] || cp "$INSULA_BIN/insula-systemd" "$PROGRAMS"
	cp -a "$E2E_ROOT" "$BATS_FILE_TMPDIR/image"
	chown -R $USER_ID:$USER_ID "$BATS_FILE_TMPDIR/image"
	IMAGE=dir:$BATS_FILE_TMPDIR/image
	export PROGRAMS IMAGE
}

user_file_teardown() {
	rm -rf "${BATS_FILE_TMPDIR:?}/image"
	file_teardown
}

user_setup() {
	e2e_setup
	export INSULA_BIN=$PROGRAMS
	chmod 755 "$E2E_STATE"
	HOME_DIR=$E2E_STATE/home
	install -d -o $USER_ID -g $USER_ID "$HOME_DIR" "$E2E_STATE/runtime"
	INSIDE=()
	HOLDER=
	FROZEN= # a process of ours that a test holds
	GROUPS_OF_HIS=()
	unset INSULA_ROOT INSULA_RUNROOT
	RUNTIME=$E2E_STATE/runtime
}

user_teardown() {
	heed_skip_file
	local ids
	[ -z "$FROZEN" ] || kill -CONT "$FROZEN" 2>/dev/null || true
	ids=$(mine ps --all --quiet --no-trunc)
	# shellcheck disable=SC2086  # ids are hex words
	[ -z "$ids" ] || mine rm --force $ids >/dev/null || true
	[ -z "$HOLDER" ] || kill "$HOLDER"
	[ -z "$HOLDER" ] || wait "$HOLDER" 2>/dev/null || true
	rm -rf "/tmp/insula-run-$USER_ID"
	remove_groups
	export INSULA_ROOT=$HOME_DIR/.local/share/insula INSULA_RUNROOT=$RUNTIME/insula
	e2e_teardown
}

setup_file() { user_file_setup; }
teardown_file() { user_file_teardown; }
setup() { user_setup; }
teardown() { user_teardown; }

# A mount namespace in which there is such a user, and mounts of the test's own can be made.
with_accounts() {
	cp /etc/passwd /etc/group "$E2E_STATE"
	echo "tenant:x:$USER_ID:$USER_ID::$HOME_DIR:/bin/sh" >>"$E2E_STATE/passwd"
	touch "$E2E_STATE/subuid" "$E2E_STATE/subgid"
	unshare -m --propagation private sh -c '
		for name in passwd group subuid subgid; do
			[ -e /etc/$name ] && mount --bind "$0/$name" /etc/$name
		done
		echo ready >"$0/ready"
		exec sleep 1000000' "$E2E_STATE" 3>&- &
	HOLDER=$!
	eventually 10 test -e "$E2E_STATE/ready"
	INSIDE=(nsenter "--mount=/proc/$HOLDER/ns/mnt")
}

# Gives him a range of ids, where there is a tool that maps it.
with_range() {
	command -v newuidmap >/dev/null || skip "this host has no newuidmap"
	[ -e /etc/subuid ] || skip "this host has no files of id ranges"
	echo "tenant:$RANGE:65536" | tee "$E2E_STATE/subuid" >"$E2E_STATE/subgid"
	with_accounts
}

# as_user COMMAND...
as_user() {
	"${INSIDE[@]}" setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all \
		env -i PATH=/usr/bin:/bin HOME="$HOME_DIR" ${RUNTIME:+XDG_RUNTIME_DIR="$RUNTIME"} "$@"
}

mine() {
	as_user "$PROGRAMS/insula" "$@"
}

# ---- control groups ----

# Is there a group here that he may fill?
has_groups() {
	[ ${#GROUPS_OF_HIS[@]} -gt 0 ] ||
		{ [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] &&
			as_user test -w "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"; }
}

# Where each hierarchy of this host is, and the group of this process in it.
hierarchies() {
	local line controllers path
	while IFS= read -r line; do
		controllers=$(cut -d: -f2 <<<"$line")
		path=$(cut -d: -f3- <<<"$line")
		for line in /sys/fs/cgroup/"${controllers#name=}" /sys/fs/cgroup/unified /sys/fs/cgroup; do
			[ -e "$line/cgroup.procs" ] || continue
			echo "$line $path"
			break
		done
	done </proc/self/cgroup
}

# Makes a directory below the top of every hierarchy his, as a manager of batch jobs does, and moves this process there.
# Nothing of the host's own groups is changed.
with_groups() {
	local base _ group
	[ ! -d /run/systemd/system ] || skip "systemd manages the control groups of this host"
	GROUP_NAME=insula-e2e-${E2E_STATE##*.}
	hierarchies >"$E2E_STATE/hierarchies"
	while read -r base _; do
		group=$base/$GROUP_NAME
		mkdir -p "$group/shell" || return
		GROUPS_OF_HIS+=("$group")
		share_cpuset "$base" "$group"
		chown -R $USER_ID:$USER_ID "$group"
		echo $BASHPID >"$group/shell/cgroup.procs" || return
	done <"$E2E_STATE/hierarchies"
}

# A group of v1 has no processor until it is given some.
share_cpuset() {
	local at
	[ -e "$2/cpuset.cpus" ] && [ ! -e "$2/cgroup.controllers" ] || return 0
	for at in "$2" "$2/shell"; do
		cat "$1/cpuset.cpus" >"$at/cpuset.cpus"
		cat "$1/cpuset.mems" >"$at/cpuset.mems"
	done
}

# Back to where we were, and his away.
remove_groups() {
	local base path
	[ ${#GROUPS_OF_HIS[@]} -gt 0 ] || return 0
	while read -r base path; do
		echo $BASHPID >"$base$path/cgroup.procs" || true
		eventually 5 remove_group "$base/$GROUP_NAME"
	done <"$E2E_STATE/hierarchies"
	GROUPS_OF_HIS=()
}

remove_group() {
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
	[ ! -e "$1" ]
}
